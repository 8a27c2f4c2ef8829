"""Uncertainty of counts: intervals of rates, and whether false alarms agree with their promised rate."""

from __future__ import annotations

import math

_Z = 1.959963984540054
"""The 97.5 % quantile of the normal distribution."""


def rate_interval(hits: int, images: int) -> tuple[float, float]:
    """Give the 95 % interval of a rate that was measured as `hits` of `images`.

    Wilson, "Probable inference, the law of succession, and statistical inference", JASA 22, 1927.

    Args:
        hits: 0 to `images`.
        images: at least 1.

    Returns:
        Lower and upper end, 0 to 1.
    """
    share, square = hits / images, _Z * _Z
    centre = (share + square / (2 * images)) / (1 + square / images)
    half = _Z * math.sqrt(share * (1 - share) / images + square / (4 * images**2)) / (1 + square / images)
    # Rounding must not leave the measured rate outside its own interval.
    return min(max(0.0, centre - half), share), max(min(1.0, centre + half), share)


def chance_of_alarms(alarms: int, images: int, promised_rate: float, held_out: int) -> float:
    """Give the probability of at least this many false alarms if the promise holds.

    The threshold is one of `held_out` scores in ascending order, so its false-alarm rate is itself random:
    Beta(a, b) with a + b = held_out + 1 and the mean a / (a + b) = promised_rate. The number of alarms among
    `images` is then beta-binomial.

    Args:
        alarms: 0 to `images`.
        images: good images, at least 1.
        promised_rate: promised rate of the calibration, above 0 and below 1.
        held_out: number of scores that the threshold was chosen from, at least 1.

    Returns:
        0 to 1.
    """
    a = promised_rate * (held_out + 1)
    b = held_out + 1 - a
    fewer = math.fsum(math.exp(_log_beta_binomial(k, images, a, b)) for k in range(alarms))
    return min(1.0, max(0.0, 1 - fewer))


def _log_beta_binomial(hits: int, images: int, a: float, b: float) -> float:
    ways = math.lgamma(images + 1) - math.lgamma(hits + 1) - math.lgamma(images - hits + 1)
    return ways + _log_beta(hits + a, images - hits + b) - _log_beta(a, b)


def _log_beta(a: float, b: float) -> float:
    return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)

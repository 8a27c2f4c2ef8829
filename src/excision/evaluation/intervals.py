"""Uncertainty of counts: intervals of rates."""

from __future__ import annotations

import math

_Z = 1.959963984540054
"""The 97.5 % quantile of the normal distribution."""


def rate_interval(hits: int, images: int, effective: float | None = None) -> tuple[float, float]:
    """Give the 95 % interval of a rate that was measured as `hits` of `images`.

    Wilson, "Probable inference, the law of succession, and statistical inference", JASA 22, 1927.

    Args:
        hits: 0 to `images`.
        images: at least 1.
        effective: number of independent images that say as much, above 0, where images come in groups; None
            if each is independent. With the number that groups of equal images would give, the interval is
            wide enough however the images of a group depend on each other.

    Returns:
        Lower and upper end, 0 to 1.
    """
    share, square, n = hits / images, _Z * _Z, images if effective is None else effective
    centre = (share + square / (2 * n)) / (1 + square / n)
    half = _Z * math.sqrt(share * (1 - share) / n + square / (4 * n**2)) / (1 + square / n)
    # Rounding must not leave the measured rate outside its own interval.
    return min(max(0.0, centre - half), share), max(min(1.0, centre + half), share)

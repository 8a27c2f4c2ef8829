"""Binomial tails and the exact upper limit of a rate, without scipy."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

_TINY = 1e-300
_MOST_TERMS = 500
_MOST_STEPS = 60
_EVERY = 1000
"""Up to this number of failures each limit is computed; beyond it, those between are interpolated."""


def binomial_cdf(failures: FloatArray | float, trials: float, rate: FloatArray | float) -> FloatArray:
    """Give the probability of at most so many failures in independent trials.

    It is the regularised incomplete beta function I_(1 - rate)(trials - failures, failures + 1), by the
    continued fraction of Press, Teukolsky, Vetterling, Flannery, "Numerical Recipes", 3rd edition, 2007,
    section 6.4.

    Args:
        failures: (N,) whole numbers from 0 to `trials`.
        trials: at least 1.
        rate: (N,) probability of a failure, 0 to 1.

    Returns:
        (N,), 0 to 1.
    """
    k, p = np.broadcast_arrays(np.asarray(failures, np.float64), np.asarray(rate, np.float64))
    found = np.ones(k.shape)
    open_ = (k < trials) & (p > 0)
    found[open_ & (p >= 1)] = 0.0
    open_ &= p < 1
    a, b, x, y = trials - k[open_], k[open_] + 1, 1 - p[open_], p[open_]
    # The fraction converges fast below this point, and the mirrored one above it.
    mirrored = x > (a + 1) / (a + b + 2)
    value = _beta_fraction(
        np.where(mirrored, b, a), np.where(mirrored, a, b), np.where(mirrored, y, x), np.where(mirrored, x, y)
    )
    found[open_] = np.where(mirrored, 1 - value, value)
    return np.clip(found, 0.0, 1.0)


def _beta_fraction(a: FloatArray, b: FloatArray, x: FloatArray, rest: FloatArray) -> FloatArray:
    log_beta = np.array(
        [math.lgamma(one) + math.lgamma(two) - math.lgamma(one + two) for one, two in zip(a, b, strict=True)]
    )
    front = np.exp(a * np.log(x) + b * np.log(rest) - log_beta) / a
    c = np.ones_like(x)
    d = 1 / _away_from_0(1 - (a + b) * x / (a + 1))
    fraction = d.copy()
    for m in range(1, _MOST_TERMS):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        change = np.ones_like(x)
        for term in (even, odd):
            d = 1 / _away_from_0(1 + term * d)
            c = _away_from_0(1 + term / c)
            change *= c * d
        fraction *= change
        if np.all(np.abs(change - 1) < 1e-15):
            break
    value: FloatArray = front * fraction
    return value


def _away_from_0(value: FloatArray) -> FloatArray:
    return np.where(np.abs(value) < _TINY, _TINY, value)


def upper_limit(failures: int, trials: int, level: float) -> float:
    """Give the exact upper confidence limit of a rate at which so few failures were seen.

    Clopper, Pearson, "The use of confidence or fiducial limits illustrated in the case of the binomial",
    Biometrika 26, 1934.

    Args:
        failures: 0 to `trials`.
        trials: at least 1.
        level: 1 - confidence, above 0 and below 1.
    """
    if failures == 0:
        return float(-np.expm1(math.log(level) / trials))
    return float(_solve(np.array([failures], np.float64), trials, level)[0])


@lru_cache(maxsize=32)
def upper_limits(trials: int, level: float) -> FloatArray:
    """Give the upper limits for 0 to `trials` failures, read-only (trials + 1,)."""
    places = np.unique(
        np.concatenate(
            [
                np.arange(min(trials, _EVERY) + 1),
                np.geomspace(min(trials, _EVERY), trials, _EVERY).round(),
            ]
        )
    ).astype(np.float64)
    limits = np.interp(np.arange(trials + 1), places, _solve(places, trials, level))
    limits[0] = upper_limit(0, trials, level)
    limits.setflags(write=False)
    return limits


def _solve(failures: FloatArray, trials: int, level: float) -> FloatArray:
    """Find, for each number of failures, the rate at which no more have the probability `level`.

    Newton's steps on the rate, halved back into the bracket where they leave it.
    """
    known = failures < trials
    k = failures[known]
    low, high, rate = np.zeros(len(k)), np.ones(len(k)), _approximate_limit(k, trials, level)
    log_ways = np.array(
        [math.lgamma(trials + 1) - math.lgamma(one + 1) - math.lgamma(trials - one) for one in k.tolist()]
    )
    # The logarithm of the gamma function, and so each probability, loses digits as the numbers grow.
    resolution = 1e-12 + 1e-14 * trials
    for _ in range(_MOST_STEPS):
        excess = binomial_cdf(k, trials, rate) - level
        low, high = np.where(excess > 0, rate, low), np.where(excess > 0, high, rate)
        # Slope of the probability in the rate: the density of the beta distribution.
        slope = np.exp(log_ways + k * np.log(rate) + (trials - 1 - k) * np.log1p(-rate))
        step = excess / np.maximum(slope, _TINY)
        if np.all(np.abs(step) <= resolution * rate):
            break
        inside = (rate + step > low) & (rate + step < high)
        rate = np.where(
            np.abs(step) <= resolution * rate, rate, np.where(inside, rate + step, (low + high) / 2)
        )
    limits = np.ones(len(failures))
    limits[known] = rate
    return limits


def _approximate_limit(failures: FloatArray, trials: int, level: float) -> FloatArray:
    """Give the limit of Wilson, "Probable inference", JASA 22, 1927, as a start inside (0, 1)."""
    from statistics import NormalDist

    z, share = NormalDist().inv_cdf(1 - level), (failures + 0.5) / trials
    centre = share + z * z / (2 * trials)
    half = z * np.sqrt(np.maximum(share * (1 - share), 0) / trials + z * z / (4 * trials**2))
    limit: FloatArray = np.clip((centre + half) / (1 + z * z / trials), 1e-12, 1 - 1e-12)
    return limit

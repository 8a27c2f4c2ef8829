"""Whether images that stand together resemble each other more than others do: permutation tests.

If images are independent, every order of them is as likely as any other, so that the order in which they
stand is compared with random ones (Good, "Permutation, Parametric, and Bootstrap Tests of Hypotheses", 2005).
Of several statistics the one that departs most is compared with the largest departure in each random order,
which keeps the rate of false findings whatever their number (Westfall and Young, "Resampling-Based Multiple
Testing", 1993).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from excision.data.groups.appearance import FAMILIES

Features = NDArray[np.float64]

_NORMAL = NormalDist()

_COMPONENTS = 5
"""Principal components of each family of numbers."""

_LAGS = 5
_MOST_ORDERS, _LEAST_ORDERS = 999, 199
_WORK = 600_000
"""Images times random orders that are enough."""

_AT_ONCE = 2**17
"""Numbers in the random orders of one call, a megabyte as float64: larger arrays leave the cache."""


@dataclass(frozen=True, slots=True)
class Test:
    """The result of a permutation test.

    Attributes:
        p_value: probability of so strong a resemblance if images were independent.
        share: share of the variance of the most telling component that images have in common: between groups,
            or between neighbours.
    """

    p_value: float
    share: float


def components(looks: NDArray[np.float32]) -> Features:
    """Reduce descriptions (N, 179) to independent components, each with normal scores.

    Ranks take the place of values, so that one odd image decides nothing.
    """
    parts = [_principal(looks[:, place].astype(np.float64)) for place in FAMILIES.values()]
    return normal_scores(np.concatenate(parts, axis=1))


def _principal(values: Features) -> Features:
    deviation = values.std(0)
    scaled = (values - values.mean(0))[:, deviation > 1e-6] / deviation[deviation > 1e-6]
    # Far outliers would take whole components for themselves.
    scaled = np.clip(scaled, -4, 4)
    scaled -= scaled.mean(0)
    if scaled.shape[1] == 0:
        return np.empty((len(values), 0))
    _, vectors = np.linalg.eigh(scaled.T @ scaled)
    projected: Features = scaled @ vectors[:, ::-1][:, :_COMPONENTS]
    return projected[:, projected.std(0) > 1e-6]


def normal_scores(values: Features) -> Features:
    """Replace each column by the normal scores of its ranks: mean 0 and variance 1."""
    count = len(values)
    order = np.argsort(values, axis=0, kind="stable")
    scores = np.array([_NORMAL.inv_cdf((rank + 0.5) / count) for rank in range(count)])
    found = np.empty_like(values)
    np.put_along_axis(found, order, scores[:, np.newaxis] / max(scores.std(), 1e-9), axis=0)
    return found


def test_order(values: Features, seed: int = 0) -> Test:
    """Test whether neighbours in the order of the rows (N, D) resemble each other.

    Looks at neighbours, at five lags together, and at slow changes (the range of the cumulated sum).
    """
    if len(values) < 8 or values.shape[1] == 0:
        return Test(1.0, 0.0)
    p_value, departures = _permuted(values, _serial, seed)
    lagged = np.mean([(values[lag:] * values[:-lag]).mean(0) for lag in (1, 2)], axis=0)
    most = int(np.argmax(departures.reshape(3, -1).max(0)))
    return Test(p_value, float(max(lagged[most], lagged.max() if p_value < 0.05 else 0.0)))


def _serial(orders: Features) -> Features:
    """Give lag 1, lags 1 to 5 and the range of the cumulated sum of each component: (B, N, D) to (B, 3 D)."""
    longest = min(_LAGS, orders.shape[1] - 2)
    lags = [(orders[:, lag:] * orders[:, :-lag]).sum(1) for lag in range(1, longest + 1)]
    cumulated = np.cumsum(orders, axis=1)
    return np.concatenate([lags[0], np.sum(lags, axis=0), np.ptp(cumulated, axis=1)], axis=1)


def test_groups(values: Features, groups: Sequence[str], seed: int = 0) -> Test:
    """Test whether rows (N, D) of one group resemble each other more than those of different groups."""
    _, labels, sizes = np.unique(np.asarray(groups), return_inverse=True, return_counts=True)
    if len(sizes) < 2 or len(sizes) == len(values) or values.shape[1] == 0:
        return Test(1.0, 0.0)
    order = np.argsort(labels, kind="stable")
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])

    def between(orders: Features) -> Features:
        sums = np.add.reduceat(orders, starts, axis=1)
        spread: Features = (sums**2 / sizes[:, np.newaxis]).sum(1) / len(values)
        return spread

    ordered = values[order]
    p_value, departures = _permuted(ordered, between, seed)
    by_chance = (len(sizes) - 1) / (len(values) - 1)
    share = (between(ordered[np.newaxis])[0] - by_chance) / (1 - by_chance)
    return Test(p_value, float(np.clip(share[int(np.argmax(departures))], 0, 1)))


def _permuted(
    values: Features, statistic: Callable[[Features], Features], seed: int
) -> tuple[float, Features]:
    """Compare statistics with those of random orders of the rows.

    Args:
        values: (N, D).
        statistic: takes orders of the rows (B, N, D), and gives (B, S).
        seed: of the random orders.

    Returns:
        The p-value of the largest departure, and each departure in standard deviations.
    """
    rng = np.random.default_rng(seed)
    count = int(np.clip(_WORK // len(values), _LEAST_ORDERS, _MOST_ORDERS))
    step = max(1, _AT_ONCE // values.size)
    random = np.concatenate(
        [
            statistic(values[[rng.permutation(len(values)) for _ in range(min(step, count - done))]])
            for done in range(0, count, step)
        ]
    )
    mean, spread = random.mean(0), random.std(0) + 1e-12
    found = (statistic(values[np.newaxis])[0] - mean) / spread
    largest = ((random - mean) / spread).max(1)
    return float((1 + (largest >= found.max() - 1e-9).sum()) / (1 + count)), found

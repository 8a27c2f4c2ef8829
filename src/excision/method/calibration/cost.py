"""The threshold of least expected cost, from scores of good and of defective parts, with its uncertainty."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from excision.errors import SettingsError
from excision.method.calibration.limits import FloatArray
from excision.method.calibration.rates import GroupedScores
from excision.method.calibration.words import percent

FEWEST_DEFECTS = 5
"""Defective parts that it takes: an interval from fewer says nothing."""

_RESAMPLES, _SEED = 500, 0
_TAILS = (0.05, 0.95)  # of the 90 % intervals


@dataclass(frozen=True, slots=True)
class Costs:
    """What errors cost.

    Attributes:
        escape: cost of a defective part that passes as good. false_alarm: cost of a good part that is called
        defective, in the same unit. defect_share: share of defective parts on the line. It is that of the
        line, not of a folder of examples,
            where defective parts are usually far more frequent.

    Raises:
        SettingsError: a cost is not above 0, or the share does not lie between 0 and 1.
    """

    escape: float
    false_alarm: float
    defect_share: float

    def __post_init__(self) -> None:
        for name, value in (("an escape", self.escape), ("a false alarm", self.false_alarm)):
            if not 0 < value < math.inf:
                raise SettingsError(f"the cost of {name} is {value:g}: it must be a number above 0")
        if not 0 < self.defect_share < 1:
            raise SettingsError(
                f"the share of defective parts is {self.defect_share:g}: it must lie between 0 and 1"
            )


@dataclass(frozen=True, slots=True)
class CostChoice:
    """A threshold of least expected cost.

    Attributes:
        costs: what errors cost.
        defects: number of defective parts that it was chosen with.
        missed: share of them that passes.
        expected: expected cost of a part at the threshold.
        expected_interval: 90 % interval of it.
        threshold_interval: 90 % interval of the threshold of least cost.
    """

    costs: Costs
    defects: int
    missed: float
    expected: float
    expected_interval: tuple[float, float]
    threshold_interval: tuple[float, float]


def least_cost(good: GroupedScores, defects: Sequence[float], costs: Costs) -> tuple[float, CostChoice]:
    """Find the threshold of least expected cost of a part.

    At a threshold t it is (1 - share) cost of a false alarm P(good part scores above t) + share cost of an
    escape P(defective part scores at most t), with both rates as seen: of good parts with each group of the
    same weight, of defective parts with each part of the same weight. Between two neighbouring scores the
    cost is the same; the middle between them is taken, and the largest such interval where several cost the
    same. The intervals come from 500 bootstrap samples of whole groups of good images and of defective parts
    (Efron, "Bootstrap methods: another look at the jackknife", Annals of Statistics 7, 1979).

    Args:
        good: scores of good images that were not used in training.
        defects: scores of defective parts.
        costs: what errors cost.

    Returns:
        The threshold, and what it costs.

    Raises:
        SettingsError: there are too few defective parts, or it costs least to call every part good, or every
            part defective.
    """
    if len(defects) < FEWEST_DEFECTS:
        raise SettingsError(
            f"{len(defects)} defective parts are too few to weigh costs: it takes at least {FEWEST_DEFECTS}"
        )
    table = _CostTable(good, defects, costs)
    best = table.at_best(np.ones(good.count), np.ones(len(defects)))
    cost, place = table.cost(np.ones(good.count), np.ones(len(defects))), best[1]
    if place == len(cost) - 1 or place == 0:
        everything = "good" if place else "defective"
        raise SettingsError(
            f"at these costs, with {percent(costs.defect_share)} defective parts, it costs least to call "
            f"every part {everything}: no threshold is set. Check the costs and the share, or give a "
            "false-alarm rate"
        )
    rng, thresholds, expected = np.random.default_rng(_SEED), [], []
    for _ in range(_RESAMPLES):
        groups = np.bincount(rng.integers(good.count, size=good.count), minlength=good.count)
        parts = np.bincount(rng.integers(len(defects), size=len(defects)), minlength=len(defects))
        thresholds.append(table.at_best(groups, parts)[0])
        expected.append(table.cost(groups, parts)[place])
    missed = float(np.mean(np.asarray(defects) <= best[0]))
    choice = CostChoice(
        costs, len(defects), missed, float(cost[place]), _interval(expected), _interval(thresholds)
    )
    return best[0], choice


class _CostTable:
    """Expected cost of a part between any two neighbouring scores, for any weights of the images."""

    def __init__(self, good: GroupedScores, defects: Sequence[float], costs: Costs) -> None:
        bad = np.asarray(defects, np.float64)
        self._good, self._costs = good, costs
        self._edges = np.unique(np.concatenate([good.scores, bad]))
        # Place 0 is below all scores, place k from the k-th edge on.
        self._good_places = np.searchsorted(self._edges, good.scores) + 1
        self._bad_places = np.searchsorted(self._edges, bad) + 1

    def cost(self, groups: NDArray[np.number], parts: NDArray[np.number]) -> FloatArray:
        """Give the expected cost of a part for each place, with weights of groups and of defective parts."""
        sizes, count = self._good.sizes, len(self._edges) + 1
        weights = (groups / sizes)[self._good.groups]
        at = np.bincount(self._good_places, weights=weights, minlength=count)
        above = 1 - np.cumsum(at) / groups.sum()
        passing = np.cumsum(np.bincount(self._bad_places, weights=parts, minlength=count)) / parts.sum()
        share = self._costs.defect_share
        cost: FloatArray = (
            1 - share
        ) * self._costs.false_alarm * above + share * self._costs.escape * passing
        return cost

    def at_best(self, groups: NDArray[np.number], parts: NDArray[np.number]) -> tuple[float, int]:
        """Give the threshold of least cost, and its place."""
        cost = self.cost(groups, parts)
        least = np.flatnonzero(cost <= cost.min() + 1e-12 * max(1.0, float(cost.max())))
        edges = np.concatenate([self._edges[:1], self._edges, self._edges[-1:]])
        # Neighbouring places that cost the same are one interval.
        runs = np.split(least, np.flatnonzero(np.diff(least) > 1) + 1)
        low, high, place = max(
            ((edges[run[0]], edges[run[-1] + 1], run[0]) for run in runs), key=lambda run: run[1] - run[0]
        )
        return float((low + high) / 2), int(place)


def _interval(values: Sequence[float]) -> tuple[float, float]:
    low, high = np.quantile(values, _TAILS)
    return float(low), float(high)

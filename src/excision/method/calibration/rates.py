"""How often scores of good images exceed a threshold: what was seen, and what may be true of images to come.

Groups are independent draws; images of one group may depend on each other in any way. A rate is counted in
two ways, which differ where groups differ in size: over groups (the mean share of a group's images, each
group with the same weight) and over images (each image with the same weight, so that large groups weigh
more).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from excision.method.calibration.limits import FloatArray, binomial_cdf, upper_limit, upper_limits

ROUNDING = 1e-9
"""Guards against rounding: what equals a rate may come out just past it."""

_HALVINGS = 45


class GroupedScores:
    """Scores of good images, and the group of each.

    Args:
        scores: (N,) finite, ascending.
        groups: (N,) the group of each, from 0 to G - 1.
    """

    def __init__(self, scores: Sequence[float], groups: Sequence[int]) -> None:
        self.scores: FloatArray = np.asarray(scores, dtype=np.float64)
        self.groups: NDArray[np.int64] = np.asarray(groups, dtype=np.int64)
        self.sizes: NDArray[np.int64] = np.bincount(self.groups)

    @property
    def count(self) -> int:
        """Number of groups."""
        return len(self.sizes)

    @cached_property
    def largest(self) -> FloatArray:
        """Largest score of each group, (G,)."""
        found = np.full(self.count, -np.inf)
        np.maximum.at(found, self.groups, self.scores)
        return found

    @cached_property
    def _shares_from(self) -> FloatArray:
        """Sum over groups of the share of its scores from each place on, (N + 1,)."""
        weights = 1 / self.sizes[self.groups]
        return np.concatenate([np.cumsum(weights[::-1])[::-1], [0.0]])

    def shares_above(self, threshold: float) -> FloatArray:
        """Share of each group's scores above a threshold, (G,)."""
        above = self.scores > threshold
        return np.bincount(self.groups, weights=above, minlength=self.count) / self.sizes

    def average_rate(self, threshold: float, *, or_at: bool = False) -> float:
        """Give the average promise of a threshold: the conformal one, with each group as one draw.

        Each of G groups has the weight 1 / (G + 1), shared evenly among its images; the group to come has the
        rest. Lee, Barber, Willett, "Distribution-free inference with hierarchical data", 2023, section 3.

        Args:
            threshold: images above it count.
            or_at: whether images at it count as well.

        Returns:
            above 0, at most 1.
        """
        below = np.searchsorted(self.scores, threshold, side="left" if or_at else "right")
        return float((1 + self._shares_from[below]) / (self.count + 1))

    @property
    def average_by_rank(self) -> FloatArray:
        """Average promise of each score as a threshold, (N,), with all that follow it counted as above it."""
        return (1 + self._shares_from[1:]) / (self.count + 1)

    def upper_rate_anywhere(self, threshold: float, level: float) -> float:
        """Give an upper limit of the rate above a threshold that holds for all thresholds at once.

        So it holds however the threshold was chosen, even by these scores. Of the level, the part 1 / ((j +
        1) (j + 2)) is spent on the thresholds above which the shares of the groups add up to at most j, for j
        = 0, 1, 2 and so on. There the limit is that of j groups, the largest, wholly above it: no other
        shares with that sum have a larger one.
        """
        whole = math.ceil(self.shares_above(threshold).sum() - ROUNDING)
        shares = np.zeros(self.count)
        shares[np.argsort(-self.sizes, kind="stable")[:whole]] = 1
        return upper_rate(shares, self.sizes, level / ((whole + 1) * (whole + 2)))

    def upper_rate(self, threshold: float, level: float) -> float:
        """Give the upper confidence limit of the rate above a threshold; see `upper_rate`."""
        return upper_rate(self.shares_above(threshold), self.sizes, level)

    def keeps(self, threshold: float, rate: float, level: float) -> bool:
        """Tell whether a threshold is shown to keep a rate; see `keeps`."""
        return keeps(self.shares_above(threshold), self.sizes, rate, level)


def upper_rate(shares: FloatArray, sizes: NDArray[np.int64], level: float) -> float:
    """Give the upper confidence limit of a rate, whether counted over groups or over images.

    Args:
        shares: (G,) share of each group's images that count, 0 to 1.
        sizes: (G,) number of images of each group.
        level: 1 - confidence.

    Returns:
        The smallest rate that `keeps` accepts.
    """
    if sizes.max() == 1:
        return upper_limit(round(shares.sum()), len(sizes), level)
    low, high = _stringer(shares, level), 1.0
    if sizes.max() == sizes.min():
        return low
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (low, middle) if keeps(shares, sizes, middle, level) else (middle, high)
    return high


def keeps(shares: FloatArray, sizes: NDArray[np.int64], rate: float, level: float) -> bool:
    """Tell whether a true rate above `rate` is refuted, whether it is counted over groups or over images.

    Where every group is one image, this is the exact binomial test. Otherwise it is the bound of Stringer for
    the mean of independent values in [0, 1]: with the Clopper-Pearson limits p(j) for j failures in G trials
    and the values z in descending order, p(0) + sum over j of (p(j) - p(j - 1)) z(j). It equals the exact
    limit where the values are 0 and 1, as in groups whose images are all alike. Bickel, "Inference and
    auditing: the Stringer bound", International Statistical Review 60, 1992. Over groups the values are the
    shares. Over images they are rate + size / largest size (share - rate), whose mean exceeds `rate` if and
    only if the rate of images does, as long as no group to come is larger than the largest of these.

    Args:
        shares: (G,) share of each group's images that count.
        sizes: (G,) number of images of each group.
        rate: above 0, at most 1.
        level: 1 - confidence.
    """
    if sizes.max() == 1:
        return bool(binomial_cdf(round(shares.sum()), len(sizes), rate) <= level + ROUNDING)
    if _stringer(shares, level) > rate + ROUNDING:
        return False
    over_images = rate + sizes / sizes.max() * (shares - rate)
    return sizes.max() == sizes.min() or _stringer(over_images, level) <= rate + ROUNDING


def _stringer(values: FloatArray, level: float) -> float:
    limits = upper_limits(len(values), level)
    return float(limits[0] + np.diff(limits) @ np.sort(values)[::-1])

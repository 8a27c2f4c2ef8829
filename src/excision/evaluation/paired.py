"""Whether two models differ on the same test images by more than chance: paired tests over groups."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from excision.evaluation.metrics import average_precision
from excision.method.calibration.limits import binomial_cdf

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

_RESAMPLES = 500
_SEED = 0


@dataclass(frozen=True, slots=True)
class PairedAuroc:
    """The image AUROC of two models on the same images.

    Attributes:
        old: of the first model.
        new: of the second.
        error: standard error of the difference; None if there are too few groups to tell.
        worse: one-sided p-value of "the second is no worse"; None if there are too few groups.
        better: one-sided p-value of "the second is no better"; likewise.
    """

    old: float
    new: float
    error: float | None
    worse: float | None
    better: float | None


def paired_auroc(
    old: FloatArray, new: FloatArray, defective: NDArray[np.bool_], groups: IntArray
) -> PairedAuroc:
    """Compare two models by the area under the ROC curve of their scores of the same images.

    The difference and its variance follow from the placements of each image among those of the other kind
    (DeLong, DeLong, Clarke-Pearson, "Comparing the areas under two or more correlated receiver operating
    characteristic curves", Biometrics 44, 1988), which are summed over groups of images that depend on each
    other (Obuchowski, "Nonparametric analysis of clustered ROC curve data", Biometrics 53, 1997). The
    difference over its error is taken as Student's t with one degree of freedom less than there are groups of
    the rarer kind, which is cautious where these are few.

    Args:
        old: (N,) scores of the first model.
        new: (N,) scores of the second.
        defective: (N,) at least one of each.
        groups: (N,) numbers of the groups, from 0.
    """
    count = int(groups.max()) + 1
    areas, placements = [], []
    for scores in (old, new):
        bad, good = scores[defective], scores[~defective]
        of_bad, of_good = _share_below(bad, good), 1 - _share_below(good, bad)
        areas.append(float(of_bad.mean()))
        placements.append((of_bad, of_good))
    first, second = areas
    difference = second - first
    totals, many = [], []
    for kind, (before, after) in zip((defective, ~defective), zip(*placements, strict=True), strict=True):
        own = groups[kind]
        totals.append(np.bincount(own, after - before - difference, count) / len(own))
        many.append(len(np.unique(own)))
    if min(many) < 2:
        return PairedAuroc(first, second, None, None, None)
    both = len(np.unique(groups))
    variance = sum(
        number / (number - 1) * float((total**2).sum()) for total, number in zip(totals, many, strict=True)
    )
    variance += 2 * both / (both - 1) * float((totals[0] * totals[1]).sum())
    error = math.sqrt(max(variance, 0.0))
    if error == 0.0:
        # Every image stands where it stood, or all moved alike, of which so few images tell nothing.
        return PairedAuroc(first, second, 0.0, 1.0, 1.0)
    above = t_above(difference / error, min(many) - 1)
    return PairedAuroc(first, second, error, 1 - above, above)


def t_above(value: float, freedom: int) -> float:
    """Give the probability that Student's t exceeds a value.

    By the incomplete beta function: I_x(n / 2, 1 / 2) at x = n / (n + t^2) is that of its absolute value.

    Args:
        value: finite.
        freedom: degrees of freedom n, at least 1.
    """
    # I_x(a, b) is the binomial distribution function at b - 1 of a + b - 1 trials, also where these are
    # no whole numbers.
    a, b, x = freedom / 2, 0.5, freedom / (freedom + value * value)
    both = float(binomial_cdf(np.array([b - 1]), a + b - 1, np.array([1 - x]))[0])
    return both / 2 if value > 0 else 1 - both / 2


def sign_above(rises: int, falls: int) -> float:
    """Give the probability of at least so many rises if rises and falls are equally likely.

    The exact sign test; with images that are independent it is McNemar's ("Note on the sampling error of the
    difference between correlated proportions or percentages", Psychometrika 12, 1947).
    """
    changes = rises + falls
    return float(sum(math.comb(changes, k) for k in range(rises, changes + 1)) / 2**changes)


def rises_and_falls(before: NDArray[np.bool_], after: NDArray[np.bool_], groups: IntArray) -> tuple[int, int]:
    """Count the groups in which more images became true than false, and those in which fewer did."""
    if not len(groups):
        return 0, 0
    net = np.bincount(groups, after.astype(np.float64) - before)
    return int((net > 0).sum()), int((net < 0).sum())


def average_precision_change(
    old: FloatArray, new: FloatArray, defective: NDArray[np.bool_], groups: IntArray
) -> tuple[float, float, float]:
    """Give the change of the average precision, and its 95 % bootstrap interval over groups of images."""
    return ranking_change(average_precision, old, new, defective, groups)


def ranking_change(
    metric: Callable[[NDArray[np.bool_], FloatArray], float],
    old: FloatArray,
    new: FloatArray,
    defective: NDArray[np.bool_],
    groups: IntArray,
) -> tuple[float, float, float]:
    """Give the change of a ranking metric, and its 95 % bootstrap interval over groups of images.

    Both models are measured on the same resamples (Efron, Tibshirani, "An introduction to the bootstrap",
    1993). Groups with a defective image and the others are drawn apart, so that a resample has some of each.

    Args:
        metric: of (N,) which images are defective, and (N,) their scores.
        old: (N,) scores of the first model.
        new: (N,) scores of the second.
        defective: (N,) at least one of each.
        groups: (N,) numbers of the groups, from 0.
    """
    change = metric(defective, new) - metric(defective, old)
    rng = np.random.default_rng(_SEED)
    members = [np.flatnonzero(groups == group) for group in range(int(groups.max()) + 1)]
    kinds = [
        [each for each in members if len(each) and defective[each].any() == kind] for kind in (True, False)
    ]
    changes = []
    for _ in range(_RESAMPLES):
        drawn = np.concatenate(
            [kind[place] for kind in kinds if kind for place in rng.integers(len(kind), size=len(kind))]
        )
        one, two, truth = old[drawn], new[drawn], defective[drawn]
        if truth.all() or not truth.any():
            continue  # a group holds the only images of one kind, and was not drawn
        changes.append(metric(truth, two) - metric(truth, one))
    if not changes:
        return float(change), -1.0, 1.0
    low, high = np.quantile(changes, [0.025, 0.975])
    return float(change), float(low), float(high)


@dataclass(frozen=True, slots=True)
class RateChange:
    """The share of images of which something is true, by two models on the same images.

    Attributes:
        old: share by the first model.
        new: share by the second.
        low: lower end of the 95 % interval of the change.
        high: its upper end.
        rises: groups in which it became true of more images.
        falls: groups in which it became true of fewer.
        p_value: of "it rises as often as it falls", two-sided; exact.
        groups: number of groups.
    """

    old: float
    new: float
    low: float
    high: float
    rises: int
    falls: int
    p_value: float
    groups: int


def rate_change(before: NDArray[np.bool_], after: NDArray[np.bool_], groups: IntArray) -> RateChange:
    """Compare a rate of two models on the same images: McNemar's exact test, and a paired bootstrap interval.

    Both are over groups of images. Where no image changed, the bootstrap would give an interval of no width;
    then the ends are the exact 97.5 % limits for a change that no group of so many shows, 1 - 0.025^(1 / n).

    Args:
        before: (N,) whether it is true by the first model; N is at least 1.
        after: (N,) whether it is true by the second.
        groups: (N,) numbers of the groups.
    """
    rises, falls = rises_and_falls(before, after, groups)
    _, number = np.unique(groups, return_inverse=True)
    sizes = np.bincount(number).astype(np.float64)
    net = np.bincount(number, after.astype(np.float64) - before)
    if rises + falls:
        rng = np.random.default_rng(_SEED)
        times = rng.multinomial(len(sizes), np.full(len(sizes), 1 / len(sizes)), size=4 * _RESAMPLES)
        low, high = (float(end) for end in np.quantile(times @ net / (times @ sizes), [0.025, 0.975]))
    else:
        high = 1 - 0.025 ** (1 / len(sizes))
        low = -high
    return RateChange(
        old=float(before.mean()),
        new=float(after.mean()),
        low=low,
        high=high,
        rises=rises,
        falls=falls,
        p_value=min(1.0, 2 * min(sign_above(rises, falls), sign_above(falls, rises))),
        groups=len(sizes),
    )


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjust p-values for their number, so that a false one at 5 % is rarer than 5 % among all of them.

    Holm, "A simple sequentially rejective multiple test procedure", Scandinavian Journal of Statistics 6,
    1979.
    """
    adjusted, largest = [0.0] * len(p_values), 0.0
    for done, place in enumerate(sorted(range(len(p_values)), key=lambda place: p_values[place])):
        largest = max(largest, min(1.0, (len(p_values) - done) * p_values[place]))
        adjusted[place] = largest
    return adjusted


def _share_below(values: FloatArray, others: FloatArray) -> FloatArray:
    """Give for each value the share of the others below it, with those that are equal counted half."""
    ascending = np.sort(others)
    below = np.searchsorted(ascending, values, "left") + np.searchsorted(ascending, values, "right")
    share: FloatArray = below / (2.0 * len(others))
    return share

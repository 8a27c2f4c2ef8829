"""Draw calibrations from the scores of good images, in whole groups, and judge what each of them promises."""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import betabinom, binom, norm, rankdata

from excision.method.calibration import Calibration, calibrate

_ROUNDING = 1e-9


@dataclass(frozen=True)
class Scores:
    """Anomaly scores of images that no network was trained on.

    Attributes:
        good: of good images, (N,).
        groups: the group of each good image as a number from 0, (N,).
        defects: of defective images, (D,).
    """

    good: NDArray[np.float64]
    groups: NDArray[np.int64]
    defects: NDArray[np.float64]

    @classmethod
    def of(cls, good: dict[str, float], groups: dict[str, str], defects: Sequence[float]) -> Scores:
        """Take the good images in the natural order of their names, so that neighbours stay neighbours."""
        names = sorted(good, key=natural_order)
        number: dict[str, int] = {}
        for name in names:
            number.setdefault(groups[name], len(number))
        return cls(
            np.array([good[name] for name in names]),
            np.array([number[groups[name]] for name in names], dtype=np.int64),
            np.array(defects),
        )


@dataclass(frozen=True)
class Verdict:
    """What one calibration promises, and what the images that it has not seen say about it.

    Attributes:
        images: number of calibration images.
        groups: their number of groups.
        promised: the false-alarm rate that is promised with the stated confidence.
        observed: share of the other good images above the threshold.
        others: number of these.
        chance: probability that more of the others than promised lie above the threshold if all images are
            independent: for finitely many others it is more than 1 - confidence. NaN where images come in
            groups.
        detected: share of the defective images above the threshold.
        average_promised: what the average conformal threshold by images promises: the rule without groups
            and without confidence.
        average_observed: share of the other good images above that threshold.
        average_detected: share of the defective images above that threshold.
    """

    images: int
    groups: int
    promised: float
    observed: float
    others: int
    chance: float
    detected: float
    average_promised: float
    average_observed: float
    average_detected: float

    def to_json(self) -> dict[str, float | None]:
        """Give the values by name; JSON has no NaN."""
        values: dict[str, float] = dataclasses.asdict(self)
        return {name: None if math.isnan(value) else value for name, value in values.items()}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Verdict:
        """Read the values back."""
        known: dict[str, Any] = {n: math.nan if value is None else value for n, value in values.items()}
        return cls(**known)

    @property
    def broken(self) -> bool:
        """Whether the observed rate is above the promised one."""
        return self.observed > self.promised + _ROUNDING

    @property
    def proven(self) -> bool:
        """Whether more alarms were observed than a rate of the promise gives in 95 of 100 cases."""
        return above_promise(round(self.observed * self.others), self.others, self.promised)

    @property
    def average_broken(self) -> bool:
        """Whether the average rule is observed above its promise."""
        return self.average_observed > self.average_promised + _ROUNDING


def draw_calibrations(
    scores: Scores, count: int, draws: int, rate: float, confidence: float, *, in_a_row: bool = False
) -> list[Verdict]:
    """Calibrate on other groups again and again, and judge each threshold on all other good images.

    Args:
        scores: of images that no network was trained on.
        count: images to calibrate on; whole groups are taken until there are at least as many.
        draws: number of calibrations.
        rate: wanted false-alarm rate.
        confidence: wanted confidence.
        in_a_row: groups follow one another in the order of names; otherwise they are drawn at random.
    """
    verdicts = []
    for number in range(draws):
        rng = np.random.default_rng([count, number])
        chosen = choose_groups(scores.groups, count, rng, in_a_row=in_a_row)
        calibration = calibrate(
            scores.good[chosen].tolist(), rate, confidence=confidence, groups=scores.groups[chosen].tolist()
        )
        verdicts.append(judge(calibration, scores.good[~chosen], scores.defects))
    return verdicts


def choose_groups(
    groups: NDArray[np.int64], count: int, rng: np.random.Generator, *, in_a_row: bool = False
) -> NDArray[np.bool_]:
    """Mark the images of random whole groups, at least `count` images in all, (N,)."""
    numbers = np.unique(groups)
    order = np.roll(numbers, int(rng.integers(len(numbers)))) if in_a_row else rng.permutation(numbers)
    sizes = np.bincount(groups)[order]
    taken = order[: int(np.searchsorted(sizes.cumsum(), count)) + 1]
    marked: NDArray[np.bool_] = np.isin(groups, taken)
    return marked


def judge(calibration: Calibration, others: NDArray[np.float64], defects: NDArray[np.float64]) -> Verdict:
    """Judge a calibration on good images that it has not seen, and on defective ones."""
    known = np.array(calibration.scores)
    threshold, promised = average_threshold(known, calibration.rate)
    return Verdict(
        images=len(known),
        groups=calibration.count_groups,
        promised=calibration.promised_rate,
        observed=_share_above(others, calibration.threshold),
        others=len(others),
        chance=_chance(calibration, len(others)),
        detected=_share_above(defects, calibration.threshold),
        average_promised=promised,
        average_observed=_share_above(others, threshold),
        average_detected=_share_above(defects, threshold),
    )


def _chance(calibration: Calibration, others: int) -> float:
    """Give the probability of more alarms than promised: beta-binomial, as in `evaluation.intervals`."""
    if calibration.count_groups < len(calibration.scores):
        return math.nan
    above = sum(score > calibration.threshold for score in calibration.scores) + 1
    most = math.floor(calibration.promised_rate * others + _ROUNDING)
    return float(betabinom.sf(most, others, above, len(calibration.scores) + 1 - above))


def average_threshold(scores: NDArray[np.float64], rate: float) -> tuple[float, float]:
    """Give the conformal quantile that counts every image as independent, and the average rate it promises.

    Vovk, Gammerman, Shafer, "Algorithmic Learning in a Random World", 2005, section 2.2.
    """
    count = len(scores)
    rank = min(max(math.ceil((count + 1) * (1 - rate) - _ROUNDING), 1), count)
    return float(np.sort(scores)[rank - 1]), (count + 1 - rank) / (count + 1)


def above_promise(alarms: int, images: int, promised: float) -> bool:
    """Tell whether a one-sided binomial test at 5 % refuses the promise; it takes images as independent."""
    return bool(binom.sf(alarms - 1, images, promised) < 0.05)


def most_broken(draws: int, confidence: float) -> int:
    """Give the largest number of broken promises that a kept confidence allows, in 95 of 100 cases."""
    return int(binom.ppf(0.95, draws, 1 - confidence))


def intraclass(scores: Scores) -> float:
    """Give the share of variance that groups explain: one-way random effects, groups of unequal size.

    Computed on normal scores of the ranks, so that a few large scores do not decide. Donner, "A Review of
    Inference Procedures for the Intraclass Correlation Coefficient in the One-Way Random Effects Model",
    International Statistical Review 54, 1986. NaN if no group has two images.
    """
    values, groups = _normal_scores(scores.good), scores.groups
    sizes = np.bincount(groups)
    count, images = len(sizes), len(values)
    if count < 2 or images == count:
        return math.nan
    means = np.bincount(groups, values) / sizes
    between = float((sizes * (means - values.mean()) ** 2).sum()) / (count - 1)
    within = float(((values - means[groups]) ** 2).sum()) / (images - count)
    usual = (images - float((sizes**2).sum()) / images) / (count - 1)
    return (between - within) / (between + (usual - 1) * within)


def neighbours(scores: Scores) -> float:
    """Give the correlation of the means of groups that follow one another in the order of names."""
    values = _normal_scores(scores.good)
    means = np.bincount(scores.groups, values) / np.bincount(scores.groups)
    if len(means) < 3:
        return math.nan
    return float(np.corrcoef(means[:-1], means[1:])[0, 1])


def natural_order(name: str) -> list[tuple[int, str]]:
    """Give a key that sorts numbers within names by their value."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", name)]


def _normal_scores(values: NDArray[np.float64]) -> NDArray[np.float64]:
    found: NDArray[np.float64] = norm.ppf((rankdata(values) - 0.5) / len(values))
    return found


def _share_above(values: NDArray[np.float64], threshold: float) -> float:
    return float((values > threshold).mean()) if len(values) else math.nan

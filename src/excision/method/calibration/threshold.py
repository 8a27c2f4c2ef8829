"""The decision threshold and its false-alarm rate, from scores of good images only."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from excision.errors import SettingsError
from excision.method.calibration import sentences
from excision.method.calibration.cost import CostChoice, Costs, least_cost
from excision.method.calibration.needed import DEFAULT_CONFIDENCE
from excision.method.calibration.odd import Odd
from excision.method.calibration.rates import ROUNDING, GroupedScores
from excision.method.calibration.rule import choose, choose_on_average
from excision.settings.calibration import OddRule


@dataclass(frozen=True)
class Calibration:
    """A decision threshold and the false-alarm rate that it promises.

    Attributes:
        threshold: an image is judged defective if its anomaly score is larger.
        wanted_rate: the requested false-alarm rate; None if a person set the threshold.
        promised_rate: the false-alarm rate that is kept with `confidence` over the choice of the good images,
            whether it is counted over groups or over images: at most `wanted_rate` if there were enough
            images, otherwise the smallest rate that so few can promise. Without a confidence, the rate that
            is kept on average over such choices.
        scores: anomaly scores of the held-out good images, ascending.
        groups: group of each score, numbered in the order in which they first occur; left out, each score is
            a group of its own.
        confidence: of the promise; None in folders written before promises had one.
        names: names of the images, in the order of the scores; empty if they are not known.
        odd_image: what is done with an odd image that alone would decide.
        odd: such an image; None if there is none.
        folds: number of folds if the images were not held out: the model was trained on all of them, and each
            score is that of another model, trained without the fold of the image. Otherwise 0.
        cross_fitted: number of the images that the networks were trained on; their scores are by statistics
            that leave their group out.
        cost: what the threshold costs, if it is that of least expected cost; otherwise None.
    """

    threshold: float
    wanted_rate: float | None
    promised_rate: float
    scores: tuple[float, ...]
    groups: tuple[int, ...] = ()
    confidence: float | None = None
    names: tuple[str, ...] = ()
    odd_image: OddRule = "pass_over"
    odd: Odd | None = None
    folds: int = 0
    cross_fitted: int = 0
    cost: CostChoice | None = None

    def __post_init__(self) -> None:
        if not self.groups:
            object.__setattr__(self, "groups", tuple(range(len(self.scores))))

    @property
    def rate(self) -> float:
        """The rate for the next calibration: the wanted rate if there is one, otherwise the promised rate."""
        return self.promised_rate if self.wanted_rate is None else self.wanted_rate

    @property
    def keeps_wish(self) -> bool:
        """Whether the promised rate is at most the wanted one."""
        return self.promised_rate <= self.rate + ROUNDING

    @property
    def count_groups(self) -> int:
        """Number of groups, that is, of independent draws."""
        return max(self.groups) + 1

    @property
    def average_rate(self) -> float:
        """The rate that is kept on average over such choices of good images; see `GroupedScores`."""
        return self.average_above(self.threshold)

    @cached_property
    def _grouped(self) -> GroupedScores:
        return GroupedScores(self.scores, self.groups)

    def p_value(self, score: float) -> float:
        """Give the conformal p-value: how often a good image scores at least this much, on average.

        Returns:
            above 0, at most 1: (1 + sum over groups of the share of its images that score at least as much)
            / (number of groups + 1). Vovk, Gammerman, Shafer, "Algorithmic Learning in a Random World", 2005,
            section 2.2; for groups, Lee, Barber, Willett, "Distribution-free inference with hierarchical
            data", 2023.
        """
        return self._grouped.average_rate(score, or_at=True)

    def average_above(self, threshold: float) -> float:
        """Give the rate above another threshold that is kept on average over such choices of good images."""
        return self._grouped.average_rate(threshold)

    def rate_above(self, threshold: float) -> float:
        """Give the rate that the same good images promise for another threshold, however it was chosen.

        At the threshold of the calibration, it is its promise.
        """
        return self.promised_rate if threshold == self.threshold else self._promised(threshold)

    def _promised(self, threshold: float) -> float:
        if self.confidence is None:
            return self._grouped.average_rate(threshold)
        return self._grouped.upper_rate_anywhere(threshold, 1 - self.confidence)

    def at(self, threshold: float) -> Calibration:
        """Return a calibration with the same scores and a threshold that a person set."""
        return replace(
            self,
            threshold=threshold,
            wanted_rate=None,
            promised_rate=self._promised(threshold),
            odd=None,
            cost=None,
        )

    def moved_to(self, threshold: float) -> Calibration:
        """Return this calibration for its own threshold, and `at` for any other."""
        return self if threshold == self.threshold else self.at(threshold)

    def for_rate(self, false_alarm_rate: float) -> Calibration:
        """Return the calibration that the same scores give for another wanted rate.

        Raises:
            ValueError: the rate is out of range.
        """
        return calibrate(
            self.scores,
            false_alarm_rate,
            confidence=self.confidence,
            groups=self.groups,
            names=self.names or None,
            odd_image=self.odd_image,
            folds=self.folds,
            cross_fitted=self.cross_fitted,
        )

    def at_least_cost(self, defects: Sequence[float], costs: Costs) -> Calibration:
        """Return a calibration with the same scores and the threshold of least expected cost.

        Raises:
            SettingsError: there are too few defective parts, or no threshold costs least.
        """
        threshold, choice = least_cost(self._grouped, defects, costs)
        return replace(self.at(threshold), cost=choice)

    def state(self) -> str:
        """Say the same as `explain`, as a line that begins with "Promise:"."""
        return sentences.state(self)

    def explain(self) -> str:
        """Say what the threshold promises, from how many images, and what it assumes."""
        return sentences.explain(self)

    def explain_rate(self) -> str:
        """Say the rate, its confidence and from how many images: the sentence that `explain` begins with."""
        return sentences.explain_rate(self)


def calibrate(
    scores: Sequence[float],
    false_alarm_rate: float,
    *,
    confidence: float | None = DEFAULT_CONFIDENCE,
    groups: Sequence[Hashable] | None = None,
    names: Sequence[str] | None = None,
    odd_image: OddRule = "pass_over",
    folds: int = 0,
    cross_fitted: int = 0,
) -> Calibration:
    """Set the threshold at which a false-alarm rate is kept with a confidence over the choice of the images.

    It is the smallest score at which a larger rate is refuted. The true rate falls as the threshold rises, so
    such a threshold fails with a probability of at most 1 - confidence. Where every group is one image, it is
    the k-th smallest of n scores with the smallest k for which P(Binomial(n, 1 - rate) >= k) <= 1 -
    confidence: a one-sided tolerance limit (Wilks, "Determination of sample sizes for setting tolerance
    limits", Annals of Mathematical Statistics 12, 1941; Vovk, "Conditional validity of inductive conformal
    predictors", 2012). Groups are independent draws, and images of one group may depend on each other in any
    way: `keeps`. If no score keeps the rate, the largest is taken, with the rate that it can promise.

    **One odd image** must not decide alone. Where only the largest score keeps the rate, 5 % of
    1 - confidence are spent on another rule: if that score is far out of line with the tail of the others
    (`gap_chance` below 0.5 %), its group is passed over. The threshold is then the largest score of the other
    groups, with the rate that it promises if one group lies above it. The two rules together keep the
    confidence, whatever the scores are like. Where that would lose a wanted rate that is just kept, the
    image stays.

    Args:
        scores: anomaly scores of good images that were not used in training.
        false_alarm_rate: wanted rate, between 0 and 1.
        confidence: 0.5 to below 1; None sets the threshold that keeps the rate on average over such choices.
        groups: group of each score; None if each is a group of its own.
        names: name of each image, where known.
        odd_image: what to do with an odd image: pass over it, or keep it.
        folds: number of folds if the scores are out-of-fold scores of training images; see `Calibration`.
        cross_fitted: number of the images that the networks were trained on.

    Raises:
        ValueError: there is no score, one is not finite, a rate or the confidence is out of range, or groups
        or
            names are not as many as the scores.
    """
    _check(scores, false_alarm_rate, confidence, groups, names)
    order = np.argsort(np.asarray(scores, np.float64), kind="stable").tolist()
    found = Calibration(
        threshold=math.inf,
        wanted_rate=false_alarm_rate,
        promised_rate=1.0,
        scores=tuple(float(scores[place]) for place in order),
        groups=() if groups is None else _numbered([groups[place] for place in order]),
        confidence=confidence,
        names=() if names is None else tuple(names[place] for place in order),
        odd_image=odd_image,
        folds=folds,
        cross_fitted=cross_fitted,
    )
    grouped = GroupedScores(found.scores, found.groups)
    if confidence is None:
        chosen = choose_on_average(grouped, false_alarm_rate)
    else:
        last = found.names[-1] if found.names else None
        chosen = choose(grouped, false_alarm_rate, 1 - confidence, odd_image, last)
    return replace(found, **chosen._asdict())


def _check(
    scores: Sequence[float],
    rate: float,
    confidence: float | None,
    groups: Sequence[Hashable] | None,
    names: Sequence[str] | None,
) -> None:
    if not len(scores) or not all(map(math.isfinite, scores)):
        raise ValueError("calibration needs at least one score, and every score finite")
    if not 0 < rate < 1:
        raise ValueError(f"the false-alarm rate is {rate}: it must lie between 0 and 1")
    if confidence is not None and not 0.5 <= confidence < 1:
        raise ValueError(f"the confidence is {confidence}: it must be at least 0.5 and below 1")
    for given, what in ((groups, "groups"), (names, "names")):
        if given is not None and len(given) != len(scores):
            raise ValueError(f"{len(given)} {what} were given for {len(scores)} scores")


def _numbered(groups: Sequence[Hashable]) -> tuple[int, ...]:
    numbers: dict[Hashable, int] = {}
    return tuple(numbers.setdefault(group, len(numbers)) for group in groups)


def check_thresholds(threshold: float, review_threshold: float | None) -> None:
    """Check that thresholds are usable.

    Raises:
        SettingsError: they are not finite, not above 0, or in the wrong order.
    """
    numbers = [threshold] if review_threshold is None else [threshold, review_threshold]
    if not all(math.isfinite(number) and number > 0 for number in numbers):
        raise SettingsError("thresholds must be finite numbers above 0")
    if review_threshold is not None and review_threshold > threshold:
        raise SettingsError(
            f"the grey zone would begin at {review_threshold:g}, above the decision threshold {threshold:g}"
        )

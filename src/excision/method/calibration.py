"""The decision threshold and its false-alarm rate, from scores of normal images alone."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from excision.errors import SettingsError

# Keeps a product of decimal fractions from being rounded past the whole number it equals.
_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class Calibration:
    """A decision threshold and what it promises.

    Attributes:
        threshold: an image is defective where its anomaly score is larger.
        wanted_rate: the false-alarm rate that was asked for; None where a person set the threshold.
        promised_rate: the false-alarm rate that holds: at most `wanted_rate` where there were enough images,
            otherwise the smallest rate that so few images can promise.
        scores: anomaly scores of the held-out normal images, ascending.
    """

    threshold: float
    wanted_rate: float | None
    promised_rate: float
    scores: tuple[float, ...]

    @property
    def rate(self) -> float:
        """The false-alarm rate to calibrate anew with: the wanted one, or that of a person's threshold."""
        return self.promised_rate if self.wanted_rate is None else self.wanted_rate

    @property
    def keeps_wish(self) -> bool:
        """Tell whether the wanted rate is promised."""
        return self.promised_rate <= self.rate + _ROUNDING

    def at(self, threshold: float) -> Calibration:
        """Give the same scores with a threshold that a person set."""
        return Calibration(threshold, None, promised_rate(self.scores, threshold), self.scores)

    def explain(self) -> str:
        """Say in one sentence what the threshold promises, and what more images would buy."""
        count = len(self.scores)
        if self.wanted_rate is None:
            return (
                f"a person set this threshold; {count} held-out normal images promise it a false-alarm rate "
                f"of at most {self.promised_rate:.2%}"
            )
        if self.keeps_wish:
            return (
                f"{count} held-out normal images promise a false-alarm rate of at most {self.wanted_rate:.2%}"
            )
        needed = math.ceil(1 / self.wanted_rate - _ROUNDING) - 1
        return (
            f"{count} held-out normal images cannot promise a false-alarm rate of {self.wanted_rate:.2%}; "
            f"the best they can promise is {self.promised_rate:.2%}. It takes {needed} held-out normal images"
        )


def calibrate(scores: Sequence[float], false_alarm_rate: float) -> Calibration:
    """Set the threshold to the conformal quantile of normal scores.

    With n scores and a rate a, the threshold is the k-th smallest score, k = ceil((n + 1) (1 - a)). A new
    normal image, exchangeable with these, exceeds it with probability at most 1 - k / (n + 1) <= a. Where k
    exceeds n no finite threshold can promise a; the largest score then promises 1 / (n + 1).
    Vovk, Gammerman, Shafer, "Algorithmic Learning in a Random World", 2005, section 2.2.

    Args:
        scores: anomaly scores of normal images that took no part in training.
        false_alarm_rate: wanted rate, between 0 and 1.

    Raises:
        ValueError: there is no score, one is not finite, or the rate is out of range.
    """
    if not scores or not all(map(math.isfinite, scores)):
        raise ValueError("calibration needs at least one score, and every score finite")
    if not 0 < false_alarm_rate < 1:
        raise ValueError(f"the false-alarm rate is {false_alarm_rate}: it must lie between 0 and 1")
    ascending = tuple(sorted(float(score) for score in scores))
    count = len(ascending)
    rank = math.ceil((count + 1) * (1 - false_alarm_rate) - _ROUNDING)
    rank = min(max(rank, 1), count)
    return Calibration(ascending[rank - 1], false_alarm_rate, (count + 1 - rank) / (count + 1), ascending)


def promised_rate(scores: Iterable[float], threshold: float) -> float:
    """Give the false-alarm rate that held-out normal images promise for any threshold.

    With n scores of which k do not exceed the threshold, a new normal image exceeds it with probability at
    most 1 - k / (n + 1): the rule of `calibrate`, read backwards.
    """
    known = list(scores)
    return 1 - sum(score <= threshold for score in known) / (len(known) + 1)


def check_thresholds(threshold: float, review_threshold: float | None) -> None:
    """Refuse thresholds that no image could be judged by.

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

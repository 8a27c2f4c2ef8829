"""The decision threshold and its false-alarm rate, computed from scores of normal images only."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from excision.errors import SettingsError

# Guards against rounding: a product of decimal fractions may come out just past the integer it equals.
_ROUNDING = 1e-9

WORST_PROMISE = 0.05
"""Largest false-alarm rate that is promised without asking, unless a larger one is wanted."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """A decision threshold and the false-alarm rate that it promises.

    Attributes:
        threshold: an image is judged defective if its anomaly score is larger.
        wanted_rate: the requested false-alarm rate; None if a person set the threshold.
        promised_rate: the false-alarm rate that is guaranteed: at most `wanted_rate` if there were enough
            images, otherwise the smallest rate that so few images can guarantee.
        scores: anomaly scores of the held-out normal images, ascending.
    """

    threshold: float
    wanted_rate: float | None
    promised_rate: float
    scores: tuple[float, ...]

    @property
    def rate(self) -> float:
        """The rate for the next calibration: the wanted rate if there is one, otherwise the promised rate."""
        return self.promised_rate if self.wanted_rate is None else self.wanted_rate

    @property
    def keeps_wish(self) -> bool:
        """Whether the promised rate is at most the wanted one."""
        return self.promised_rate <= self.rate + _ROUNDING

    def at(self, threshold: float) -> Calibration:
        """Return a calibration with the same scores and a threshold that a person set."""
        return Calibration(threshold, None, promised_rate(self.scores, threshold), self.scores)

    def explain(self) -> str:
        """Say in one sentence what the threshold promises, and how many images the wanted rate needs."""
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
        needed = images_needed(self.wanted_rate)
        return (
            f"{count} held-out normal images cannot promise a false-alarm rate of {self.wanted_rate:.2%}; "
            f"the best they can promise is {self.promised_rate:.2%}. It takes {needed} held-out normal images"
        )


def calibrate(scores: Sequence[float], false_alarm_rate: float) -> Calibration:
    """Set the threshold to the conformal quantile of the scores of normal images.

    With n scores and a rate a, the threshold is the k-th smallest score, k = ceil((n + 1) (1 - a)). A new
    normal image, exchangeable with these, exceeds it with probability at most 1 - k / (n + 1) <= a. If k
    exceeds n, no finite threshold guarantees a; the largest score is then used, which guarantees 1 / (n + 1).
    Vovk, Gammerman, Shafer, "Algorithmic Learning in a Random World", 2005, section 2.2.

    Args:
        scores: anomaly scores of normal images that were not used in training.
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


def images_needed(false_alarm_rate: float) -> int:
    """Return how many held-out normal images it takes to promise a false-alarm rate, between 0 and 1.

    The largest of n scores promises 1 / (n + 1), and no finite threshold promises less.
    """
    return max(1, math.ceil(1 / false_alarm_rate - _ROUNDING) - 1)


def too_few(count: int, false_alarm_rate: float) -> str | None:
    """Say why so few held-out normal images are too few for a calibration; None if they are enough.

    They are enough if they promise the wanted rate or, where that is lower, a rate of `WORST_PROMISE`.

    Args:
        count: number of held-out normal images.
        false_alarm_rate: wanted rate, between 0 and 1.
    """
    if count >= images_needed(max(false_alarm_rate, WORST_PROMISE)):
        return None
    least = images_needed(WORST_PROMISE)
    needed = f"{images_needed(false_alarm_rate)} to promise the wanted {false_alarm_rate:.2%}"
    if false_alarm_rate < WORST_PROMISE:
        needed = f"{least} to promise {WORST_PROMISE:.0%}, and {needed}"
    images = "image" if count == 1 else "images"
    return (
        f"{count} held-out good {images} can promise a false-alarm rate of {1 / (count + 1):.2%} at best; "
        f"it takes {needed}"
    )


def promised_rate(scores: Iterable[float], threshold: float) -> float:
    """Return the false-alarm rate that held-out normal images guarantee for a given threshold.

    With n scores of which k do not exceed the threshold, a new normal image exceeds it with probability at
    most 1 - k / (n + 1): the inverse of the rule in `calibrate`.
    """
    known = list(scores)
    return 1 - sum(score <= threshold for score in known) / (len(known) + 1)


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

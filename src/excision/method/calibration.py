"""The decision threshold at a promised false-alarm rate, from scores of normal images alone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

# Keeps a product of decimal fractions from being rounded past the whole number it equals.
_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class Calibration:
    """A decision threshold and what it promises.

    Attributes:
        threshold: an image is defective where its anomaly score is larger.
        wanted_rate: the false-alarm rate that was asked for.
        promised_rate: the false-alarm rate that holds: at most `wanted_rate` where there were images
            enough, else the smallest rate that so few images can promise.
        scores: anomaly scores of the held-out normal images, ascending.
    """

    threshold: float
    wanted_rate: float
    promised_rate: float
    scores: tuple[float, ...]

    @property
    def keeps_wish(self) -> bool:
        """Tell whether the wanted rate is promised."""
        return self.promised_rate <= self.wanted_rate + _ROUNDING

    def explain(self) -> str:
        """Say in one sentence what the threshold promises, and what more images would buy."""
        count = len(self.scores)
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

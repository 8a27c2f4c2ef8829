"""The section of the settings for calibration: the decision threshold, from normal images alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from excision.settings.checks import require

OddRule = Literal["pass_over", "keep"]
"""What is done with an odd image whose score alone would set the threshold."""

MOST_FOLDS = 20
"""Largest number of folds: each is a training of its own."""


@dataclass(frozen=True, slots=True)
class CalibrationSettings:
    """Calibration: the decision threshold, from normal images alone.

    Attributes:
        false_alarm_rate: share of good parts that may be called defective; sets the decision threshold.
        holdout: share of the normal training images, in whole groups, held out to set the threshold.
        groups: which images show the same part, strip or moment, and so are not independent: "auto" (found
            from names and content), "each" (all are independent), "folder", "column:NAME" of a CSV table,
            "time:60s" (also min, h, d), or a regular expression whose first parenthesis, or else whole match,
            is the group.
        confidence: confidence, over the choice of the calibration images, with which the false-alarm rate is
            kept; 0.5 to below 1.
        odd_image: what to do with an odd image whose score alone would set the threshold: "pass_over" or
            "keep" it.
        folds: 0 holds images out. From 2 on, the model is trained on all good images, and the threshold is
            set from scores by this many further models, each trained without one fold of the groups.
        cross_fit: where the held-out images cannot promise the wanted rate, also use the training images,
            scored by statistics that leave their group out; false uses held-out images alone.
        unfit_rate: share of good images that may be called unfit to be inspected, because their light, focus
            or place is not that of the training images; 0 judges no image as unfit.
    """

    false_alarm_rate: float = 0.01
    holdout: float = 0.2
    groups: str = "auto"
    confidence: float = 0.9
    odd_image: OddRule = "pass_over"
    folds: int = 0
    cross_fit: bool = True
    unfit_rate: float = 0.001

    def __post_init__(self) -> None:
        rate = self.false_alarm_rate
        hint = f"; write {rate:g}% for {rate:g} per cent" if 1 <= rate < 100 else ""
        require(0 < rate < 1, f"calibration.false_alarm_rate is {rate}: it must lie between 0 and 1{hint}")
        require(0 < self.holdout < 1, f"calibration.holdout is {self.holdout}: it must lie between 0 and 1")
        require(
            self.folds == 0 or 2 <= self.folds <= MOST_FOLDS,
            f"calibration.folds is {self.folds}: it must be 0, or from 2 to {MOST_FOLDS}",
        )
        require(
            0 <= self.unfit_rate < 1,
            f"calibration.unfit_rate is {self.unfit_rate}: it must be at least 0 and below 1",
        )
        if self.groups != "auto":
            from excision.data.groups.rule import GroupRule

            GroupRule.parse(self.groups)
        require(
            0.5 <= self.confidence < 1,
            f"calibration.confidence is {self.confidence}: it must be at least 0.5 and below 1",
        )

"""The scores that the decision threshold is set from: of held-out images, of folds, or cross-fitted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from excision.method.calibration import Calibration, calibrate
from excision.progress import StageProgress, of_stage
from excision.settings import CalibrationSettings
from excision.training.side_by_side import side_by_side
from excision.training.training_set import TrainingSet
from excision.training.usable import Picture

CALIBRATING = "calibrating"
"""Name of the last stage of fitting."""

Score = Callable[[Picture], float]
"""Gives the anomaly score of an image."""


@dataclass(frozen=True, slots=True)
class CalibrationScores:
    """Anomaly scores of good images, and how they came about.

    Attributes:
        scores: score of each image.
        names: name of each image.
        groups: group of each image.
        folds: number of models that scored them, each without the fold that it scored; 0 if no folds did.
        cross_fitted: how many of the images the networks were trained on.
    """

    scores: tuple[float, ...]
    names: tuple[str, ...]
    groups: tuple[str, ...]
    folds: int = 0
    cross_fitted: int = 0

    @classmethod
    def of(
        cls,
        scores: Sequence[float],
        names: tuple[str, ...],
        data: TrainingSet,
        *,
        folds: int = 0,
        cross_fitted: int = 0,
    ) -> CalibrationScores:
        """Take the scores of images of a training set, given by their names in the same order."""
        groups = tuple(data.groups[name] for name in names)
        return cls(tuple(scores), names, groups, folds, cross_fitted)

    def calibrate(self, chosen: CalibrationSettings) -> Calibration:
        """Set the decision threshold as the settings want it.

        Raises:
            ValueError: there is no score.
        """
        return calibrate(
            self.scores,
            chosen.false_alarm_rate,
            confidence=chosen.confidence,
            groups=self.groups,
            names=self.names,
            odd_image=chosen.odd_image,
            folds=self.folds,
            cross_fitted=self.cross_fitted,
        )


def held_out_scores(
    data: TrainingSet, score: Score, stage: StageProgress | None, count: int = 1
) -> CalibrationScores:
    """Score the images that were held out, in their order.

    Args:
        data: images of a training.
        score: scores an image.
        stage: called with (stage, done, total).
        count: number of images that are scored at once.

    Raises:
        ImageError: an image can no longer be read.
    """
    tell = of_stage(stage, CALIBRATING)
    scores: list[float] = []
    for found in side_by_side(score, data.calibration_images(), count):
        scores.append(found)
        tell(len(scores), len(data.calibration))
    return CalibrationScores.of(scores, data.calibration, data)


def fold_scores(scores: Sequence[float], data: TrainingSet, count: int) -> CalibrationScores:
    """Take the scores of all training images by models that were trained without their fold.

    Args:
        scores: as `fold_training.out_of_fold_scores` returns them.
        data: the training images.
        count: wanted number of folds.
    """
    return CalibrationScores.of(scores, data.sources, data, folds=len(data.folds(count)))

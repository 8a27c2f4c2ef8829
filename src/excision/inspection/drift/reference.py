"""What a statistic is like on the calibration images, one value for each group."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from statistics import median

from excision.inspection.drift.warning import SCORE
from excision.predictions import Predictor


def reference_of(predictor: Predictor, lowest_threshold: float) -> Mapping[str, list[float]]:
    """Return the reference of a drift monitor: the median of each group of good images.

    For the score these are the calibration images, for image statistics those that fitness was learnt from.
    Flagged calibration images do not count for the score, just as flagged parts do not.

    Args:
        predictor: with its calibration.
        lowest_threshold: a larger score is flagged.
    """
    # An exported model and a detector, which follows the naming of scikit-learn.
    fitness = getattr(predictor, "fitness", None) or getattr(predictor, "fitness_", None)
    reference = getattr(fitness, "reference", {})
    known = {name: list(values) for name, values in reference.items()}
    calibration = predictor.calibration
    if calibration is None or not calibration.scores:
        return known
    groups = calibration.groups
    scores: dict[int, list[float]] = defaultdict(list)
    for group, score in zip(groups, calibration.scores, strict=True):
        if score <= lowest_threshold:
            scores[group].append(score)
    return {**known, SCORE: [median(values) for values in scores.values()]}

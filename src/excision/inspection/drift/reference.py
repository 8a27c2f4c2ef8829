"""What a statistic is like on the calibration images, one value for each group."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from statistics import median

from excision.inspection.drift.warning import SCORE
from excision.predictions import Predictor


def reference_of(predictor: Predictor, lowest_threshold: float) -> Mapping[str, list[float]]:
    """Return the reference of a drift monitor: the median of each group of calibration images.

    Flagged calibration images do not count for the score, just as flagged parts do not.

    Args:
        predictor: with its calibration.
        lowest_threshold: a larger score is flagged.
    """
    calibration = predictor.calibration
    if calibration is None or not calibration.scores:
        return {}
    groups = calibration.groups
    scores: dict[int, list[float]] = defaultdict(list)
    for group, score in zip(groups, calibration.scores, strict=True):
        if score <= lowest_threshold:
            scores[group].append(score)
    return {SCORE: [median(values) for values in scores.values()]}

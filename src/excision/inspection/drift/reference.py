"""What a statistic is like on the calibration images, one value for each group."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import replace
from statistics import median
from typing import Any

from excision.inspection.drift.settings import DriftSettings
from excision.inspection.drift.statistic import FEWEST_GROUPS
from excision.inspection.drift.wording import SCORE
from excision.predictions import Predictor


def reference_of(predictor: Predictor, lowest_threshold: float) -> Mapping[str, list[float]]:
    """Return the reference of a drift monitor: the median of each group of good images.

    For the score these are the calibration images, for image statistics those that fitness was learnt from.
    Flagged calibration images do not count for the score, just as flagged parts do not.

    Args:
        predictor: with its calibration.
        lowest_threshold: a larger score is flagged.
    """
    reference = getattr(_fitness_of(predictor), "reference", {})
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


def settings_for(predictor: Predictor, settings: DriftSettings) -> DriftSettings:
    """Return the settings with `lots` where good images came in groups as long as a block or longer.

    Parts that come to the line as the good images came to the model then come in lots that a block does not
    mix. With fewer than 5 groups their range is not known, and the settings stay as they are.
    """
    known = getattr(_fitness_of(predictor), "calibration", None) or predictor.calibration
    sizes = Counter(() if known is None else known.groups)
    is_lots = len(sizes) >= FEWEST_GROUPS and median(sizes.values()) >= settings.block
    return replace(settings, lots=settings.lots or is_lots)


def _fitness_of(predictor: Predictor) -> Any:
    # An exported model and a detector, which follows the naming of scikit-learn.
    return getattr(predictor, "fitness", None) or getattr(predictor, "fitness_", None)

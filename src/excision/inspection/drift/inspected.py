"""Drift over the images of one inspection, in the order in which they were inspected."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from excision.inspection.drift.monitor import DriftMonitor, DriftSettings
from excision.inspection.drift.reference import reference_of
from excision.inspection.drift.summary import promise_in_words, standing_in_words, summary
from excision.inspection.log import InspectionRecord, iterate_log
from excision.predictions import Predictor
from excision.system.files import write_json

DRIFT = "drift.json"

LEARNING = 1000
"""Images that a statistic without reference is learnt from at most; of few images it is a quarter."""

# Blocks that an inspection is divided into, where its images are few.
_BLOCKS = 40
_SHORTEST, _LONGEST = 5, 20


def write_drift(predictor: Predictor, out: Path) -> DriftMonitor:
    """Look for drift in the results of an inspection, and write `drift.json` beside them.

    Args:
        predictor: that made the results.
        out: folder with `results.jsonl`.
    """
    images = sum(line.score is not None for line in iterate_log(out))
    review = predictor.review_threshold
    reference = reference_of(predictor, predictor.threshold if review is None else review)
    settings = DriftSettings(
        block=min(max(images // _BLOCKS, _SHORTEST), _LONGEST), learning=min(images // 4, LEARNING)
    )
    monitor = DriftMonitor(settings, reference)
    follow(monitor, iterate_log(out))
    words = {"standing": standing_in_words(monitor), "promise": promise_in_words(monitor)}
    write_json(out / DRIFT, {**words, **summary(monitor)})
    return monitor


def follow(monitor: DriftMonitor, lines: Iterable[InspectionRecord]) -> None:
    """Count images in the order of their records; those without a score are left out."""
    for line in lines:
        if line.score is not None:
            flagged = line.verdict != "good"
            monitor.update(line.score, line.image_statistics, flagged=flagged, label=line.image)

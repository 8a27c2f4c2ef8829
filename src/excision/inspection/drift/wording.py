"""What is said of a statistic: its name in words, its value in a plain unit, and how much it moved."""

from __future__ import annotations

from excision.method.fitness.words import Measure
from excision.method.fitness.words import measure_of as image_measure_of

SCORE = "score"
"""Name of the statistic of the anomaly scores of parts that were not flagged."""

TRAINING, CALIBRATION, BEFORE = "in training", "on the calibration images", "before"
"""What a value is compared with: the groups of good images that the model knows, or earlier parts."""

_SCORE = Measure("anomaly score of unflagged parts", "", lambda value: value, is_ratio=True)

_MOST_NAMED = 5


def measure_of(name: str) -> Measure:
    """Return how a statistic is shown."""
    return _SCORE if name == SCORE else image_measure_of(name)


def list_of(names: list[str]) -> str:
    """Name statistics in words, the first few of many."""
    words = [measure_of(name).words for name in names]
    more = len(words) - _MOST_NAMED
    return ", ".join(words) if more < 2 else f"{', '.join(words[:_MOST_NAMED])} and {more} more"


def plain(name: str, value: float | None) -> float | None:
    """Return the value of a statistic in its plain unit."""
    return None if value is None else measure_of(name).plain(value)


def compared(name: str, now: float | None, before: float | None, basis: str) -> str:
    """Say how a statistic differs from its reference, both in the plain unit; "" where it is unknown."""
    if before is None:
        return ""
    measure = measure_of(name)
    if now is None:
        return f"unknown, because most parts are flagged; it was {measure.written(before)} {basis}"
    return measure.compared(now, before, basis)

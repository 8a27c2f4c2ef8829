"""Settings that most people change, by a short name: as an option, or as a key in the file of a fleet."""

from __future__ import annotations

SHORT_NAMES = {
    "size": "image.size",
    "tile": "image.tile",
    "smallest_defect": "image.smallest_defect",
    "mm_per_pixel": "image.mm_per_pixel",
    "steps": "training.steps",
    "seed": "training.seed",
    "false_alarm_rate": "calibration.false_alarm_rate",
    "groups": "calibration.groups",
    "confidence": "calibration.confidence",
    "unfit_rate": "calibration.unfit_rate",
}
"""The full name of each."""

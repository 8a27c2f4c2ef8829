"""The decision threshold and its false-alarm rate, computed from scores of good images only."""

from excision.method.calibration.cost import CostChoice, Costs
from excision.method.calibration.needed import (
    DEFAULT_CONFIDENCE,
    WORST_PROMISE,
    best_promise,
    groups_needed,
    groups_needed_on_average,
    keeps_wish,
    shortage,
    too_few,
)
from excision.method.calibration.odd import Odd
from excision.method.calibration.threshold import Calibration, calibrate, check_thresholds

__all__ = [
    "DEFAULT_CONFIDENCE",
    "WORST_PROMISE",
    "Calibration",
    "CostChoice",
    "Costs",
    "Odd",
    "best_promise",
    "calibrate",
    "check_thresholds",
    "groups_needed",
    "groups_needed_on_average",
    "keeps_wish",
    "shortage",
    "too_few",
]

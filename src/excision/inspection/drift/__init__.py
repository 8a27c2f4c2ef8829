"""Drift: whether the line is still the line that the model was calibrated on.

>>> from excision.inspection.drift import DriftMonitor
>>> monitor = DriftMonitor(reference={"score": calibration_medians})
>>> warning = monitor.update(found.score, found.image_statistics, flagged=found.verdict != "good")
"""

from __future__ import annotations

from excision.inspection.drift.monitor import DriftMonitor
from excision.inspection.drift.settings import DriftSettings
from excision.inspection.drift.warning import DriftWarning
from excision.inspection.drift.wording import SCORE

__all__ = ["SCORE", "DriftMonitor", "DriftSettings", "DriftWarning"]

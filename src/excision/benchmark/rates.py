"""Defects found and false alarms at the calibrated threshold, for each wanted false-alarm rate."""

from __future__ import annotations

from typing import Any

from excision.evaluation.evaluation import Evaluation
from excision.method.calibration import Calibration

WANTED = (0.01, 0.05)
"""The false-alarm rates that are wanted."""


def name_of(figure: str, wanted: float) -> str:
    """Return the name of a figure at a wanted rate, as a cell records it."""
    return f"{figure}_at_{wanted:g}"


RATES = tuple(
    name_of(figure, wanted)
    for wanted in WANTED
    for figure in ("promised_rate", "false_alarm_rate", "detection_rate")
)
"""Names of all these figures."""


def rates_of(calibration: Calibration, evaluation: Evaluation) -> dict[str, Any]:
    """Return the figures of `RATES` by name.

    The calibration scores that set the threshold of the model also set that of another wanted rate. Where the
    wanted rate cannot be promised, the threshold is that of the rate that can be. Unfit images count as
    neither false alarms nor found or missed defects.

    Returns:
        A rate is None if no test image determines it.
    """
    found: dict[str, Any] = {}
    fit = [image for image in evaluation.images if image.verdict != "unfit"]
    for wanted in WANTED:
        chosen = calibration.for_rate(wanted)
        found[name_of("promised_rate", wanted)] = chosen.promised_rate
        for figure, defective in (("false_alarm_rate", False), ("detection_rate", True)):
            above = [image.score > chosen.threshold for image in fit if image.defective == defective]
            found[name_of(figure, wanted)] = sum(above) / len(above) if above else None
    return found

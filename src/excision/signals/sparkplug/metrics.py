"""The metrics of a station: their names and types, and what a report and a state say in them."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from excision.signals.signal import REPORT_VERDICTS, LineState, Report
from excision.signals.sparkplug.payload import DataType, Value

BD_SEQ = "bdSeq"
REBIRTH = "Node Control/Rebirth"
COMMAND = "Command/"
TRIGGER_DETAILS = ("serial", "lot", "recipe", "view", "request")

_TEXT, _WHOLE, _REAL = DataType.STRING, DataType.INT64, DataType.DOUBLE
_TRUTH, _TIME = DataType.BOOLEAN, DataType.DATE_TIME

KINDS: Mapping[str, DataType] = MappingProxyType(
    {
        REBIRTH: _TRUTH,
        "State/ready": _TRUTH,
        "State/busy": _TRUTH,
        "State/fault": _TEXT,
        "State/recipe": _TEXT,
        "State/lot": _TEXT,
        **{f"State/counts/{verdict}": _WHOLE for verdict in REPORT_VERDICTS},
        "Report/id": _TEXT,
        "Report/trigger": _WHOLE,
        "Report/verdict": _TEXT,
        "Report/reason": _TEXT,
        "Report/score": _REAL,
        "Report/threshold": _REAL,
        "Report/p_value": _REAL,
        "Report/result": _WHOLE,
        "Report/serial": _TEXT,
        "Report/lot": _TEXT,
        "Report/recipe": _TEXT,
        "Report/station": _TEXT,
        "Report/view": _TEXT,
        "Report/strip": _WHOLE,
        "Report/strip_row": _WHOLE,
        "Report/strip_row_mm": _REAL,
        "Report/time": _TIME,
        "Report/triggered": _TIME,
        "Report/deadline_missed": _TRUTH,
        "Report/origin": _TEXT,
        "Command/trigger": _TRUTH,
        "Command/acknowledge": _TRUTH,
        **{f"{COMMAND}{detail}": _TEXT for detail in TRIGGER_DETAILS},
        "Answer/request": _TEXT,
        "Answer/trigger": _WHOLE,
        "Answer/error": _TEXT,
    }
)
"""Type of each metric of a birth certificate beside `BD_SEQ`, by its name."""

_FALSE = (REBIRTH, "State/ready", "State/busy", "Command/trigger", "Command/acknowledge")


def first_values() -> dict[str, Value]:
    """Give the values of all metrics before anything is known."""
    return {name: False if name in _FALSE else None for name in KINDS}


def of_report(report: Report) -> dict[str, Value]:
    """Give the metrics of a report; a number that is not finite is null."""
    return {f"Report/{name}": value for name, value in report.to_json().items()}


def of_state(state: LineState) -> dict[str, Value]:
    """Give the metrics of a state."""
    values: dict[str, Value] = {
        f"State/{name}": getattr(state, name) for name in ("ready", "busy", "fault", "recipe", "lot")
    }
    return values | {f"State/counts/{name}": state.counts.get(name, 0) for name in REPORT_VERDICTS}

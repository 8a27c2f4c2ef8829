"""What the station writes into the tags of another server, and reads from them."""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from excision.errors import SettingsError
from excision.signals.signal import LineState, Report


def report_number(report: Report) -> int:
    """Give the number of a report, from 1 to 2^31 - 1; the same report has the same one, always."""
    return zlib.crc32(report.id.encode()) % (2**31 - 1) + 1


VERDICT_CODES: Mapping[str, int] = {"good": 1, "review": 2, "defect": 3, "unfit": 4, "fault": 5}
"""Verdicts as numbers, the same as over Modbus."""

OF_REPORT: Mapping[str, Callable[[Report], Any]] = {
    "verdict": lambda report: report.verdict,
    "verdict_code": lambda report: VERDICT_CODES[report.verdict],
    "good": lambda report: report.verdict == "good",
    "defect": lambda report: report.verdict == "defect",
    "review": lambda report: report.verdict == "review",
    "no_verdict": lambda report: report.verdict in {"unfit", "fault"},
    "reason": lambda report: report.reason,
    "score": lambda report: report.score or 0.0,
    "threshold": lambda report: report.threshold or 0.0,
    "p_value": lambda report: report.p_value or 0.0,
    "result_number": lambda report: report.result or 0,
    "trigger_number": lambda report: report.trigger or 0,
    "serial": lambda report: report.serial or "",
    "lot": lambda report: report.lot or "",
    "recipe": lambda report: report.recipe or "",
    "view": lambda report: report.view or "",
    "station": lambda report: report.station or "",
    "time": lambda report: datetime.fromtimestamp(report.time, UTC),
    "deadline_missed": lambda report: report.deadline_missed,
    "json": lambda report: json.dumps(report.to_json()),
    "report_number": report_number,
}
"""Tags of a report, and their values; report_number is written last."""

OF_STATE: Mapping[str, Callable[[LineState], Any]] = {
    "ready": lambda state: state.ready,
    "busy": lambda state: state.busy,
    "fault": lambda state: state.fault is not None,
    "fault_text": lambda state: state.fault or "",
}
"""Tags of the station's state, and their values."""

ANSWERED = ("trigger", "trigger_serial", "trigger_lot", "trigger_recipe", "acknowledge")
"""Tags that the PLC writes."""

HEARTBEAT = "heartbeat"
"""A number that the station counts up."""

TAGS = (*OF_REPORT, *OF_STATE, HEARTBEAT, *ANSWERED)

_LONGEST = 1000
_NODE = re.compile(r"(ns=\d{1,5};)?(s=.+|i=\d{1,10}|g=[0-9A-Fa-f-]{36}|b=[0-9A-Za-z+/=]+)")


def check_tag(name: str, node: str) -> None:
    """Check one line of the mapping.

    Raises:
        SettingsError: the name is unknown, or the node is not written as ns=2;s=NAME.
    """
    if name not in TAGS:
        raise SettingsError(f"tags.{name} is unknown: known are {', '.join(TAGS)}")
    if len(node) > _LONGEST or not _NODE.fullmatch(node):
        raise SettingsError(f'tags.{name} is {node[:40]!r}: write a node such as "ns=2;s=Station.Good"')

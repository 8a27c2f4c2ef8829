"""An alarm, and its row in the file of results."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

Kind = Literal["defects_in_a_row", "defects", "unfit_in_a_row", "fault", "drift"]
KINDS: tuple[Kind, ...] = get_args(Kind)

RAISED, ACKNOWLEDGED = "alarm", "alarm acknowledged"
"""Kinds of events about alarms."""


@dataclass(frozen=True, slots=True)
class Alarm:
    """Something that a person has to know of and acknowledge.

    Attributes:
        kind: what raised it.
        model: name of the model, or of the camera or signal at fault; empty for the station as a whole.
        details: figures and words, ready for JSON.
        time: seconds since 1970 in UTC.
        id: number; None while it could not be stored.
        acknowledged: when a person acknowledged it; None while it stands.
        who: name of that person.
    """

    kind: Kind
    model: str
    details: Mapping[str, Any] = field(default_factory=dict)
    time: float = 0.0
    id: int | None = None
    acknowledged: float | None = None
    who: str = ""


def alarm_of(row: sqlite3.Row) -> Alarm:
    """Give the alarm of a row."""
    return Alarm(
        row["kind"],
        row["model"],
        json.loads(row["details"]),
        row["time"],
        row["id"],
        row["acknowledged"],
        row["who"],
    )

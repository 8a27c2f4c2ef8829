"""Which tables a station's file may have, and where the class is that reads each.

A class is a frozen dataclass. Its fields are the keys of its table: a field without a default must be given,
and the annotations say what a value may be (see `reading`). `__post_init__` raises a `SettingsError` whose
message begins with the key; it must ask nothing outside the process. A method `check`, where there is one,
asks the real counterpart, returns one sentence (or a list of sentences) about what it found, and raises an
`ExcisionError` that says what is wrong.

Classes are named in strings, and imported when the file has their table: so a room may own a table without
this one knowing it, and a station without signals needs none of their libraries.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any


@dataclass(frozen=True, slots=True)
class Entry:
    """One table at the top of the file.

    Attributes:
        own: class of the table's own keys, as "module:name"; None where it has only sub-tables.
        each: of a table whose sub-tables have names of the user's choice, what reads each of them: a class,
            or a mapping from kinds to classes ("module:name" again). The kind is the key `kind` of the
            sub-table, or its name where it has none.
    """

    own: str | None = None
    each: str | None = None


TABLES: Mapping[str, Entry] = {
    "station": Entry("excision.station.station_file.serving:StationTable"),
    "models": Entry(each="excision.station.station_file.serving:ModelTable"),
    "parts": Entry("excision.station.parts.settings:PartsSettings"),
    "defects": Entry("excision.station.quality.settings:DefectsSettings"),
    "shifts": Entry("excision.station.quality.settings:ShiftsSettings"),
    "cameras": Entry(each="excision.cameras.kinds:KINDS"),
    "improve": Entry("excision.station.improve.settings:ImproveSettings"),
    "alarms": Entry("excision.station.alarms.settings:AlarmSettings"),
    "people": Entry("excision.station.people.settings:PeopleSettings"),
    "signals": Entry("excision.station.line.settings:LineSettings", "excision.signals.kinds:KINDS"),
}
"""Every table by its name. One line for each; its owner adds it."""


def load(target: str) -> Any:
    """Give what "module:name" names."""
    module, _, name = target.partition(":")
    return getattr(import_module(module), name)

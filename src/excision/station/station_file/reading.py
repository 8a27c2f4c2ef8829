"""One table of a station's file, read into the dataclass of its room; every fault of it is collected."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from excision.errors import SettingsError
from excision.station.station_file.values import MisfitError, convert, describe
from excision.system.names import printable

_SHOWN = 12  # known names in one message


@dataclass
class Place:
    """Where a table stands, and what is wrong with it.

    Attributes:
        path: of the file.
        table: its name, such as "signals.mqtt"; empty for the file itself.
        faults: of all tables of the file: (table, what is wrong).
    """

    path: Path
    table: str = ""
    faults: list[tuple[str, str]] = field(default_factory=list)

    def inside(self, name: str) -> Place:
        """Give the place of a table inside this one."""
        return Place(self.path, f"{self.table}.{name}" if self.table else name, self.faults)

    def wrong(self, message: str) -> None:
        """Note a fault."""
        self.faults.append((self.table, printable(message)))


def read_table(kind: type, values: Any, place: Place) -> Any:
    """Read a table into a dataclass.

    A field whose type is a dataclass is a table inside this one; a mapping to dataclasses holds tables with
    names of the user's choice; a tuple of dataclasses is an array of tables. Any other is a value.

    Returns:
        The dataclass, or None where something is wrong, which `place` then says.
    """
    if not isinstance(values, dict):
        place.wrong(f"must be a table: write [{place.table}]")
        return None
    before = len(place.faults)
    hints = get_type_hints(kind, include_extras=True)
    known = {one.name: one for one in dataclasses.fields(kind) if one.init}
    given = {}
    for name, value in values.items():
        if name not in known:
            place.wrong(f"{name} is unknown{nearest(name, known)}")
        else:
            given[name] = _read(name, value, hints[name], place)
    for name, one in known.items():
        if name not in values and one.default is one.default_factory is dataclasses.MISSING:
            place.wrong(f"{name} is missing: it must be {describe(hints[name])}")
    if len(place.faults) > before:
        return None
    try:
        return kind(**given)
    except SettingsError as error:
        place.wrong(str(error))
        return None


def _read(name: str, value: Any, hint: Any, place: Place) -> Any:
    given = [one for one in get_args(hint) if one is not NoneType]
    if get_origin(hint) in (Union, UnionType) and len(given) == 1:
        return _read(name, value, given[0], place)
    tables = [one for one in (hint, *get_args(hint)) if _is_table(one)]
    if tables:
        return _read_tables(tables[0], get_origin(hint), value, place.inside(name))
    try:
        return convert(value, hint, place.path.parent)
    except MisfitError as error:
        place.wrong(f"{name} {error}")
        return None


def _read_tables(kind: type, around: Any, value: Any, place: Place) -> Any:
    """Read a table, an array of tables, or tables by name, as what is around the class says."""
    if around is tuple:
        if isinstance(value, list):
            return tuple(read_table(kind, one, place) for one in value)
        place.wrong(f"must be an array of tables: write [[{place.table}]]")
        return None
    if around is not None and isinstance(value, dict):
        return {key: read_table(kind, one, place.inside(key)) for key, one in value.items()}
    return read_table(kind, value, place)


def _is_table(kind: Any) -> bool:
    # A secret is written as a table, and is a value all the same.
    return dataclasses.is_dataclass(kind) and kind.__module__ != "excision.system.credentials"


def nearest(name: str, known: Iterable[str]) -> str:
    """Say which known name was meant, or which there are; begins with ": "."""
    names = sorted(known)
    found = meant(name, names)
    if found is not None:
        return f": did you mean {found}?"
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f": known are {', '.join(names[:_SHOWN])}{more}" if names else ": there are none"


def meant(name: str, known: Iterable[str]) -> str | None:
    """Give the known name that was probably meant, or None if none is near."""
    return next(iter(difflib.get_close_matches(name.lower(), list(known), 1, 0.6)), None)

"""The file of a station as a whole."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar

from excision.errors import SettingsError
from excision.station.station_file.reading import Place, nearest, read_table
from excision.station.station_file.registry import TABLES, Entry, load
from excision.system.names import PLAIN_NAME
from excision.system.toml_file import read_toml

_MOST_BYTES = 2**20

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class StationFile:
    """What the file of a station says; without a file, nothing.

    Attributes:
        path: of the file; None where there is none.
        tables: what each table was read into, by its name, such as "signals.mqtt".
        given: what stands in it.
    """

    path: Path | None = None
    tables: Mapping[str, Any] = field(default_factory=dict)
    given: Mapping[str, Any] = field(default_factory=dict)

    def one(self, kind: type[T]) -> T | None:
        """Give the table that was read into this class; None where the file has none."""
        return next((table for table in self.tables.values() if isinstance(table, kind)), None)

    def below(self, name: str) -> dict[str, Any]:
        """Give the tables inside a table by their names: of "signals" such as "mqtt"."""
        return {
            key.removeprefix(f"{name}."): table
            for key, table in self.tables.items()
            if key.startswith(f"{name}.")
        }


def read_station_file(path: Path) -> StationFile:
    """Read the file of a station; nothing outside it is asked.

    Raises:
        SettingsError: it cannot be read, a table or key is unknown, or a value is wrong. Every fault has a
            line of its own, with the file, the table and the key.
    """
    file, faults = examine(path)
    if faults:
        raise SettingsError(
            f"{path}: {len(faults)} {'thing is' if len(faults) == 1 else 'things are'} wrong",
            *(f"  [{table}] {message}" if table else f"  {message}" for table, message in faults),
        )
    return file


def examine(path: Path) -> tuple[StationFile, list[tuple[str, str]]]:
    """Read the file of a station with its faults: (table, what is wrong).

    Returns:
        The tables that are right, and the faults.

    Raises:
        SettingsError: it cannot be read, or is not TOML.
    """
    content = read_toml(path, _MOST_BYTES, "a station's file (TOML)")
    place = Place(path.absolute())
    tables: dict[str, Any] = {}
    for name, values in content.items():
        if name not in TABLES:
            place.wrong(f"[{name}] is unknown{nearest(name, TABLES)}")
        elif not isinstance(values, dict):
            place.wrong(f"{name} must be a table: write [{name}]")
        else:
            _read_entry(TABLES[name], values, place.inside(name), tables)
    return StationFile(path, tables, content), place.faults


def _read_entry(entry: Entry, values: dict[str, Any], place: Place, tables: dict[str, Any]) -> None:
    below: dict[str, Any] = {}
    if entry.each is not None:
        keys = {one.name for one in fields(load(entry.own))} if entry.own is not None else set()
        below = {name: one for name, one in values.items() if isinstance(one, dict) and name not in keys}
    own = {name: one for name, one in values.items() if name not in below}
    if entry.own is not None:
        table = read_table(load(entry.own), own, place)
        if table is not None:
            tables[place.table] = table
    else:
        for name in own:
            place.wrong(f"{name} must be a table: write [{place.table}.{name}]")
    for name, one in below.items():
        table = _read_below(load(entry.each or ""), name, one, place)
        if table is not None:
            tables[f"{place.table}.{name}"] = table


def _read_below(kinds: Any, name: str, values: dict[str, Any], place: Place) -> Any:
    if not PLAIN_NAME.fullmatch(name):
        place.wrong(f"{name[:100]!r}: a name has letters, digits, _, . and - only")
        return None
    if not isinstance(kinds, Mapping):
        return read_table(kinds, values, place.inside(name))
    given = values.get("kind", name)
    if not isinstance(given, str) or given not in kinds:
        if "kind" in values:
            place.inside(name).wrong(f"kind is {str(given)[:40]!r}{nearest(str(given), kinds)}")
        else:
            place.wrong(f"{name} is unknown{nearest(name, kinds)} (another name needs a key kind)")
        return None
    without = {key: one for key, one in values.items() if key != "kind"}
    return read_table(load(kinds[given]), without, place.inside(name))

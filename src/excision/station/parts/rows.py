"""The rows of parts in a station's file of results."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from excision.errors import DamagedError
from excision.station.parts.verdict import PartVerdict
from excision.station.store.records import StoredResult, as_text, from_row
from excision.station.store.store import Store


@dataclass(frozen=True, slots=True)
class Part:
    """A part, of which the station has one view or several.

    Attributes:
        time: when its first view came, or it was announced, seconds since 1970 in UTC.
        expected: names of the views that make it whole; empty where one view of any name does.
        serial: serial number; None where it is unknown.
        lot: that it belongs to; None where it is unknown.
        recipe: that was asked for; None where none was.
        deadline: time at which it gets its verdict in any case; None for never.
        closed: time of its verdict; None while views are missing.
        verdict: on the part; None while views are missing.
        reason: which view decided, or what was missing, in words; of a part without a verdict, what was wrong
            with its codes so far (see `fault_of`).
        id: number in the store; 0 before it is there.
    """

    time: float
    expected: tuple[str, ...] = ()
    serial: str | None = None
    lot: str | None = None
    recipe: str | None = None
    deadline: float | None = None
    closed: float | None = None
    verdict: PartVerdict | None = None
    reason: str | None = None
    id: int = 0


@dataclass(frozen=True, slots=True)
class PartQuery:
    """Which parts to give; None means any.

    Attributes:
        serial: serial number.
        lot: that they belong to.
        verdict: on the part.
        station: name of the station, at a hub.
    """

    serial: str | None = None
    lot: str | None = None
    verdict: PartVerdict | None = None
    station: str | None = None

    def where(self) -> tuple[list[str], list[Any]]:
        """Give the conditions in SQL, with their values."""
        asked = {"serial": self.serial, "lot": self.lot, "verdict": self.verdict, "station": self.station}
        known = {f"{name} = ?": value for name, value in asked.items() if value is not None}
        return list(known), list(known.values())


def add_part(connection: sqlite3.Connection, part: Part) -> Part:
    """Add a part, and give it with its number."""
    cursor = connection.execute(
        "INSERT INTO parts (time, serial, lot, recipe, expected, deadline) VALUES (?, ?, ?, ?, ?, ?)",
        (
            part.time,
            _text(part.serial),
            _text(part.lot),
            _text(part.recipe),
            json.dumps(part.expected),
            part.deadline,
        ),
    )
    return replace(part, id=cursor.lastrowid or 0)


def note_fault(connection: sqlite3.Connection, number: int, view: str, fault: str) -> None:
    """Keep what is wrong with the code of a view of an open part: a restart must not make the part good."""
    line = f"{_one_line(view)}\t{_one_line(fault)}"
    connection.execute(
        "UPDATE parts SET reason = coalesce(reason || char(10), '') || ? WHERE id = ? AND closed IS NULL",
        (line, number),
    )


def fault_of(part: Part, view: str) -> str:
    """Give what was wrong with the code of a view of an open part; empty for nothing."""
    lines = [line.partition("\t") for line in (part.reason or "").splitlines()]
    return {name: fault for name, _, fault in lines}.get(_one_line(view), "")


def _one_line(text: str) -> str:
    """Give text without tabs and ends of lines, which the names of files may have."""
    return " ".join(as_text(text).split())


def close_parts(store: Store, parts: Iterable[Part]) -> None:
    """Keep the verdicts of parts, in one transaction.

    What one view says of the serial number or the lot holds for the other views of the part too.
    """
    with store.transaction() as connection:
        for part in parts:
            serial, lot = _text(part.serial), _text(part.lot)
            connection.execute(
                "UPDATE parts SET closed = ?, verdict = ?, reason = ?, serial = ?, lot = ? "
                "WHERE id = ? AND closed IS NULL",
                (part.closed, part.verdict, as_text(part.reason or ""), serial, lot, part.id),
            )
            for name, value in (("serial", serial), ("lot", lot)):
                if value is not None:
                    connection.execute(
                        f"UPDATE results SET {name} = ? WHERE part = ? AND {name} IS NULL", (value, part.id)
                    )


def open_parts(store: Store) -> list[Part]:
    """Give the parts that have no verdict yet, the oldest first."""
    return [part_of(row) for row in store.rows("SELECT * FROM parts WHERE closed IS NULL ORDER BY id")]


def get_part(store: Store, number: int) -> Part | None:
    """Give the part of that number, or None."""
    rows = store.rows("SELECT * FROM parts WHERE id = ?", (number,))
    return part_of(rows[0]) if rows else None


def newest_parts(store: Store, query: PartQuery, count: int, before: int | None = None) -> list[Part]:
    """Give parts, newest first; only those with a number below `before`."""
    conditions, values = query.where()
    if before is not None:
        conditions, values = [*conditions, "id < ?"], [*values, before]
    where = " AND ".join(conditions) or "TRUE"
    rows = store.rows(f"SELECT * FROM parts WHERE {where} ORDER BY id DESC LIMIT ?", [*values, count])
    return [part_of(row) for row in rows]


def walk_parts(store: Store, query: PartQuery) -> Iterator[Part]:
    """Give all parts, newest first; memory stays flat."""
    before: int | None = None
    while page := newest_parts(store, query, 500, before):
        yield from page
        before = page[-1].id


def closed_parts(store: Store) -> Iterator[Part]:
    """Give all parts that have a verdict, oldest first; memory stays flat."""
    after = 0
    statement = "SELECT * FROM parts WHERE closed IS NOT NULL AND id > ? ORDER BY id LIMIT 500"
    while page := [part_of(row) for row in store.rows(statement, (after,))]:
        yield from page
        after = page[-1].id


def results_of(store: Store, numbers: Sequence[int]) -> dict[int, list[StoredResult]]:
    """Give the results of parts by the number of the part, in the order in which they came."""
    found: dict[int, list[StoredResult]] = {number: [] for number in numbers}
    if not found:
        return found
    places = ", ".join("?" * len(found))
    rows = store.rows(
        f"SELECT * FROM results INDEXED BY results_by_part WHERE part IN ({places}) ORDER BY part, id",
        list(found),
    )
    for row in rows:
        found[row["part"]].append(from_row(row))
    return found


def part_of(row: sqlite3.Row | Mapping[str, Any]) -> Part:
    """Give the part of a row.

    Raises:
        DamagedError: the row is damaged.
    """
    values = dict(row)
    try:
        values["expected"] = tuple(map(str, json.loads(values["expected"])))
    except (TypeError, ValueError) as error:
        raise DamagedError(f"part {values['id']} is damaged in the file of results ({error})") from error
    return Part(**values)


def _text(text: str | None) -> str | None:
    return None if text is None else as_text(text)

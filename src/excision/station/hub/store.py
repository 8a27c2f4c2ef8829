"""The results of all stations, read from the database of a hub: the queries of a station's own store."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from excision.errors import SettingsError
from excision.station.hub.database import Database
from excision.station.hub.messages import clean
from excision.station.hub.rows import COLUMNS
from excision.station.parts.rows import Part, PartQuery, part_of
from excision.station.quality.settings import ShiftsSettings, ShiftTable
from excision.station.store.counting import Statement
from excision.station.store.labelling import labels_of
from excision.station.store.query import Query
from excision.station.store.reading import Results
from excision.station.store.records import Label, StoredResult, from_row

_INDEXED = re.compile(r" INDEXED BY \w+")
_PART = ("id", "time", "expected", "serial", "lot", "recipe", "closed", "verdict", "reason")


@dataclass(frozen=True, slots=True)
class HubResult(StoredResult):
    """A result of a station, which its `station` names; its `id` is that of the hub.

    Attributes:
        number: of the result at the station.
    """

    number: int = 0


@dataclass(frozen=True, slots=True)
class HubPart(Part):
    """A part of a station; its `id` is that of the hub.

    Attributes:
        station: its name.
        number: of the part at the station.
    """

    station: str = ""
    number: int = 0


@dataclass(frozen=True, slots=True)
class StationRow:
    """What the hub knows about a station.

    Attributes:
        name: of the station.
        page: address of its own pages; empty for none.
        version: of Excision that it runs.
        last_seen: when it was last heard, by the clock of the hub, seconds since 1970 in UTC.
        clock: seconds by which its clock was ahead then, with the time that the message took.
        waiting: rows that it had not sent yet.
        resets: how often it sent rows again after a restore from a backup.
        results: that the hub has taken from it.
        refused: rows that the hub could not use.
        newest: time of its newest result by its own clock; None before the first.
    """

    name: str
    page: str
    version: str
    last_seen: float
    clock: float
    waiting: int
    resets: int
    results: int
    refused: int
    newest: float | None


class HubStore(Results):
    """Results of all stations, in the order of their times.

    Args:
        database: of the hub.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, number: int) -> HubResult | None:
        """Give the result that has this number at the hub, or None."""
        rows = self._database.rows("SELECT * FROM results WHERE id = %s", (number,))
        return _result(rows[0]) if rows else None

    def newest(self, query: Query, count: int, before: int | None = None) -> list[HubResult]:
        """Give results, newest first, from behind the result of the number `before` on."""
        return self._page(query, "<", "DESC", count, before)

    def oldest(self, query: Query, count: int, after: int = 0) -> list[HubResult]:
        """Give results, oldest first, from behind the result of the number `after` on; 0 for the first."""
        return self._page(query, ">", "ASC", count, after or None)

    def labels(self, number: int) -> list[Label]:
        """Give the labels of a result, the oldest first."""
        rows = self._database.rows(
            "SELECT number AS id, truth, who, note, time, defect_class, withdraws "
            "FROM labels WHERE result = %s ORDER BY id",
            (number,),
        )
        return labels_of(rows)

    def stations(self) -> list[StationRow]:
        """Give the stations by name."""
        rows = self._database.rows(
            "SELECT name, page, version, last_seen, clock, waiting, resets, results, "
            "refused, "
            "(SELECT max(time) FROM results WHERE station = name) AS newest "
            "FROM stations ORDER BY name"
        )
        return [StationRow(**row) for row in rows]

    def models(self) -> dict[str, list[str]]:
        """Give the names of the models that each station has used."""
        found: dict[str, list[str]] = {}
        for row in self._database.rows("SELECT station, model FROM models ORDER BY station, model"):
            found.setdefault(row["station"], []).append(row["model"])
        return found

    def history(
        self, count: int = 20, station: str | None = None, model: str | None = None
    ) -> list[dict[str, Any]]:
        """Give the last events of the models, newest first: station, time, who, model, what, details."""
        asked = {"station": clean(station), "model": clean(model)}
        conditions = "".join(f" AND {name} = %s" for name, value in asked.items() if value)
        return self._database.rows(
            f"SELECT station, time, who, model, what, details FROM events WHERE model <> ''{conditions} "
            "ORDER BY time DESC, id DESC LIMIT %s",
            [*filter(None, asked.values()), count],
        )

    def rows(self, statement: str, values: Sequence[Any] = ()) -> list[dict[str, Any]]:
        """Give the rows that a statement asks for, written for SQLite, each with its values by name."""
        return self._database.rows(_translated(statement), [*map(clean, values)])

    def calendars(self) -> dict[str, ShiftsSettings | None]:
        """Give the calendar of shifts of each station, by name; None where it has none that can be used."""
        rows = self._database.rows("SELECT name, shifts FROM stations ORDER BY name")
        return {row["name"]: _calendar(row["shifts"]) for row in rows}

    def newest_parts(self, query: PartQuery, count: int, before: int | None = None) -> list[HubPart]:
        """Give parts of all stations, newest first, from behind the part of the number `before` on."""
        conditions, values = query.where()
        if before is not None:
            conditions.append("(time, id) < (SELECT time, id FROM parts WHERE id = ?)")
            values.append(before)
        where = " AND ".join(conditions) or "TRUE"
        statement = f"SELECT * FROM parts WHERE {where} ORDER BY time DESC, id DESC LIMIT ?"
        return [_part(row) for row in self.rows(statement, [*values, count])]

    def results_of(self, parts: Sequence[Part]) -> dict[int, list[HubResult]]:
        """Give the results of parts by the number of the part at the hub, in the order in which they came."""
        found: dict[int, list[HubResult]] = {part.id: [] for part in parts}
        rows = self._database.rows(
            "SELECT results.*, parts.id AS of_part FROM parts JOIN results "
            "ON results.station = parts.station AND results.part = parts.number "
            "AND results.time <= parts.closed + 3600 AND results.time >= parts.time - 3600 "
            "WHERE parts.id = ANY(%s) ORDER BY of_part, results.number",
            (list(found),),
        )
        for row in rows:
            found[row["of_part"]].append(_result(row))
        return found

    def check(self) -> None:
        """Look whether the database answers.

        Raises:
            StoreError: it does not.
        """
        self._database.rows("SELECT 1 AS one")

    def _page(self, query: Query, side: str, order: str, count: int, beyond: int | None) -> list[HubResult]:
        condition, values = query.where()
        if beyond is not None:
            condition += f" AND (time, id) {side} (SELECT time, id FROM results WHERE id = ?)"
            values.append(beyond)
        statement = f"SELECT * FROM results WHERE {condition} ORDER BY time {order}, id {order} LIMIT ?"
        rows = self._database.rows(_translated(statement), [*map(clean, values), count])
        return [_result(row) for row in rows]

    def ask(self, statement: Statement) -> Sequence[Sequence[Any]]:
        """Give the rows that a statement asks for, in the words of PostgreSQL."""
        return self._database.tuples(_translated(statement[0]), [*map(clean, statement[1])])


def _translated(statement: str) -> str:
    """Give a statement for SQLite as one for PostgreSQL: no more than this differs in those of the store."""
    return _INDEXED.sub("", statement).replace("instr(", "strpos(").replace("?", "%s")


def _result(row: dict[str, Any]) -> HubResult:
    found = from_row({"image": None, "strip": None, "strip_row": None, "strip_row_mm": None, **row})
    known = {name: getattr(found, name) for name in ("id", *COLUMNS)}
    return HubResult(**known, station=row["station"], number=row["number"])


def _part(row: dict[str, Any]) -> HubPart:
    station, number = row["station"], row["number"]
    known = {name: row[name] for name in _PART}
    found = part_of(known)
    return HubPart(**{name: getattr(found, name) for name in _PART}, station=station, number=number)


def _calendar(text: str | None) -> ShiftsSettings | None:
    if text is None:
        return None
    try:
        content = json.loads(text)
        shifts = [ShiftTable(**{**each, "days": tuple(each["days"])}) for each in content["shift"]]
        return ShiftsSettings(content["zone"], tuple(shifts))
    except (ValueError, TypeError, KeyError, AttributeError, SettingsError):
        return None

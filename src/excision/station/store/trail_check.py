"""Whether the audit trail of a file of results is whole, and its export; the file is only read."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

from excision.errors import ResultsError
from excision.station.store.trail import (
    BEGUN,
    COLUMNS,
    GENESIS,
    GUARDING,
    LABEL,
    LABELLED,
    hash_of,
    labels_until,
)
from excision.system.csv_rows import csv_row
from excision.system.files import atomic_path

EXPORTED = (*COLUMNS, "hash")
"""Columns of an export."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a check of the trail found.

    Attributes:
        events: how many were looked at.
        last: hash of the last one.
        fault: what is wrong first, in words; None where nothing is.
        number: of the event at which it is wrong; None where that is no single one.
    """

    events: int
    last: str
    fault: str | None = None
    number: int | None = None


def verify(path: Path, anchor: str | None = None) -> Verdict:
    """Check every hash, every label against its event, and whether the end is missing.

    Args:
        path: of a file of results.
        anchor: hash that was kept elsewhere; the trail must hold it.

    Raises:
        ResultsError: the file cannot be read, or has no audit trail.
    """
    with _opened(path) as connection:
        previous, count, number, held = GENESIS, 0, 0, anchor is None or anchor == GENESIS
        for row in _rows(connection):
            if hash_of(dict(row), previous) != row["hash"]:
                return Verdict(count, previous, _first_fault(row, count), row["id"])
            previous, number, count = row["hash"], row["id"], count + 1
            held = held or previous == anchor
            fault = _labels_fault(connection, row)
            if fault:
                return Verdict(count, previous, fault, number)
        given = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'events'").fetchone()
        if given is not None and given[0] > number:
            missing = f"events {number + 1} to {given[0]} were removed from the end"
            return Verdict(count, previous, missing, number + 1)
        if not held:
            anew = "no event has the hash that was given: the end was removed, or everything written anew"
            return Verdict(count, previous, anew)
        return Verdict(count, previous, _unknown_label(connection) or _missing_guard(connection))


def lines(path: Path, form: Literal["csv", "jsonl"]) -> Iterator[bytes]:
    """Give the whole trail line by line, oldest first, as `export` writes it.

    Raises:
        ResultsError: the file cannot be read, or has no audit trail.
    """
    with _opened(path) as connection:
        if form == "csv":
            yield csv_row((*EXPORTED, "utc")).encode()
        for row in _rows(connection):
            yield _line(row, form)


def _line(row: sqlite3.Row, form: Literal["csv", "jsonl"]) -> bytes:
    content = {name: row[name] for name in EXPORTED} | {"utc": _utc(row["time"])}
    if form == "csv":
        return csv_row(content.values()).encode()
    return json.dumps(content, default=repr).encode("ascii") + b"\n"


def export(path: Path, out: Path, form: Literal["csv", "jsonl"]) -> Verdict:
    """Write the whole trail to a file, oldest first, in flat memory.

    Args:
        path: of a file of results.
        out: file to write; it takes its place once it is whole.
        form: "csv", or "jsonl" for one JSON object a line. Times are given in seconds since 1970 and in UTC.

    Returns:
        The number of events, and the last hash; nothing is checked.

    Raises:
        ResultsError: the file cannot be read, or has no audit trail.
    """
    count, last = 0, GENESIS
    with _opened(path) as connection, atomic_path(out) as temporary, temporary.open("wb") as stream:
        if form == "csv":
            stream.write(csv_row((*EXPORTED, "utc")).encode())
        for row in _rows(connection):
            stream.write(_line(row, form))
            count, last = count + 1, str(row["hash"])
    return Verdict(count, last)


def newest(path: Path, count: int, before: int | None = None) -> list[dict[str, Any]]:
    """Give the last events, newest first, with numbers below `before` where that is given."""
    with _opened(path) as connection:
        found = connection.execute(
            f"SELECT {', '.join(EXPORTED)} FROM events WHERE id < ? ORDER BY id DESC LIMIT ?",
            (2**63 - 1 if before is None else before, count),
        )
        return [dict(row) for row in found]


def _rows(connection: sqlite3.Connection) -> Iterator[sqlite3.Row]:
    yield from connection.execute(f"SELECT {', '.join(EXPORTED)} FROM events ORDER BY id")


def _first_fault(row: sqlite3.Row, before: int) -> str:
    where = "the one before it was removed or changed" if before else "those before it were removed"
    return f"event {row['id']} is not as it was written, or {where}"


def _labels_fault(connection: sqlite3.Connection, row: sqlite3.Row) -> str | None:
    try:
        return _label_fault(connection, row)
    except (KeyError, TypeError, ValueError):
        return f"event {row['id']} does not say what such an event says"


def _label_fault(connection: sqlite3.Connection, row: sqlite3.Row) -> str | None:
    """Say how the labels differ from what an event says of them; None where they do not."""
    if row["what"] == BEGUN:
        said = json.loads(row["details"])
        if labels_until(connection, said["last_label"])[2] != said["sha256"]:
            return f"a label up to number {said['last_label']}, from before the trail, was changed or removed"
    if row["what"] == LABELLED:
        said = json.loads(row["details"])
        asked = f"SELECT {', '.join(LABEL)} FROM labels WHERE id = ?"
        kept = connection.execute(asked, (said["id"],)).fetchone()
        if kept is None or dict(kept) != said:
            how = "removed" if kept is None else "changed"
            return f"label {said['id']} was {how} after event {row['id']}"
    return None


def _unknown_label(connection: sqlite3.Connection) -> str | None:
    """Say which label came in without an event; None where none did."""
    found = connection.execute(
        "SELECT min(id) FROM labels WHERE id NOT IN (SELECT json_extract(details, '$.id') FROM events "
        "WHERE what = :labelled) AND id > "
        "coalesce((SELECT json_extract(details, '$.last_label') FROM events WHERE what = :begun), 0)",
        {"begun": BEGUN, "labelled": LABELLED},
    ).fetchone()[0]
    return None if found is None else f"label {found} has no event: it was not given at the station"


def _missing_guard(connection: sqlite3.Connection) -> str | None:
    found = connection.execute(
        "SELECT count(*) FROM sqlite_schema WHERE type = 'trigger' AND name IN (?, ?, ?)", GUARDING
    ).fetchone()[0]
    return None if found == len(GUARDING) else "the triggers that guard the trail were removed"


@contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection]:
    """Open a file of results without changing anything in it."""
    if not path.is_file():
        raise ResultsError(f"{path}: there is no such file: name the folder of a station")
    address = f"file:{quote(os.fsencode(path))}?mode=ro"
    try:
        with closing(sqlite3.connect(address, uri=True)) as connection:
            connection.row_factory = sqlite3.Row
            columns = {row["name"] for row in connection.execute("PRAGMA table_info(events)")}
            if "hash" not in columns:
                raise ResultsError(
                    f"{path}: no audit trail yet: an earlier version wrote the file; start the station once"
                )
            yield connection
    except sqlite3.Error as error:
        raise ResultsError(f"{path}: the audit trail cannot be read ({error})") from error


def _utc(seconds: Any) -> str:
    try:
        return datetime.fromtimestamp(float(seconds), UTC).isoformat(timespec="seconds")
    except (TypeError, ValueError, OverflowError, OSError):
        return ""

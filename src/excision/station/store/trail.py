"""The audit trail: the events of a station, each with a hash over itself and the one before.

Whoever changes or removes an event must write every later hash anew, and the last one then differs from the
one that somebody wrote down, printed or sent elsewhere. Whoever can write to the file can do the former, so
only a hash that is kept elsewhere proves that nothing at all was changed.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
import time
from collections.abc import Mapping
from typing import Any

from excision.station.store.records import as_text

COLUMNS = ("id", "time", "who", "model", "what", "details")
"""What the hash of an event covers, beside the hash of the event before."""

LABEL = ("id", "result", "time", "who", "truth", "note", "defect_class", "withdraws")
"""What the event of a label says of its row."""

GENESIS = "0" * 64
"""Stands for the hash before the first event."""

LABELLED, BEGUN = "labelled", "trail begun"
"""Kinds of event: a label, and the first of a file that had labels before there was a trail."""

_PAGE = 1000

GUARDING = ("events_append", "events_no_update", "events_no_delete")
"""Triggers that keep the events as they are."""

GUARDS = """
CREATE TRIGGER events_append BEFORE INSERT ON events
WHEN NEW.id <= (SELECT coalesce(max(id), 0) FROM events) OR length(NEW.hash) != 64
BEGIN SELECT RAISE(ABORT, 'the audit trail is written by its own function alone'); END;
CREATE TRIGGER events_no_update BEFORE UPDATE ON events
BEGIN SELECT RAISE(ABORT, 'the audit trail is append-only'); END;
CREATE TRIGGER events_no_delete BEFORE DELETE ON events
BEGIN SELECT RAISE(ABORT, 'the audit trail is append-only'); END;
"""


def hash_of(row: Mapping[str, Any], previous: str) -> str:
    """Give the SHA-256, in hexadecimal, of an event and of the hash before it.

    It is that of the JSON array [previous, id, time, who, model, what, details] in ASCII without spaces.
    """
    content = [previous, *(row[name] for name in COLUMNS)]
    # A value of another kind than was ever written is a change, not a fault of this program.
    text = json.dumps(content, separators=(",", ":"), default=repr)
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def append(
    connection: sqlite3.Connection, what: str, details: Mapping[str, Any], who: str = "", model: str = ""
) -> None:
    """Add an event, in a transaction that is open and may write.

    Args:
        connection: to the file of results.
        what: kind of the event.
        details: ready for JSON.
        who: name of the person or program.
        model: name of the model, or empty for the station as a whole.
    """
    last, previous = last_of(connection)
    values = (time.time(), as_text(who), as_text(model), what, json.dumps(details))
    row = dict(zip(COLUMNS, (last + 1, *values), strict=True))
    connection.execute(
        f"INSERT INTO events ({', '.join(COLUMNS)}, hash) VALUES (?, ?, ?, ?, ?, ?, ?)",
        (*row.values(), hash_of(row, previous)),
    )


def last_of(connection: sqlite3.Connection) -> tuple[int, str]:
    """Give the highest number that an event ever had, and the hash of the last one."""
    given = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'events'").fetchone()
    row = connection.execute("SELECT id, hash FROM events ORDER BY id DESC LIMIT 1").fetchone()
    number, previous = (0, GENESIS) if row is None else (int(row[0]), str(row[1]))
    return max(number, int(given[0]) if given else 0), previous


def chain_earlier(connection: sqlite3.Connection) -> None:
    """Give the events of an earlier version their hashes, and let the trail stand for its labels as well."""
    previous, last = GENESIS, 0
    page = f"SELECT {', '.join(COLUMNS)} FROM events WHERE id > ? ORDER BY id LIMIT {_PAGE}"
    while rows := connection.execute(page, (last,)).fetchall():
        for row in rows:
            previous, last = hash_of(dict(zip(COLUMNS, row, strict=True)), previous), row[0]
            connection.execute("UPDATE events SET hash = ? WHERE id = ?", (previous, last))
    labels, last, digest = labels_until(connection)
    if labels:
        append(connection, BEGUN, {"labels": labels, "last_label": last, "sha256": digest})


def labels_until(connection: sqlite3.Connection, last: int = 2**63 - 1) -> tuple[int, int, str]:
    """Count the labels up to a number, and give the last number and the SHA-256 of their JSON arrays."""
    count, highest, digest = 0, 0, hashlib.sha256()
    asked = f"SELECT {', '.join(LABEL)} FROM labels WHERE id <= ? ORDER BY id"
    for row in connection.execute(asked, (last,)):
        digest.update(json.dumps(list(row), default=repr).encode("ascii"))
        count, highest = count + 1, row[0]
    return count, highest, digest.hexdigest()

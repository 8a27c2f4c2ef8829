"""Triggers and reports on disk: what was accepted is answered exactly once, whatever ends the process."""

from __future__ import annotations

import json
import sqlite3
import time
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from excision.signals.signal import Report, Trigger
from excision.station.store.store import Store

_TRIGGER = "number, time, origin, serial, lot, recipe, view"
_DAY = 86400.0
KEPT_DAYS = 30.0
"""Days that triggers and reports are kept for, so that a request of the line that comes again is known."""

_REMOVED = 1000  # rows in one transaction


class Numbered(NamedTuple):
    """A report with its place in the order of all reports."""

    number: int
    report: Report


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A report that a signal's other side did not take.

    Attributes:
        signal: name of the signal.
        number: of the report.
        time: when it was given up, seconds since 1970 in UTC.
        tries: how often it was sent.
        reason: why it was not taken.
        again: whether a person has asked for another try.
        report: itself.
    """

    signal: str
    number: int
    time: float
    tries: int
    reason: str
    again: bool
    report: Report


class Journal:
    """The tables of the line in a station's file of results; any thread may use it.

    Every method raises a `StoreError` or `StoreBusyError` where the disk or the file is at fault.

    Args:
        store: of the station.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    def accept(self, trigger: Trigger, request: str | None) -> tuple[Trigger, bool]:
        """Keep a trigger; once this returns it is on disk.

        Args:
            trigger: whose number is not looked at.
            request: identity that its origin gave it; None for none.

        Returns:
            The trigger with its number, and whether it is new: a request that is known is the same trigger.
        """
        with self._store.transaction() as connection:
            if request is not None:
                known = connection.execute(
                    f"SELECT {_TRIGGER} FROM triggers WHERE origin = ? AND request = ?",
                    (trigger.origin, request),
                ).fetchone()
                if known is not None:
                    return _trigger(known), False
            values = (trigger.time, trigger.origin, request, trigger.serial, trigger.lot, trigger.recipe)
            cursor = connection.execute(
                "INSERT INTO triggers (time, origin, request, serial, lot, recipe, view) "
                "VALUES (?, ?, ?, ?, ?, ?, ?)",
                (*values, trigger.view),
            )
            number = cursor.lastrowid
        assert number is not None
        return replace(trigger, number=number), True

    def unanswered(self) -> list[Trigger]:
        """Give the triggers that have no report."""
        rows = self._store.rows(f"SELECT {_TRIGGER} FROM triggers WHERE report IS NULL ORDER BY number")
        return [_trigger(row) for row in rows]

    def keep(self, reports: Iterable[Report]) -> list[Report]:
        """Keep reports in one transaction; a trigger that has one gets no second.

        Returns:
            Those that were kept.
        """
        kept = []
        with self._store.transaction() as connection:
            for report in reports:
                cursor = connection.execute(
                    "INSERT INTO reports (id, trigger, time, content) VALUES (?, ?, ?, ?) "
                    "ON CONFLICT DO NOTHING",
                    (report.id, report.trigger, report.time, json.dumps(report.to_json())),
                )
                if not cursor.rowcount:
                    continue
                kept.append(report)
                connection.execute(
                    "UPDATE triggers SET report = ? WHERE number = ?", (cursor.lastrowid, report.trigger)
                )
        return kept

    def place(self, signal: str) -> int:
        """Give the number of the last report that a signal has sent; a new signal begins with the next."""
        stream = _stream(signal)
        rows = self._store.rows("SELECT number FROM outbox WHERE stream = ?", (stream,))
        if rows:
            return int(rows[0]["number"])
        (last,) = self._store.rows("SELECT coalesce(max(number), 0) FROM reports")[0]
        self.move(signal, last)
        return int(last)

    def move(self, signal: str, number: int) -> None:
        """Keep the number of the last report that a signal has sent."""
        with self._store.transaction() as connection:
            _move(connection, signal, number)

    def after(self, number: int, most: int) -> list[Numbered]:
        """Give the reports after a number, in order."""
        rows = self._store.rows(
            "SELECT number, content FROM reports WHERE number > ? ORDER BY number LIMIT ?", (number, most)
        )
        return [Numbered(row["number"], Report.from_json(json.loads(row["content"]))) for row in rows]

    def count_after(self, number: int) -> int:
        """Count the reports after a number."""
        return int(self._store.rows("SELECT count(*) FROM reports WHERE number > ?", (number,))[0][0])

    def bury(self, signal: str, item: Numbered, tries: int, reason: str) -> None:
        """Put a report with the dead letters of a signal, and go on after it."""
        with self._store.transaction() as connection:
            connection.execute(
                "INSERT OR REPLACE INTO dead_letters (signal, report, time, tries, reason, content) "
                "VALUES (?, ?, ?, ?, ?, ?)",
                (signal, item.number, time.time(), tries, reason, json.dumps(item.report.to_json())),
            )
            _move(connection, signal, item.number)

    def dead(self, signal: str | None = None, most: int = 100) -> list[DeadLetter]:
        """Give the dead letters, newest first: of one signal, or of all."""
        rows = self._store.rows(
            "SELECT * FROM dead_letters WHERE :signal IS NULL OR signal = :signal "
            "ORDER BY time DESC LIMIT :most",
            {"signal": signal, "most": most},
        )
        return [_letter(row) for row in rows]

    def count_dead(self) -> dict[str, int]:
        """Count the dead letters of each signal that has some."""
        rows = self._store.rows("SELECT signal, count(*) AS letters FROM dead_letters GROUP BY signal")
        return {row["signal"]: row["letters"] for row in rows}

    def asked_again(self, signal: str) -> list[DeadLetter]:
        """Give the dead letters of a signal that a person wants to be sent again, in order."""
        rows = self._store.rows(
            "SELECT * FROM dead_letters WHERE signal = ? AND again = 1 ORDER BY report LIMIT 100", (signal,)
        )
        return [_letter(row) for row in rows]

    def ask_again(self, signal: str, number: int | None = None) -> int:
        """Mark a dead letter, or all of a signal, to be sent again; give how many there are."""
        return self._change("UPDATE dead_letters SET again = 1", signal, number)

    def discard(self, signal: str, number: int | None = None) -> int:
        """Remove a dead letter, or all of a signal: it was sent after all, or a person wants it gone."""
        return self._change("DELETE FROM dead_letters", signal, number)

    def failed_again(self, signal: str, number: int, reason: str) -> None:
        """Note that a dead letter was sent once more in vain."""
        with self._store.transaction() as connection:
            connection.execute(
                "UPDATE dead_letters SET again = 0, tries = tries + 1, reason = ?, time = ? "
                "WHERE signal = ? AND report = ?",
                (reason, time.time(), signal, number),
            )

    def remember(self, name: str, value: str | None) -> None:
        """Keep what the line has set, such as its lot."""
        with self._store.transaction() as connection:
            connection.execute("INSERT OR REPLACE INTO line (name, value) VALUES (?, ?)", (name, value))

    def remembered(self, name: str) -> str | None:
        """Give what the line has set last, or None."""
        rows = self._store.rows("SELECT value FROM line WHERE name = ?", (name,))
        return rows[0]["value"] if rows else None

    def tidy(self, signals: Sequence[str], now: float | None = None) -> int:
        """Remove old triggers and reports that every signal has sent; give how many reports."""
        before = (time.time() if now is None else now) - KEPT_DAYS * _DAY
        (last,) = self._store.rows("SELECT coalesce(max(number), 0) FROM reports")[0]
        sent = min([self.place(signal) for signal in signals], default=last)
        # The last one stays: a signal that is new tells by it where to begin.
        rows = self._store.rows(
            "SELECT number FROM reports WHERE time < ? AND number <= ? AND number < ? LIMIT ?",
            (before, sent, last, _REMOVED),
        )
        numbers = [(row["number"],) for row in rows]
        if numbers:
            with self._store.transaction() as connection:
                connection.executemany(
                    "DELETE FROM triggers WHERE number = (SELECT trigger FROM reports WHERE number = ?)",
                    numbers,
                )
                connection.executemany("DELETE FROM reports WHERE number = ?", numbers)
        return len(numbers)

    def _change(self, statement: str, signal: str, number: int | None) -> int:
        with self._store.transaction() as connection:
            return connection.execute(
                f"{statement} WHERE signal = :signal AND (:number IS NULL OR report = :number)",
                {"signal": signal, "number": number},
            ).rowcount


def new_id() -> str:
    """Give the identity of a new report."""
    return str(uuid.uuid4())


def _stream(signal: str) -> str:
    return f"signals.{signal}"


def _move(connection: sqlite3.Connection, signal: str, number: int) -> None:
    connection.execute(
        "INSERT INTO outbox VALUES (?, ?, ?) "
        "ON CONFLICT (stream) DO UPDATE SET number = excluded.number, time = excluded.time",
        (_stream(signal), number, time.time()),
    )


def _trigger(row: sqlite3.Row) -> Trigger:
    return Trigger(**{name: row[name] for name in _TRIGGER.split(", ")})


def _letter(row: sqlite3.Row) -> DeadLetter:
    report = Report.from_json(json.loads(row["content"]))
    return DeadLetter(
        row["signal"], row["report"], row["time"], row["tries"], row["reason"], bool(row["again"]), report
    )

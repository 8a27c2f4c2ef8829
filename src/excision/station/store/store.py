"""Results of a station in one SQLite file, for one process with any number of threads, or for several."""

from __future__ import annotations

import json
import sqlite3
import threading
import weakref
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from excision.errors import DamagedError, StoreBusyError, StoreError
from excision.station.store import trail
from excision.station.store.connection import WAIT, Identity, committed, connect, open_file
from excision.station.store.continuity import Continuity
from excision.station.store.counting import Statement, above, numbers, source_of
from excision.station.store.faults import Fault, explained
from excision.station.store.labelling import LABEL_COLUMNS, add_label, add_withdrawal, labels_of
from excision.station.store.query import Query
from excision.station.store.reading import Results
from excision.station.store.records import (
    STORED,
    Label,
    StoredResult,
    Truth,
    Withdrawal,
    as_row,
    as_text,
    from_row,
)

_SHORT_WAIT = 0.25  # seconds


class Store(Results):
    """Results, labels and events in a file that outlives any end of the process.

    Each thread has a connection of its own. What `add` returned from is on disk, in the file of this path:
    any method raises a `StoreError` where the disk or the file is at fault, or was replaced meanwhile, and a
    `StoreBusyError` where another process has locked it for longer than 5 seconds.

    Args:
        path: of the file; it is made where it does not exist.

    Attributes:
        fault: why the last attempt to write failed; None where it did not.

    Raises:
        ResultsError: the file is no file of results, of a later version, damaged, or cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.fault: Fault | None = None
        self._threads = threading.local()
        # Those of threads that have ended are closed when they are forgotten.
        self._open: weakref.WeakSet[sqlite3.Connection] = weakref.WeakSet()
        self._lock = threading.Lock()
        # SQLite removes the log beside the file with the last connection, so one stays open throughout.
        self._first = self._threads.connection = open_file(path)
        self._open.add(self._first)
        self._identity = Identity(path)
        self._continuity = Continuity(path)
        self._continuity.check(self._first)

    def close(self) -> None:
        """Close the connections of every thread; none may be in use."""
        with self._lock:
            for connection in self._open:
                connection.close()
            self._open.clear()
        self._threads = threading.local()

    def add(self, results: Sequence[StoredResult]) -> list[int | None]:
        """Keep results in one transaction.

        Returns:
            The number of each; None for a file that is there already, with the same size and time.
        """
        places = ", ".join("?" * len(STORED))
        statement = (
            f"INSERT INTO results ({', '.join(STORED)}) VALUES ({places}) "
            "ON CONFLICT (source, file_size, file_mtime_ns) DO NOTHING"
        )
        with self.transaction() as connection:
            numbers = []
            for result in results:
                cursor = connection.execute(statement, as_row(result))
                numbers.append(cursor.lastrowid if cursor.rowcount else None)
        return numbers

    def has_file(self, source: str, size: int, mtime_ns: int) -> bool:
        """Tell whether a file of a hot folder has been inspected as it is now."""
        return bool(
            self.rows(
                "SELECT 1 FROM results WHERE source = ? AND file_size = ? AND file_mtime_ns = ?",
                (as_text(source), size, mtime_ns),
            )
        )

    def of_file(self, source: str, size: int, mtime_ns: int) -> StoredResult | None:
        """Give the result of a file of a hot folder as it is now, or None."""
        rows = self.rows(
            "SELECT * FROM results WHERE source = ? AND file_size = ? AND file_mtime_ns = ?",
            (as_text(source), size, mtime_ns),
        )
        return from_row(rows[0]) if rows else None

    def set_image(self, number: int, image: str) -> None:
        """Say where the image of a result is kept, relative to the station's folder."""
        with self.transaction() as connection:
            connection.execute("UPDATE results SET image = ? WHERE id = ?", (as_text(image), number))

    def get(self, number: int) -> StoredResult | None:
        """Give the result of that number, or None."""
        rows = self.rows("SELECT * FROM results WHERE id = ?", (number,))
        return from_row(rows[0]) if rows else None

    def images(self, since: float, until: float) -> set[str]:
        """Give where images of results of a time are kept, from `since` to before `until`."""
        rows = self.rows(
            "SELECT image FROM results WHERE time >= ? AND time < ? AND image IS NOT NULL", (since, until)
        )
        return {row["image"] for row in rows}

    def newest(self, query: Query, count: int, before: int | None = None) -> list[StoredResult]:
        """Give results, newest first.

        Args:
            query: which.
            count: how many at most.
            before: only those with a smaller number: the last number of the page before.
        """
        return self._results(numbers(query, True, before, count), "DESC")

    def oldest(self, query: Query, count: int, after: int = 0) -> list[StoredResult]:
        """Give results, oldest first, with numbers above `after`."""
        return self._results(numbers(query, False, after, count), "ASC")

    def ask(self, statement: Statement) -> Sequence[Sequence[Any]]:
        """Give the rows that a statement asks for."""
        return self.rows(*statement)

    def above(self, query: Query, levels: Sequence[float]) -> dict[Truth | None, list[int]]:
        """Count inspected images that were fit, and those of them with an anomaly score above each level.

        Returns:
            By what a person said last, or None: how many in all, then how many above each level.
        """
        return {truth: counts for truth, *counts in self.rows(*above(query, list(levels)))}

    def label(self, number: int, label: Label) -> None:
        """Keep what a person says; an earlier label stays, and the last one counts.

        Raises:
            ResultsError: there is no result of that number.
        """
        with self.transaction() as connection:
            add_label(connection, number, label)

    def withdraw(self, number: int, label: int, withdrawal: Withdrawal) -> None:
        """Take a label of a result back: both stay on record, and the label before it counts again.

        Args:
            number: of the result.
            label: its number.
            withdrawal: who takes it back.

        Raises:
            ResultsError: the result has no such label, or it is withdrawn already.
        """
        with self.transaction() as connection:
            add_withdrawal(connection, number, label, withdrawal)

    def labels(self, number: int) -> list[Label]:
        """Give the labels of a result, the oldest first, with those that were withdrawn."""
        return labels_of(
            self.rows(f"SELECT {LABEL_COLUMNS} FROM labels WHERE result = ? ORDER BY id", (number,))
        )

    def labelled_scores(self, query: Query) -> Iterator[tuple[float, Truth | None]]:
        """Give (anomaly score, what a person said last or None) of each inspected image."""
        condition, values = query.where()
        statement = (
            f"SELECT score, truth FROM {source_of(query)} WHERE score IS NOT NULL AND {condition} ORDER BY id"
        )
        yield from map(tuple, self.rows(statement, values))

    def note(self, model: str, what: str, details: dict[str, Any], who: str = "") -> None:
        """Keep an event in the audit trail and the history of a model, such as a change of its threshold."""
        with self.transaction() as connection:
            trail.append(connection, what, details, who, model)

    def history(self, model: str, count: int = 100) -> list[dict[str, Any]]:
        """Give the last events of a model, newest first: time, who, what, details."""
        rows = self.rows(
            "SELECT time, who, what, details FROM events WHERE model = ? ORDER BY id DESC LIMIT ?",
            (as_text(model), count),
        )
        return [{**dict(row), "details": json.loads(row["details"])} for row in rows]

    def check(self) -> None:
        """Look whether the file is still the one that was opened; this costs microseconds.

        Raises:
            ReplacedError: it was replaced or removed.
        """
        self._identity.check()

    def look(self) -> None:
        """Look whether the file is still the one that was opened, also inside.

        Raises:
            StoreError: it was replaced, removed or overwritten, or the disk is at fault.
            StoreBusyError: another process has locked the file.
        """
        with explained(self.path):
            self.check()
            self._continuity.check(self._connection)

    def probe(self) -> Fault | None:
        """Try to write without changing anything, and give what stands against it, which `fault` has as well.

        A damaged file stays at fault until it is opened again.
        """
        if isinstance(self.fault, DamagedError):
            return self.fault
        try:
            with self.transaction() as connection:
                version = connection.execute("PRAGMA user_version").fetchone()[0]
                connection.execute(f"PRAGMA user_version = {version}")
        except (StoreError, StoreBusyError):
            pass
        return self.fault

    def _results(self, found: Statement, order: str) -> list[StoredResult]:
        """Give the results of the numbers that a statement finds."""
        statement, values = found
        return [
            from_row(row)
            for row in self.rows(
                f"SELECT * FROM results WHERE id IN ({statement}) ORDER BY id {order}", values
            )
        ]

    def rows(self, statement: str, values: Sequence[Any] | Mapping[str, Any] = ()) -> list[sqlite3.Row]:
        """Ask with a statement that changes nothing, and give the rows.

        Raises:
            StoreError: the disk or the file is at fault.
            StoreBusyError: another process has locked the file.
        """
        try:
            with explained(self.path):
                self.check()
                return self._connection.execute(statement, values).fetchall()
        except DamagedError as error:
            self.fault = error
            raise

    @property
    def _connection(self) -> sqlite3.Connection:
        connection: sqlite3.Connection | None = getattr(self._threads, "connection", None)
        if connection is None:
            connection = connect(self.path)
            # Another file under this path would take results that nobody finds again.
            self.check()
            self._threads.connection = connection
            with self._lock:
                self._open.add(connection)
        return connection

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Change something, as a whole or not at all; it is on disk when the block ends.

        Within a block of the same thread, this one is part of that.

        Raises:
            StoreError: the disk or the file is at fault.
            StoreBusyError: another process has locked the file.
        """
        try:
            with explained(self.path):
                self.check()
                connection = self._connection
                if connection.in_transaction:
                    yield connection
                    return
                # Whoever comes after one that has waited in vain need not wait as long.
                wait = _SHORT_WAIT if isinstance(self.fault, StoreBusyError) else WAIT
                connection.execute(f"PRAGMA busy_timeout = {round(1000 * wait)}")
                with committed(connection):
                    self._continuity.check(connection)
                    yield connection
                self._identity.learn()
                self._continuity.check(connection)
                # What went into a file that was removed meanwhile is not on disk.
                self.check()
        except (StoreError, StoreBusyError) as error:
            self.fault = error
            raise
        if not isinstance(self.fault, DamagedError):
            self.fault = None

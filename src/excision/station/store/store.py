"""Results of a station in one SQLite file, for one process with any number of threads, or for several."""

from __future__ import annotations

import json
import sqlite3
import threading
import time
import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from excision.errors import ResultsError
from excision.station.store.migrations import connect
from excision.station.store.query import Query
from excision.station.store.records import STORED, Label, StoredResult, Truth, as_row, as_text, from_row


class Store:
    """Results, labels and events in a file that outlives any end of the process.

    Each thread has a connection of its own. What `add` returned from is on disk.

    Args:
        path: of the file; it is made where it does not exist.

    Raises:
        ResultsError: the file is no file of results, or of a later version.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._threads = threading.local()
        # Those of threads that have ended are closed when they are forgotten.
        self._open: weakref.WeakSet[sqlite3.Connection] = weakref.WeakSet()
        self._lock = threading.Lock()
        _ = self._connection

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
        with self._transaction() as connection:
            numbers = []
            for result in results:
                cursor = connection.execute(statement, as_row(result))
                numbers.append(cursor.lastrowid if cursor.rowcount else None)
        return numbers

    def has_file(self, source: str, size: int, mtime_ns: int) -> bool:
        """Tell whether a file of a hot folder has been inspected as it is now."""
        found = self._connection.execute(
            "SELECT 1 FROM results WHERE source = ? AND file_size = ? AND file_mtime_ns = ?",
            (as_text(source), size, mtime_ns),
        ).fetchone()
        return found is not None

    def of_file(self, source: str, size: int, mtime_ns: int) -> StoredResult | None:
        """Give the result of a file of a hot folder as it is now, or None."""
        row = self._connection.execute(
            "SELECT * FROM results WHERE source = ? AND file_size = ? AND file_mtime_ns = ?",
            (as_text(source), size, mtime_ns),
        ).fetchone()
        return None if row is None else from_row(row)

    def set_image(self, number: int, image: str) -> None:
        """Say where the image of a result is kept, relative to the station's folder."""
        with self._transaction() as connection:
            connection.execute("UPDATE results SET image = ? WHERE id = ?", (as_text(image), number))

    def get(self, number: int) -> StoredResult | None:
        """Give the result of that number, or None."""
        row = self._connection.execute("SELECT * FROM results WHERE id = ?", (number,)).fetchone()
        return None if row is None else from_row(row)

    def images(self, since: float, until: float) -> set[str]:
        """Give where images of results of a time are kept, from `since` to before `until`."""
        rows = self._connection.execute(
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
        condition, values = query.where()
        if before is not None:
            condition += " AND id < ?"
            values.append(before)
        rows = self._connection.execute(
            f"SELECT * FROM results WHERE {condition} ORDER BY id DESC LIMIT ?", [*values, count]
        )
        return [from_row(row) for row in rows]

    def oldest(self, query: Query, count: int, after: int = 0) -> list[StoredResult]:
        """Give results, oldest first, with numbers above `after`."""
        condition, values = query.where()
        rows = self._connection.execute(
            f"SELECT * FROM results WHERE {condition} AND id > ? ORDER BY id LIMIT ?", [*values, after, count]
        )
        return [from_row(row) for row in rows]

    def walk(self, query: Query) -> Iterator[StoredResult]:
        """Give all results, oldest first; memory stays flat, and no lock is held meanwhile."""
        after = 0
        while page := self.oldest(query, 500, after):
            yield from page
            after = page[-1].id

    def count(self, query: Query) -> dict[str, int]:
        """Count results by verdict: "good", "review", "defect" and "failed"."""
        condition, values = query.where()
        counts = {"good": 0, "review": 0, "defect": 0, "failed": 0}
        rows = self._connection.execute(
            f"SELECT verdict, COUNT(*) FROM results WHERE {condition} GROUP BY verdict", values
        )
        return counts | {verdict or "failed": count for verdict, count in rows}

    def label(self, number: int, label: Label) -> None:
        """Keep what a person says; an earlier label stays, and the last one counts.

        Raises:
            ResultsError: there is no result of that number.
        """
        try:
            with self._transaction() as connection:
                connection.execute(
                    "INSERT INTO labels (result, time, who, truth, note) VALUES (?, ?, ?, ?, ?)",
                    (number, label.time, as_text(label.who), label.truth, as_text(label.note)),
                )
        except sqlite3.IntegrityError as error:
            raise ResultsError(f"there is no result {number} to label") from error

    def labels(self, number: int) -> list[Label]:
        """Give the labels of a result, the oldest first."""
        rows = self._connection.execute(
            "SELECT truth, who, note, time FROM labels WHERE result = ? ORDER BY id", (number,)
        )
        return [Label(*row) for row in rows]

    def labelled_scores(self, query: Query) -> Iterator[tuple[float, Truth | None]]:
        """Give (anomaly score, what a person said last or None) of each inspected image."""
        condition, values = query.where()
        last = "SELECT truth FROM labels WHERE labels.result = results.id ORDER BY labels.id DESC LIMIT 1"
        yield from self._connection.execute(
            f"SELECT score, ({last}) FROM results WHERE score IS NOT NULL AND {condition}", values
        )

    def note(self, model: str, what: str, details: dict[str, Any], who: str = "") -> None:
        """Keep an event in the history of a model, such as a change of its threshold."""
        with self._transaction() as connection:
            connection.execute(
                "INSERT INTO events (time, who, model, what, details) VALUES (?, ?, ?, ?, ?)",
                (time.time(), as_text(who), as_text(model), what, json.dumps(details)),
            )

    def history(self, model: str, count: int = 100) -> list[dict[str, Any]]:
        """Give the last events of a model, newest first: time, who, what, details."""
        rows = self._connection.execute(
            "SELECT time, who, what, details FROM events WHERE model = ? ORDER BY id DESC LIMIT ?",
            (as_text(model), count),
        )
        return [{**dict(row), "details": json.loads(row["details"])} for row in rows]

    @property
    def _connection(self) -> sqlite3.Connection:
        connection: sqlite3.Connection | None = getattr(self._threads, "connection", None)
        if connection is None:
            connection = self._threads.connection = connect(self.path)
            with self._lock:
                self._open.add(connection)
        return connection

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        connection = self._connection
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield connection
            connection.execute("COMMIT")
        except BaseException:
            connection.execute("ROLLBACK")
            raise

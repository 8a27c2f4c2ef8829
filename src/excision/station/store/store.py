"""Results of a station in one SQLite file, for one process with any number of threads, or for several."""

from __future__ import annotations

import dataclasses
import json
import os
import sqlite3
import threading
import time
import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from excision.errors import ResultsError
from excision.predictions import Box, Verdict
from excision.station.store.migrations import connect

Truth = Literal["good", "defect"]

_COLUMNS = (
    "time, source, file_size, file_mtime_ns, image, width, height, model, model_version, score, threshold, "
    "review_threshold, verdict, defect_area_share, boxes, seconds, error"
)


@dataclass(frozen=True, slots=True)
class StoredResult:
    """What is kept of one inspected image.

    Attributes:
        time: of the inspection, seconds since 1970 in UTC.
        source: path of the file in a hot folder, or the name that a client gave its upload.
        model: name of the model.
        model_version: which of its versions, with its threshold, gave the verdict.
        threshold: decision threshold in the unit of the anomaly score.
        score: anomaly score; None where the image could not be inspected.
        verdict: "good", "review" or "defect"; None where the image could not be inspected.
        error: why the image could not be inspected.
        review_threshold: where the grey zone begins; None for no such zone.
        defect_area_share: share of the pixels above the lowest threshold, 0 to 1.
        boxes: around each such region, strongest first: (x, y, width, height) in pixels of the image.
        seconds: time of each stage.
        width: of the image in pixels, upright.
        height: of the image in pixels, upright.
        image: where the image is kept, relative to the station's folder; None where it is not.
        file_size: bytes of the file in a hot folder; None for an upload.
        file_mtime_ns: when that file was last written, nanoseconds since 1970; None for an upload.
        id: number in the store; 0 before it is there.
    """

    time: float
    source: str
    model: str
    model_version: str
    threshold: float
    score: float | None = None
    verdict: Verdict | None = None
    error: str | None = None
    review_threshold: float | None = None
    defect_area_share: float | None = None
    boxes: tuple[Box, ...] = ()
    seconds: dict[str, float] = dataclasses.field(default_factory=dict)
    width: int | None = None
    height: int | None = None
    image: str | None = None
    file_size: int | None = None
    file_mtime_ns: int | None = None
    id: int = 0


@dataclass(frozen=True, slots=True)
class Mark:
    """What a person says about a result.

    Attributes:
        truth: what the part really is, "good" or "defect".
        who: name of the person.
        note: in the person's words, may be empty.
        time: seconds since 1970 in UTC.
    """

    truth: Truth
    who: str
    note: str
    time: float


@dataclass(frozen=True, slots=True)
class Query:
    """Which results; what is None is not asked for.

    Attributes:
        since: earliest time, seconds since 1970 in UTC.
        until: time before which they lie.
        verdict: "good", "review", "defect", or "failed" for what could not be inspected.
        lowest: least anomaly score.
        highest: largest anomaly score.
        source: part of the source, as text.
        model: name of the model.
        marked: True for results with a mark, False for those without.
    """

    since: float | None = None
    until: float | None = None
    verdict: Literal["good", "review", "defect", "failed"] | None = None
    lowest: float | None = None
    highest: float | None = None
    source: str | None = None
    model: str | None = None
    marked: bool | None = None

    def where(self) -> tuple[str, list[Any]]:
        """Give the condition in SQL, with its values."""
        conditions: list[str] = []
        values: list[Any] = []
        comparisons = (
            ("time >= ?", self.since),
            ("time < ?", self.until),
            ("score >= ?", self.lowest),
            ("score <= ?", self.highest),
            ("instr(source, ?) > 0", self.source),
            ("model = ?", self.model),
        )
        for condition, value in comparisons:
            if value is not None:
                conditions.append(condition)
                values.append(value)
        if self.verdict == "failed":
            conditions.append("verdict IS NULL")
        elif self.verdict is not None:
            conditions.append("verdict = ?")
            values.append(self.verdict)
        if self.marked is not None:
            exists = "EXISTS (SELECT 1 FROM marks WHERE marks.result = results.id)"
            conditions.append(exists if self.marked else f"NOT {exists}")
        return " AND ".join(conditions) or "1", values


class Store:
    """Results, marks and events in a file that outlives any end of the process.

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
        places = ", ".join("?" * len(_COLUMNS.split(",")))
        statement = (
            f"INSERT INTO results ({_COLUMNS}) VALUES ({places}) "
            "ON CONFLICT (source, file_size, file_mtime_ns) DO NOTHING"
        )
        with self._transaction() as connection:
            numbers = []
            for result in results:
                cursor = connection.execute(statement, _as_row(result))
                numbers.append(cursor.lastrowid if cursor.rowcount else None)
        return numbers

    def has_file(self, source: str, size: int, mtime_ns: int) -> bool:
        """Tell whether a file of a hot folder has been inspected as it is now."""
        found = self._connection.execute(
            "SELECT 1 FROM results WHERE source = ? AND file_size = ? AND file_mtime_ns = ?",
            (_text(source), size, mtime_ns),
        ).fetchone()
        return found is not None

    def of_file(self, source: str, size: int, mtime_ns: int) -> StoredResult | None:
        """Give the result of a file of a hot folder as it is now, or None."""
        row = self._connection.execute(
            "SELECT * FROM results WHERE source = ? AND file_size = ? AND file_mtime_ns = ?",
            (_text(source), size, mtime_ns),
        ).fetchone()
        return None if row is None else _from_row(row)

    def set_image(self, number: int, image: str) -> None:
        """Say where the image of a result is kept, relative to the station's folder."""
        with self._transaction() as connection:
            connection.execute("UPDATE results SET image = ? WHERE id = ?", (_text(image), number))

    def get(self, number: int) -> StoredResult | None:
        """Give the result of that number, or None."""
        row = self._connection.execute("SELECT * FROM results WHERE id = ?", (number,)).fetchone()
        return None if row is None else _from_row(row)

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
        return [_from_row(row) for row in rows]

    def oldest(self, query: Query, count: int, after: int = 0) -> list[StoredResult]:
        """Give results, oldest first, with numbers above `after`."""
        condition, values = query.where()
        rows = self._connection.execute(
            f"SELECT * FROM results WHERE {condition} AND id > ? ORDER BY id LIMIT ?", [*values, after, count]
        )
        return [_from_row(row) for row in rows]

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

    def mark(self, number: int, mark: Mark) -> None:
        """Keep what a person says; an earlier mark stays, and the last one counts.

        Raises:
            ResultsError: there is no result of that number.
        """
        try:
            with self._transaction() as connection:
                connection.execute(
                    "INSERT INTO marks (result, time, who, truth, note) VALUES (?, ?, ?, ?, ?)",
                    (number, mark.time, _text(mark.who), mark.truth, _text(mark.note)),
                )
        except sqlite3.IntegrityError as error:
            raise ResultsError(f"there is no result {number} to mark") from error

    def marks(self, number: int) -> list[Mark]:
        """Give the marks of a result, the oldest first."""
        rows = self._connection.execute(
            "SELECT truth, who, note, time FROM marks WHERE result = ? ORDER BY id", (number,)
        )
        return [Mark(*row) for row in rows]

    def marked_scores(self, query: Query) -> Iterator[tuple[float, Truth | None]]:
        """Give (anomaly score, what a person said last or None) of each inspected image."""
        condition, values = query.where()
        last = "SELECT truth FROM marks WHERE marks.result = results.id ORDER BY marks.id DESC LIMIT 1"
        yield from self._connection.execute(
            f"SELECT score, ({last}) FROM results WHERE score IS NOT NULL AND {condition}", values
        )

    def note(self, model: str, what: str, details: dict[str, Any], who: str = "") -> None:
        """Keep an event in the history of a model, such as a change of its threshold."""
        with self._transaction() as connection:
            connection.execute(
                "INSERT INTO events (time, who, model, what, details) VALUES (?, ?, ?, ?, ?)",
                (time.time(), _text(who), _text(model), what, json.dumps(details)),
            )

    def history(self, model: str, count: int = 100) -> list[dict[str, Any]]:
        """Give the last events of a model, newest first: time, who, what, details."""
        rows = self._connection.execute(
            "SELECT time, who, what, details FROM events WHERE model = ? ORDER BY id DESC LIMIT ?",
            (_text(model), count),
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


def _as_row(result: StoredResult) -> tuple[Any, ...]:
    values = dataclasses.asdict(result)
    values |= {"boxes": json.dumps(result.boxes), "seconds": json.dumps(result.seconds)}
    return tuple(_text(values[name]) for name in _COLUMNS.split(", "))


def _from_row(row: sqlite3.Row) -> StoredResult:
    values = dict(row)
    values["boxes"] = tuple(tuple(box) for box in json.loads(values["boxes"]))
    values["seconds"] = json.loads(values["seconds"])
    return StoredResult(**values)


def _text(value: Any) -> Any:
    """Keep a name that is no text, as a file system may hold it, with its odd bytes as escapes."""
    return os.fsencode(value).decode("utf-8", errors="backslashreplace") if isinstance(value, str) else value

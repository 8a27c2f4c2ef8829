"""The results of a station as a table: CSV, JSON lines or Parquet."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Generic, Literal, Self, TypeVar

from excision.station.store.query import Query
from excision.station.store.records import StoredResult
from excision.station.store.store import Store
from excision.system.csv_rows import csv_row
from excision.system.files import atomic_path
from excision.system.parquet import columns_of, write_parquet

Format = Literal["csv", "jsonl", "parquet"]
LineFormat = Literal["csv", "jsonl"]

Row = TypeVar("Row")

_KINDS = columns_of(StoredResult, time="time", unfit="texts")

COLUMNS = {"id": _KINDS["id"], **_KINDS}
"""The fields of `StoredResult`, its number first, each with its kind in Parquet (see `write_parquet`)."""


def write_table(store: Store, path: Path, form: Format, query: Query | None = None) -> int:
    """Write results, oldest first; the file takes its place once it is whole, and memory stays flat.

    CSV and JSON lines give times in seconds since 1970; CSV gives boxes, seconds and statistics as
    JSON, and reasons as one text.

    Args:
        store: with the results.
        path: file to write.
        form: "csv", "jsonl" or "parquet".
        query: which results; all where not given.

    Returns:
        The number of results.

    Raises:
        SettingsError: pyarrow, which Parquet needs, is missing.
    """
    results = store.walk(query or Query())
    if form == "parquet":
        return write_parquet(path, COLUMNS, map(_as_dict, results))
    count = 0
    with atomic_path(path) as temporary, temporary.open("wb") as stream:
        stream.write(_head(form))
        for result in results:
            stream.write(_line(result, form))
            count += 1
    return count


class FollowingTable(ABC, Generic[Row]):
    """A table that follows a store: whole from the beginning, and each further row at once.

    Parquet can only be written as a whole: it follows when the table is closed.

    Args:
        store: with the rows so far.
        path: file to write.
        form: "csv", "jsonl" or "parquet".

    Raises:
        SettingsError: pyarrow, which Parquet needs, is missing.
    """

    def __init__(self, store: Store, path: Path, form: Format) -> None:
        self._store, self._path, self._form = store, path, form
        self._write()
        self._stream: BinaryIO | None = None if form == "parquet" else path.open("ab")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._stream is not None:
            self._stream.close()
        elif error is None:
            self._write()

    def add(self, row: Row) -> None:
        """Write a row that the store has just got."""
        if self._stream is not None and self._form != "parquet":
            self._stream.write(self._line(row, self._form))
            self._stream.flush()

    @abstractmethod
    def _write(self) -> None:
        """Write the whole table."""

    @abstractmethod
    def _line(self, row: Row, form: LineFormat) -> bytes:
        """Give the line of one row."""


class LiveTable(FollowingTable[StoredResult]):
    """The results of a store as they come."""

    def _write(self) -> None:
        write_table(self._store, self._path, self._form)

    def _line(self, row: StoredResult, form: LineFormat) -> bytes:
        return _line(row, form)


def _as_dict(result: StoredResult) -> dict[str, Any]:
    return {name: getattr(result, name) for name in COLUMNS}


def _head(form: Format) -> bytes:
    return (",".join(COLUMNS) + "\n").encode("utf-8") if form == "csv" else b""


def _line(result: StoredResult, form: Format) -> bytes:
    values = _as_dict(result)
    if form == "jsonl":
        return _bytes(json.dumps(values, ensure_ascii=False) + "\n")
    cells = {
        "boxes": json.dumps(result.boxes),
        "seconds": json.dumps(result.seconds),
        "image_statistics": json.dumps(result.image_statistics),
        "unfit": "; ".join(result.unfit),
    }
    return _bytes(csv_row({**values, **cells}.values()))


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", errors="backslashreplace")

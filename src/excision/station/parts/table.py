"""The parts of a station as a table."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from excision.station.parts.rows import Part, closed_parts
from excision.station.quality.export import row_line, write_rows
from excision.station.store.store import Store
from excision.station.store.tables import Format

PART_COLUMNS = {
    "id": "int",
    "time": "time",
    "serial": "text",
    "lot": "text",
    "recipe": "text",
    "verdict": "text",
    "reason": "text",
    "expected": "texts",
    "closed": "time",
}
"""Columns of a part, each with its kind in Parquet (see `write_parquet`)."""


class LivePartTable:
    """A table of the parts that have a verdict: whole from the beginning, and each further part at once.

    Parquet can only be written as a whole: it follows when the table is closed.

    Args:
        store: with the parts so far.
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

    def add(self, part: Part) -> None:
        """Write a part whose verdict the store has just got."""
        if self._stream is not None and self._form != "parquet":
            self._stream.write(row_line(asdict(part), PART_COLUMNS, self._form))
            self._stream.flush()

    def _write(self) -> None:
        write_rows(self._path, self._form, PART_COLUMNS, map(asdict, closed_parts(self._store)))

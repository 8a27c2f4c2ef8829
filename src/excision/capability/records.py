"""The drawings on disk: a line each in `drawings.csv`, written as soon as it is known."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from types import TracebackType
from typing import Self, TextIO, get_args

from excision.capability.kinds import Kind
from excision.errors import ResultsError
from excision.system.csv_rows import csv_row, restored
from excision.system.files import atomic_path

DRAWINGS = "drawings.csv"
_KINDS = set(get_args(Kind))


@dataclass(frozen=True, slots=True)
class Record:
    """One drawing with its result.

    Attributes:
        number: of the drawing in its study.
        image: file of the good part.
        group: group of the part.
        kind: kind of defect.
        size: length or diameter in pixels of the image as given.
        width: width in pixels.
        contrast: stated contrast, share of the range.
        direction: of its length, in radians from the columns, clockwise.
        y: row of its middle.
        x: column of its middle.
        down: place in the box around the part, 0 at the top and 1 at the bottom.
        across: the same from left to right.
        area: pixels that it covers.
        measured: measured contrast of the drawn defect, share of the range.
        cut: share that fell outside the part and was not drawn.
        plain: anomaly score of the part without the defect.
        score: anomaly score with it.
        hit: 1 if it was found, 0 if not.
        requirement: number of the requirement that it belongs to, from 1 on; 0 for the curves.
    """

    number: int
    image: str
    group: str
    kind: Kind
    size: float
    width: float
    contrast: float
    direction: float
    y: float
    x: float
    down: float
    across: float
    area: int
    measured: float
    cut: float
    plain: float
    score: float
    hit: int
    requirement: int


HEAD = tuple(field.name for field in fields(Record))
_TYPES = {field.name: {"int": int, "float": float}.get(str(field.type), str) for field in fields(Record)}


class DrawingLog:
    """`drawings.csv` in a folder, open for further lines."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / DRAWINGS
        self._stream: TextIO | None = None

    def __enter__(self) -> Self:
        fresh = not self._path.exists()
        self._stream = self._path.open("a", encoding="utf-8", newline="")
        if fresh:
            self._stream.write(csv_row(HEAD))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._stream is not None:
            self._stream.flush()
            os.fsync(self._stream.fileno())
            self._stream.close()

    def add(self, record: Record) -> None:
        """Write a line; it is with the system before the next drawing begins."""
        assert self._stream is not None
        self._stream.write(csv_row(astuple(record)))
        self._stream.flush()


def write_drawings(folder: Path, records: list[Record]) -> None:
    """Write `drawings.csv` anew, in the order of the numbers."""
    with (
        atomic_path(folder / DRAWINGS) as temporary,
        temporary.open("w", encoding="utf-8", newline="") as stream,
    ):
        stream.write(csv_row(HEAD))
        stream.writelines(csv_row(astuple(record)) for record in sorted(records, key=lambda one: one.number))


def read_drawings(folder: Path) -> list[Record]:
    """Read `drawings.csv`; a last line that was cut off by a kill is left out.

    Raises:
        ResultsError: another line is damaged.
    """
    path = folder / DRAWINGS
    if not path.is_file():
        return []
    with path.open(encoding="utf-8", newline="") as stream:
        whole = stream.read().endswith("\n")
    known: dict[int, Record] = {}
    with path.open(encoding="utf-8", newline="") as stream:
        lines = list(_rows(stream))
    for place, row in enumerate(lines):
        if place == 0 and row == list(HEAD):
            continue
        if place == len(lines) - 1 and not whole:
            break
        try:
            record = _record(row)
        except (ValueError, KeyError, TypeError) as error:
            raise ResultsError(f"{path}, line {place + 1}: this is not a drawing: {error}") from error
        known[record.number] = record
    return list(known.values())


def _rows(stream: TextIO) -> Iterator[list[str]]:
    try:
        yield from csv.reader(stream)
    except csv.Error as error:
        raise ResultsError(f"{stream.name}: cannot be read as CSV: {error}") from error


def _record(row: list[str]) -> Record:
    if len(row) != len(HEAD):
        raise ValueError(f"it has {len(row)} of {len(HEAD)} columns")
    values = {name: _TYPES[name](restored(cell)) for name, cell in zip(HEAD, row, strict=True)}
    if values["kind"] not in _KINDS:
        raise ValueError(f"there is no kind {str(values['kind'])[:30]!r}")
    return Record(**values)

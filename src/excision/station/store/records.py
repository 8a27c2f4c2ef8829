"""What a station keeps: a result of each image, and the labels that people give to results."""

from __future__ import annotations

import dataclasses
import json
import os
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from excision.errors import DamagedError
from excision.predictions import Box, Verdict

Truth = Literal["good", "defect"]


@dataclass(frozen=True, slots=True)
class StoredResult:
    """What is kept of one inspected image. Its fields are the columns of the store and of every table.

    Attributes:
        time: of the inspection, seconds since 1970 in UTC.
        source: path of the file in a hot folder, or the name that a client gave its upload.
        model: name of the model.
        model_version: which of its versions, with its threshold, gave the verdict.
        threshold: decision threshold in the unit of the anomaly score.
        review_threshold: where the grey zone begins; None for no such zone.
        score: anomaly score; None where the image could not be inspected.
        verdict: "good", "review", "defect" or "unfit"; None where the image could not be inspected.
        error: why the image could not be inspected.
        defect_area_share: share of the pixels above the lowest threshold, 0 to 1.
        boxes: around each such region, strongest first: (x, y, width, height) in pixels of the image.
        seconds: time of each stage.
        width: of the image in pixels, upright.
        height: of the image in pixels, upright.
        image: where the image is kept, relative to the station's folder; None where it is not.
        file_size: bytes of the file in a hot folder; None for an upload.
        file_mtime_ns: when that file was last written, nanoseconds since 1970; None for an upload.
        p_value: conformal p-value of the score, in (0, 1]: the share of good parts that are expected to score
            at least as much; None where it is unknown.
        unfit: why the image is not fit to be inspected, one reason each; empty where it is.
        image_statistics: what the fitness of the image is judged by, by name; empty where it is not judged.
        serial: serial number of the part; None where it is unknown.
        lot: that the part belongs to; None where it is unknown.
        recipe: that was asked for, which names a model; None where none was.
        station: name of the station; None where it has none.
        view: which camera or side of the part the image shows; None where there is one view alone.
        part: number of the part that the image is a view of; None where views are not put together.
        strip: of a line-scan camera, which strip the image is from: the time at which it began, microseconds
            since 1970; None of any other image.
        strip_row: number of the image's first row in the strip, from 0.
        strip_row_mm: millimetres from one row to the next; None where nobody said.
        id: number in the store; 0 before it is there.
    """

    time: float
    source: str
    model: str
    model_version: str
    threshold: float
    review_threshold: float | None = None
    score: float | None = None
    verdict: Verdict | None = None
    error: str | None = None
    defect_area_share: float | None = None
    boxes: tuple[Box, ...] = ()
    seconds: dict[str, float] = dataclasses.field(default_factory=dict)
    width: int | None = None
    height: int | None = None
    image: str | None = None
    file_size: int | None = None
    file_mtime_ns: int | None = None
    p_value: float | None = None
    unfit: tuple[str, ...] = ()
    image_statistics: dict[str, float] = dataclasses.field(default_factory=dict)
    serial: str | None = None
    lot: str | None = None
    recipe: str | None = None
    station: str | None = None
    view: str | None = None
    part: int | None = None
    strip: int | None = None
    strip_row: int | None = None
    strip_row_mm: float | None = None
    id: int = 0


@dataclass(frozen=True, slots=True)
class Origin:
    """What is known of the part before its image is inspected; the fields are those of `StoredResult`.

    Attributes:
        serial: serial number of the part.
        lot: that the part belongs to.
        recipe: that was asked for, which names a model.
        view: which camera or side of the part the image shows.
        part: number of the part that the image is a view of.
        strip: of a line-scan camera that the image is from.
        strip_row: number of its first row in the strip.
        strip_row_mm: millimetres from one row to the next.
    """

    serial: str | None = None
    lot: str | None = None
    recipe: str | None = None
    view: str | None = None
    part: int | None = None
    strip: int | None = None
    strip_row: int | None = None
    strip_row_mm: float | None = None

    def columns(self) -> dict[str, Any]:
        """Give the columns of a result, by name."""
        return {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}


LONGEST_NAME = 200
"""Characters of a serial number, a lot or a view."""

UNKNOWN = Origin()
"""Nothing is known of the part."""


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """A person takes a label back.

    Attributes:
        who: name of the person.
        note: why, in the person's words; may be empty.
        time: seconds since 1970 in UTC.
    """

    who: str
    note: str
    time: float


@dataclass(frozen=True, slots=True)
class Label:
    """The label that a person gives to a result.

    Attributes:
        truth: what the part really is, "good" or "defect".
        who: name of the person.
        note: in the person's words, may be empty.
        time: seconds since 1970 in UTC.
        defect_class: kind of the defect; None where the part is good, or nobody said.
        withdrawn: by whom the label was taken back; None for a label that stands.
        id: number in the store; 0 before it is there.
    """

    truth: Truth
    who: str
    note: str
    time: float
    defect_class: str | None = None
    withdrawn: Withdrawal | None = None
    id: int = dataclasses.field(default=0, compare=False)


def standing(labels: Sequence[Label]) -> Label | None:
    """Give the label that counts: the last one that nobody has withdrawn; None for no such label."""
    return next((label for label in reversed(labels) if label.withdrawn is None), None)


STORED = tuple(field.name for field in dataclasses.fields(StoredResult) if field.name != "id")
"""Columns of a result in the store, besides its number, which the store gives."""

_AS_JSON = ("boxes", "seconds", "unfit", "image_statistics")


def as_row(result: StoredResult) -> tuple[Any, ...]:
    """Give the values of `STORED`; boxes, seconds, reasons and statistics as JSON."""
    # Not `dataclasses.asdict`: it copies every number, and took a third of the time of storing a result.
    values = {name: getattr(result, name) for name in STORED}
    values |= {name: json.dumps(values[name]) for name in _AS_JSON}
    return tuple(
        value if not isinstance(value, str) or value.isascii() else as_text(value)
        for value in values.values()
    )


def from_row(row: sqlite3.Row | Mapping[str, Any]) -> StoredResult:
    """Give the result of a row with every column.

    Raises:
        DamagedError: the row holds what was never written.
    """
    values = {name: row[name] for name in ("id", *STORED)}
    try:
        values["boxes"] = tuple(tuple(box) for box in json.loads(values["boxes"]))
        values["seconds"] = json.loads(values["seconds"])
        values["unfit"] = tuple(map(str, json.loads(values["unfit"])))
        values["image_statistics"] = json.loads(values["image_statistics"])
    except (TypeError, ValueError) as error:
        raise damaged(values["id"], error) from error
    return StoredResult(**values)


def damaged(number: int, error: Exception) -> DamagedError:
    """Give the error that says which result is damaged."""
    return DamagedError(f"result {number} is damaged in the file of results ({error})")


def as_text(name: str) -> str:
    """Give a name that is not text, as a file system may hold it, with its odd bytes as escapes."""
    return os.fsencode(name).decode("utf-8", errors="backslashreplace")

"""The strips of line-scan cameras: each defect once, by its place, and a verdict on each length."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from excision.cameras.strip_boxes import join_boxes
from excision.ops.boxes import Box
from excision.station.parts.verdict import PartVerdict, worst
from excision.station.store.records import damaged
from excision.station.store.store import Store

_PAGE = 500

DEFECT_COLUMNS = {
    "view": "text",
    "strip": "time",
    "first_row": "int",
    "last_row": "int",
    "first_column": "int",
    "last_column": "int",
    "start_mm": "float",
    "end_mm": "float",
    "verdict": "text",
    "score": "float",
    "results": "text",
}
"""Columns of a defect, each with its kind in Parquet (see `write_parquet`)."""

LENGTH_COLUMNS = {
    "view": "text",
    "strip": "time",
    "number": "int",
    "first_row": "int",
    "last_row": "int",
    "start_mm": "float",
    "end_mm": "float",
    "verdict": "text",
    "defects": "int",
    "missing_rows": "int",
}
"""Columns of a length."""


@dataclass(frozen=True, slots=True)
class Strip:
    """A strip of a line-scan camera.

    Attributes:
        view: name of the camera.
        began: microseconds since 1970, which names the strip.
        is_latest: whether the camera has begun no other one since.
    """

    view: str
    began: int
    is_latest: bool


@dataclass(frozen=True, slots=True)
class StripImage:
    """An image of a strip.

    Attributes:
        id: number of its result.
        row: its first row in the strip.
        rows: number of its rows.
        row_mm: millimetres from one row to the next; None where it is unknown.
        verdict: on the image; "fault" where it could not be inspected.
        score: anomaly score; None where it could not be inspected.
        boxes: (x, y, width, height) in pixels of the image; none where it is good or unfit.
    """

    id: int
    row: int
    rows: int
    row_mm: float | None
    verdict: PartVerdict
    score: float | None
    boxes: tuple[Box, ...]


@dataclass(frozen=True, slots=True)
class StripDefect:
    """A defect of a strip, whatever number of images shows it.

    Attributes:
        box: (x, y, width, height) in pixels of the strip.
        verdict: of the images that show it, the most severe one: "defect" or "review".
        score: largest anomaly score of them.
        row_mm: millimetres from one row to the next; None where it is unknown.
        results: numbers of the results of these images.
    """

    box: Box
    verdict: PartVerdict
    score: float
    row_mm: float | None
    results: tuple[int, ...]


@dataclass(slots=True)
class _Length:
    """What is known of a length: its verdicts, defects and missing rows, and the last row that came."""

    verdicts: list[PartVerdict] = field(default_factory=list)
    defects: int = 0
    missing: int = 0


def strips(store: Store) -> list[Strip]:
    """Give the strips of every camera, newest first."""
    rows = store.rows(
        "SELECT DISTINCT view, strip FROM results INDEXED BY results_by_strip "
        "WHERE strip IS NOT NULL AND view IS NOT NULL ORDER BY strip DESC, view"
    )
    seen: set[str] = set()
    found = []
    for row in rows:
        found.append(Strip(row["view"], row["strip"], row["view"] not in seen))
        seen.add(row["view"])
    return found


def images(store: Store, strip: Strip, newest: int | None = None) -> Iterator[StripImage]:
    """Give the images of a strip by their rows; memory stays flat.

    Args:
        store: of the station.
        strip: whose images.
        newest: number of the last images to give; None for all.
    """
    names = (strip.view, strip.began)
    where = "FROM results INDEXED BY results_by_strip WHERE view = ? AND strip = ?"
    row, number, rows = -1, 0, 0
    if newest is not None:
        found = store.rows(
            f"SELECT strip_row {where} ORDER BY strip_row DESC, id DESC LIMIT 1 OFFSET ?", (*names, newest)
        )
        row, number = (found[0]["strip_row"], 2**62) if found else (row, number)
    while page := store.rows(
        f"SELECT id, strip_row, strip_row_mm, height, verdict, score, boxes {where} "
        f"AND (strip_row, id) > (?, ?) ORDER BY strip_row, id LIMIT {_PAGE}",
        (*names, row, number),
    ):
        for each in page:
            # Of an image that could not be read nobody knows the height: it is cut like the one before.
            rows = each["height"] or rows
            yield _image(each, rows)
        row, number = page[-1]["strip_row"], page[-1]["id"]


def defects(found: Iterable[StripImage]) -> Iterator[StripDefect]:
    """Give each defect of a strip once, about by their rows; those in overlapping images are joined.

    Args:
        found: images of one strip by their rows.
    """
    marked = ((image, image.row, image.boxes) for image in found if image.boxes)
    for box, shown in join_boxes(marked):
        yield StripDefect(
            box,
            worst([image.verdict for image in shown]),
            max(image.score for image in shown if image.score is not None),
            shown[0].row_mm,
            tuple(sorted(image.id for image in shown)),
        )


def defect_rows(store: Store) -> Iterator[dict[str, Any]]:
    """Give every defect of every strip as a row with the columns `DEFECT_COLUMNS`; the newest strip first."""
    for strip in strips(store):
        for defect in defects(images(store, strip)):
            yield defect_row(strip, defect)


def defect_row(strip: Strip, defect: StripDefect) -> dict[str, Any]:
    """Give a defect as a row."""
    x, y, width, height = defect.box
    return {
        **_head(strip, y, y + height - 1, defect.row_mm),
        "first_column": x,
        "last_column": x + width - 1,
        "verdict": defect.verdict,
        "score": defect.score,
        "results": " ".join(map(str, defect.results)),
    }


def length_rows(store: Store, lengths: dict[str, int]) -> Iterator[dict[str, Any]]:
    """Give the lengths of every strip as rows with the columns `LENGTH_COLUMNS`; the newest strip first.

    A length of which rows are missing or could not be inspected is never good: it is a "fault", unless a
    defect was seen. The last one of a strip that goes on has no verdict yet.

    Args:
        store: of the station.
        lengths: rows of a length, by the name of the camera; strips of other cameras have none.
    """
    for strip in strips(store):
        rows = lengths.get(strip.view)
        if rows is not None:
            yield from _lengths(store, strip, rows)


def _lengths(store: Store, strip: Strip, rows: int) -> Iterator[dict[str, Any]]:
    found: dict[int, _Length] = {}
    end = 0
    row_mm: float | None = None

    def noted() -> Iterator[StripImage]:
        nonlocal end, row_mm
        for image in images(store, strip):
            for number, missing in _shares(end, image.row, rows):
                found.setdefault(number, _Length()).missing += missing
            row_mm = image.row_mm or row_mm
            plain: PartVerdict = image.verdict if image.verdict in ("unfit", "fault") else "good"
            for number, _ in _shares(image.row, image.row + image.rows, rows):
                found.setdefault(number, _Length()).verdicts.append(plain)
            end = max(end, image.row + image.rows)
            yield image

    # Read once: the station may store further images meanwhile, whose lengths are not known here.
    for defect in defects(noted()):
        _, y, _, height = defect.box
        for number, _ in _shares(y, y + height, rows):
            found[number].verdicts.append(defect.verdict)
            found[number].defects += 1
    for number, length in sorted(found.items()):
        last = min((number + 1) * rows, end) - 1
        goes_on = strip.is_latest and end < (number + 1) * rows
        verdicts: list[PartVerdict] = [*length.verdicts, "fault"] if length.missing else length.verdicts
        yield {
            **_head(strip, number * rows, last, row_mm),
            "number": number + 1,
            "verdict": None if goes_on else worst(verdicts),
            "defects": length.defects,
            "missing_rows": length.missing,
        }


def _shares(first: int, end: int, rows: int) -> Iterator[tuple[int, int]]:
    """Give (number of a length, how many of the rows from `first` to before `end` lie in it)."""
    for number in range(first // rows, -(-end // rows)) if end > first else ():
        yield number, min(end, (number + 1) * rows) - max(first, number * rows)


def _head(strip: Strip, first: int, last: int, row_mm: float | None) -> dict[str, Any]:
    return {
        "view": strip.view,
        "strip": strip.began / 1e6,
        "first_row": first,
        "last_row": last,
        "start_mm": None if row_mm is None else round(first * row_mm, 6),
        "end_mm": None if row_mm is None else round((last + 1) * row_mm, 6),
    }


def _image(row: Any, rows: int) -> StripImage:
    verdict: PartVerdict = row["verdict"] or "fault"
    try:
        boxes = json.loads(row["boxes"]) if verdict in ("defect", "review") else []
        given = tuple((int(x), int(y), int(width), int(height)) for x, y, width, height in boxes)
    except (TypeError, ValueError) as error:
        raise damaged(row["id"], error) from error
    return StripImage(row["id"], row["strip_row"], rows, row["strip_row_mm"], verdict, row["score"], given)

"""The log of an inspection: one line per image in JSON and in CSV, written as soon as it is known."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self, get_args

from excision.predictions import Box, Verdict
from excision.system.csv_rows import csv_row
from excision.system.files import naming, write_bytes

JSONL, CSV = "results.jsonl", "results.csv"


@dataclass(frozen=True, slots=True)
class InspectionRecord:
    """The record of an image.

    Attributes:
        image: path as found.
        score: anomaly score; None if the image could not be inspected.
        threshold: decision threshold.
        verdict: "good", "review", "defect" or "unfit"; None if the image could not be inspected.
        defect_area_share: share of the pixels above the threshold, or above the review threshold if there is
            one, 0 to 1.
        boxes: boxes (x, y, width, height) around these regions, strongest first, in pixels of the upright
            image file.
        seconds: from opening the file to the verdict.
        overlay: path of the overlay of image and anomaly map, relative to the folder of results.
        error: why the image could not be inspected.
        p_value: conformal p-value of the score: the share of good parts that are expected to score at least
            as much; None if it is unknown.
        unfit: why the image is not fit to be inspected, one reason each; empty if it is.
        image_statistics: what the fitness of the image is judged by, by name; None if it is not judged.
    """

    image: str
    score: float | None
    threshold: float
    verdict: Verdict | None
    defect_area_share: float | None
    boxes: tuple[Box, ...]
    seconds: float
    overlay: str | None
    error: str | None
    # Results of earlier versions lack these.
    p_value: float | None = None
    unfit: tuple[str, ...] = ()
    image_statistics: dict[str, float] | None = None


class InspectionLog:
    """Writes records and flushes each at once, starting with those kept from an earlier inspection."""

    def __init__(self, out: Path, kept: Iterable[InspectionRecord]) -> None:
        kept = tuple(kept)
        write_bytes(out / JSONL, _bytes("".join(map(_as_json, kept))))
        write_bytes(out / CSV, _bytes(_header() + "".join(map(_as_row, kept))))
        self._jsonl = (out / JSONL).open("ab")
        self._csv = (out / CSV).open("ab")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with ExitStack() as closing:
            for stream in (self._csv, self._jsonl):
                # What a full disk did not take is still to be written, and fails again.
                closing.enter_context(naming(Path(stream.name)))
                closing.callback(stream.close)

    def add(self, line: InspectionRecord) -> None:
        """Write one record to both files."""
        for stream, text in ((self._jsonl, _as_json(line)), (self._csv, _as_row(line))):
            with naming(Path(stream.name)):
                stream.write(_bytes(text))
                stream.flush()


def read_log(out: Path) -> list[InspectionRecord]:
    """Read the records of an earlier inspection, except a last line that is incomplete."""
    return list(iterate_log(out))


def iterate_log(out: Path) -> Iterator[InspectionRecord]:
    """Iterate over the records of an earlier inspection, as `read_log` does."""
    for _, line in iterate_places(out):
        yield line


def iterate_places(out: Path) -> Iterator[tuple[int, InspectionRecord]]:
    """Iterate over the records as `iterate_log` does, each with the byte at which its line begins."""
    if not (out / JSONL).is_file():
        return
    start = 0
    # Split only at newlines: a file name may contain other Unicode line separators.
    with (out / JSONL).open("rb") as stream:
        for text in stream:
            line = record_of(text)
            if line is not None:
                yield start, line
            start += len(text)


def record_of(text: bytes) -> InspectionRecord | None:
    """Read one line; None if it is incomplete, damaged or of a later version, so that it is made again."""
    try:
        content = json.loads(text.decode("utf-8", errors="replace"))
        content["boxes"] = tuple(tuple(box) for box in content["boxes"])
        content["unfit"] = tuple(map(str, content.get("unfit", ())))
        content["image_statistics"] = _numbers(content.get("image_statistics"))
        return InspectionRecord(**content) if content["verdict"] in (None, *get_args(Verdict)) else None
    except (ValueError, KeyError, TypeError):
        return None


def _numbers(content: dict[str, float] | None) -> dict[str, float] | None:
    return None if content is None else {str(name): float(value) for name, value in content.items()}


def _as_json(line: InspectionRecord) -> str:
    return json.dumps(_values(line), ensure_ascii=False) + "\n"


def _values(line: InspectionRecord) -> dict[str, Any]:
    # Not `dataclasses.asdict`, which copies every number.
    return {field.name: getattr(line, field.name) for field in dataclasses.fields(line)}


def _header() -> str:
    return ",".join(field.name for field in dataclasses.fields(InspectionRecord)) + "\n"


def _as_row(line: InspectionRecord) -> str:
    statistics = None if line.image_statistics is None else json.dumps(line.image_statistics)
    told = {"boxes": json.dumps(line.boxes), "unfit": "; ".join(line.unfit), "image_statistics": statistics}
    return csv_row((_values(line) | told).values())


def _bytes(text: str) -> bytes:
    # A file name need not be valid text: other bytes are written as escapes, which JSON reads back.
    return text.encode("utf-8", errors="backslashreplace")

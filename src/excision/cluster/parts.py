"""Part files: the results of some images, written once, as Parquet or JSON lines."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from excision.cluster.plan import PARTS, Plan
from excision.errors import ResultsError
from excision.inspection.log import InspectionRecord, record_of
from excision.inspection.table import COLUMNS
from excision.storage.folder import Folder
from excision.system.parquet import fill_parquet, need_pyarrow

_ROWS = 256
"""Rows of a part that are read at once."""


@dataclass(frozen=True, slots=True)
class PartRow:
    """The result of one image, with what the manifest says of it.

    Attributes:
        record: the result.
        group: as in the manifest.
        serial: as in the manifest.
    """

    record: InspectionRecord
    group: str | None = None
    serial: str | None = None


def finished_parts(folder: Folder, plan: Plan) -> set[int]:
    """Give the numbers of the parts whose results are there."""
    numbers = map(plan.number, folder.names(PARTS))
    return {number for number in numbers if number is not None}


def write_part(folder: Folder, plan: Plan, part: int, rows: Sequence[PartRow]) -> None:
    """Write the results of a part; the file appears as a whole."""
    with folder.writing(plan.name(part)) as path:
        if plan.form == "parquet":
            fill_parquet(path, {**COLUMNS, "group": "text", "serial": "text"}, map(_values, rows))
            return
        with path.open("w", encoding="utf-8", errors="backslashreplace") as stream:
            stream.writelines(json.dumps(_values(row), ensure_ascii=False) + "\n" for row in rows)


def _values(row: PartRow) -> dict[str, Any]:
    return {**dataclasses.asdict(row.record), "group": row.group, "serial": row.serial}


def read_part(folder: Folder, plan: Plan, part: int) -> Iterator[PartRow]:
    """Read the results of a part, in the order of its images.

    Raises:
        ResultsError: the file is damaged, or does not hold one row for each image.
    """
    count = 0
    with folder.reading(plan.name(part)) as path:
        for values in _of_parquet(path) if plan.form == "parquet" else _of_lines(path):
            extra = {name: values.pop(name, None) for name in ("group", "serial")}
            record = record_of(json.dumps(values).encode())
            if record is None:
                raise ResultsError(f"{folder.name}/{plan.name(part)}: is damaged; remove it, and run again")
            yield PartRow(record, **extra)
            count += 1
    if count != plan.span(part)[1]:
        raise ResultsError(
            f"{folder.name}/{plan.name(part)}: has {count} rows for {plan.span(part)[1]} images; remove it, "
            "and run again"
        )


def _of_lines(path: Path) -> Iterator[dict[str, Any]]:
    with path.open("rb") as stream:
        for line in stream:
            try:
                values = json.loads(line)
            except (ValueError, RecursionError):
                values = None
            yield values if isinstance(values, dict) else {}


def _of_parquet(path: Path) -> Iterator[dict[str, Any]]:
    need_pyarrow()
    from pyarrow import ArrowException, parquet

    try:
        for batch in parquet.ParquetFile(path).iter_batches(_ROWS):
            for row in batch.to_pylist():
                boxes, statistics = row.get("boxes") or (), row.get("image_statistics")
                row["boxes"] = [[box[name] for name in ("x", "y", "width", "height")] for box in boxes]
                row["image_statistics"] = None if statistics is None else dict(statistics)
                yield row
    except (ArrowException, OSError, KeyError, TypeError) as error:
        raise ResultsError(f"{path}: is damaged ({error}); remove it, and run again") from error

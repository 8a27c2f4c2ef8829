"""A CSV file with the columns `image,split,label,mask` and optionally `group`, or a folder with one."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Literal, get_args

from excision.data.layouts.groups import with_groups
from excision.data.layouts.registry import Contents, Precedence, layout
from excision.data.records import GOOD, Sample, Split
from excision.errors import DatasetError

_REQUIRED = frozenset({"image", "split", "label"})
_GOOD_LABELS = frozenset({GOOD, "normal", "ok"})


def _header(path: Path) -> tuple[list[str], Literal[",", ";", "\t"]]:
    """Give the column names in lower case, and the separator; no columns if the file is not text."""
    try:
        with path.open("rb") as stream:
            line = stream.readline(10_000).decode("utf-8-sig")
    except (OSError, UnicodeDecodeError):
        return [], ","
    separator: Literal[",", ";", "\t"] = ";" if ";" in line else "\t" if "\t" in line else ","
    return [column.strip().strip('"').lower() for column in line.split(separator)], separator


def _tables(path: Path) -> list[Path]:
    """Give the split files at a path: the file itself, or those directly in the folder."""
    if path.is_file():
        return [path] if path.suffix.lower() == ".csv" else []
    if not path.is_dir():
        return []
    try:
        files = sorted(file for file in path.iterdir() if file.suffix.lower() == ".csv")
    except OSError:
        return []
    return [file for file in files if set(_header(file)[0]) >= _REQUIRED]


@layout(
    "csv",
    "a CSV file with the columns image,split,label,mask, or a folder that contains one",
    lambda path: bool(_tables(path)),
    Precedence.EXPLICIT,
)
def read(path: Path) -> Contents:
    """Read the table; image and mask paths are relative to its folder."""
    tables = _tables(path)
    if not tables:
        raise DatasetError(f"{path}: contains no CSV file with the columns {', '.join(sorted(_REQUIRED))}")
    if len(tables) > 1:
        names = ", ".join(table.name for table in tables)
        raise DatasetError(
            f"{path}: contains several split files ({names}); name one of them instead of the folder"
        )
    table = tables[0]
    rows = list(_rows(table))
    samples = [sample for sample, _ in rows]
    groups = {sample.name: group for sample, group in rows if group}
    derived = with_groups(samples)
    notes = [f"The split is that of {table.name}."]
    return Contents(table.parent, [replace(s, group=groups.get(s.name, s.group)) for s in derived], notes)


def _rows(table: Path) -> Iterator[tuple[Sample, str]]:
    """Give the sample and the group of each row; the group may be empty."""
    columns, separator = _header(table)
    if not set(columns) >= _REQUIRED:
        missing = ", ".join(sorted(_REQUIRED - set(columns)))
        raise DatasetError(
            f"{table}: the first line must name the columns image,split,label,mask; missing: {missing}"
        )
    seen: dict[str, int] = {}
    try:
        with table.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.DictReader(stream, fieldnames=columns, delimiter=separator)
            next(reader)
            for row in reader:
                values = {key: (row.get(key) or "").strip() for key in (*_REQUIRED, "mask", "group")}
                sample = _sample(table, values, reader.line_num)
                if sample.name in seen:
                    where = f"{table}, line {reader.line_num}"
                    raise DatasetError(f"{where}: {sample.name} is already in line {seen[sample.name]}")
                seen[sample.name] = reader.line_num
                yield sample, values["group"]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DatasetError(f"{table}: cannot be read as CSV text in UTF-8: {error}") from error


def _sample(table: Path, values: dict[str, str], line: int) -> Sample:
    for column in sorted(_REQUIRED):
        if not values[column]:
            raise DatasetError(f'{table}, line {line}: the column "{column}" is empty')
    split = values["split"].lower()
    if split not in get_args(Split):
        raise DatasetError(f'{table}, line {line}: the split is "{split}"; it must be train or test')
    label = GOOD if values["label"].lower() in _GOOD_LABELS else values["label"]
    name = _posix(values["image"])
    mask = table.parent / _posix(values["mask"]) if values["mask"] and label != GOOD else None
    return Sample(name, table.parent / name, "train" if split == "train" else "test", label, mask, name)


def _posix(text: str) -> str:
    """Write a path with forward slashes and without `./`; tables made on Windows have backslashes."""
    return PurePosixPath(text.replace("\\", "/")).as_posix()

"""A CSV file with the columns `image,split,label,mask` and optionally `group`, or a folder with one."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import get_args

from excision.data.annotations.values import label_text
from excision.data.csv_text import Row, Table
from excision.data.groups.known import with_groups
from excision.data.layouts.csv_labels import understand
from excision.data.layouts.registry import Contents, Precedence, layout
from excision.data.records import GOOD, Sample, Split
from excision.data.references import Finder, files_in, identity, is_file, name_below
from excision.data.splits import with_test_share
from excision.errors import DatasetError

_NAMES = {
    "image": ("image", "image_path", "path", "filepath", "file_path", "file", "filename", "file_name"),
    "split": ("split", "subset", "set"),
    "label": ("label", "class", "category"),
    "mask": ("mask", "mask_path"),
    "group": ("group",),
}
"""The columns, and the headings that they may have in a table that is named as such."""

_PLAIN_NAMES = {name: (name,) for name in _NAMES}
_REQUIRED = frozenset({"image", "split", "label"})
_NEEDED = frozenset({"image", "label"})
_PEEKED = 2**14

_ELSEWHERE = re.compile(r"^([a-z]:[\\/]|\\\\|//|[a-z][a-z0-9+.-]+:/)", re.IGNORECASE)
"""Paths that begin at a drive, at a server, or at the beginning of an address."""


def _is_table(path: Path) -> bool:
    """Tell whether the first line names the columns, from the beginning of the file."""
    try:
        with path.open("rb") as stream:
            start = stream.read(_PEEKED)
        return Table(path, _PLAIN_NAMES, _REQUIRED, start).columns >= _REQUIRED
    except (OSError, DatasetError):
        return False


def _csv_files(path: Path) -> list[Path]:
    if path.is_file():
        return [path] if path.suffix.lower() in (".csv", ".tsv") else []
    return files_in(path, [".csv"])


def _tables(path: Path) -> list[Path]:
    """Give the split files at a path: the file itself, or those directly in the folder."""
    return _csv_files(path) if path.is_file() else [file for file in _csv_files(path) if _is_table(file)]


@layout(
    "csv",
    "a CSV file with the columns image,split,label,mask, or a folder that contains one",
    lambda path: bool(_tables(path)),
    Precedence.EXPLICIT,
)
def read(path: Path) -> Contents:
    """Read the table; image and mask paths are relative to its folder."""
    tables = _tables(path) or _csv_files(path)[:1]
    if not tables:
        raise DatasetError(f"{path}: contains no CSV file with the columns {', '.join(sorted(_REQUIRED))}")
    if len(tables) > 1:
        names = ", ".join(table.name for table in tables)
        raise DatasetError(
            f"{path}: contains several split files ({names}); name one of them instead of the folder"
        )
    table = _with_further_columns(Table(tables[0], _NAMES, _NEEDED))
    if not table.columns >= _NEEDED:
        missing = ", ".join(sorted(_REQUIRED - table.columns))
        raise DatasetError(
            f"{table.path}: the first line must name the columns image,split,label,mask; missing: {missing}"
        )
    return _contents(table, list(table.rows()))


def _with_further_columns(table: Table) -> Table:
    """Read the columns beside the known ones as well, each under its heading in lower case."""
    known = {heading for headings in _NAMES.values() for heading in headings}
    further = {heading.lower() for heading in table.header if heading} - known
    return Table(table.path, {**_NAMES, **{name: (name,) for name in further}}, _NEEDED) if further else table


def _contents(table: Table, rows: list[Row]) -> Contents:
    masked = [bool(row.values.get("mask")) for row in rows]
    for row in rows:
        _check(row, table)
    meaning, sentence = understand([row.values["label"] for row in rows], masked, table.path)
    reader = _Reader(table)
    samples = [reader.sample(row, meaning) for row in rows]
    groups = {sample.name: row.values.get("group", "") for sample, row in zip(samples, rows, strict=True)}
    samples = [replace(s, group=groups[s.name] or s.group) for s in with_groups(samples)]
    named = (table.columns - _NAMES.keys()) | ({"group"} & table.columns)
    columns = {
        column: {s.name: row.values[column] for s, row in zip(samples, rows, strict=True)}
        for column in sorted(named)
    }
    notes = [sentence] if rows else []
    if table.legacy:
        notes.append(f"{table.path.name} is not in UTF-8; it was read as Windows-1252.")
    if "split" not in table.columns:
        return Contents(table.path.parent, *with_test_share(samples, notes), columns=columns)
    first = f"The split is that of {table.path.name}."
    return Contents(table.path.parent, samples, [first, *notes], columns=columns)


def _check(row: Row, table: Table) -> None:
    """Refuse a row without a needed value."""
    where = f"{table.path}, line {row.line}"
    for column in sorted(_REQUIRED & table.columns):
        if not row.values[column]:
            raise DatasetError(f'{where}: the column "{column}" is empty')
    label_text(row.values["label"], where)
    split = row.values.get("split", "train").lower()
    if split not in get_args(Split):
        raise DatasetError(f'{where}: the split is "{split}"; it must be train or test')


class _Reader:
    """Turns rows into samples, and notices when two rows mean the same image."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._folder = table.path.parent
        self._finder = Finder(self._folder, [self._folder])
        self._seen: dict[object, tuple[str, int]] = {}

    def sample(self, row: Row, meaning: dict[str, str]) -> Sample:
        """Give the sample of a row."""
        where = f"{self._table.path}, line {row.line}"
        image, name = self._find(row.values["image"], where)
        self._note(image, name, row.line, where)
        label, given = meaning[row.values["label"]], row.values.get("mask", "")
        mask = self._find(given, where)[0] if given and label != GOOD else None
        if mask is not None and identity(mask) == identity(image):
            raise DatasetError(f"{where}: the mask is the image itself ({given})")
        split: Split = "test" if row.values.get("split", "").lower() == "test" else "train"
        return Sample(name, image, split, label, mask, name)

    def _find(self, given: str, where: str) -> tuple[Path, str]:
        """Give the file that a path means, and its name in the data set.

        A path of another computer means the file whose path ends alike, below the folder of the table.
        """
        name = _posix(given)
        if "\0" in given:
            raise DatasetError(f"{where}: {given[:60]!r} is not the name of a file")
        path = self._folder / name
        elsewhere = bool(_ELSEWHERE.match(given)) and not is_file(Path(given))
        if not elsewhere and (is_file(path) or not PurePosixPath(name).is_absolute()):
            if self._table.legacy and not name.isascii() and not is_file(path):
                raise DatasetError(
                    f"{where}: {name} is not there. The table is not in UTF-8 and was read as "
                    "Windows-1252; save it as CSV UTF-8"
                )
            return path, name
        found = self._finder.find(given, where)
        if found is None and elsewhere:
            raise DatasetError(
                f"{where}: {given} lies on another computer, and no file below {self._folder} has a path "
                "that ends alike; write paths relative to the table"
            )
        return (path, name) if found is None else (found, name_below(found, self._folder))

    def _note(self, image: Path, name: str, line: int, where: str) -> None:
        for key in (name, identity(image)):
            other = self._seen.setdefault(key, (name, line))
            if other != (name, line):
                same = "" if other[0] == name else f", as {other[0]}"
                raise DatasetError(f"{where}: {name} is already in line {other[1]}{same}")


def _posix(text: str) -> str:
    """Write a path with forward slashes and without `./`; tables made on Windows have backslashes."""
    return PurePosixPath(text.replace("\\", "/")).as_posix()

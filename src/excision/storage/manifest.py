"""Manifests: tables of images, written once, of which each job reads the rows that it inspects."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from array import array
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any, Protocol

from excision.errors import DatasetError
from excision.storage.entry import Entry, bare, local_path, read_entry, row_entry, uri_of
from excision.storage.image_table import check_group, image_column
from excision.system.files import atomic_path
from excision.system.parquet import columns_of, need_pyarrow, write_parquet

PARQUET, JSONL = ".parquet", ".jsonl"

_COLUMNS = {name: kind for name, kind in columns_of(Entry).items() if name != "fault"}
_STRIDE = 1000
"""Lines between two places that are remembered of a manifest in JSON lines."""
_LONGEST_LINE = 65_536  # bytes
_LARGEST_GROUP = 256 * 2**20
"""Bytes of the columns of one row group, uncompressed: as much is read at once."""
_MOST_ROWS = 2**23
"""Rows of one row group: repeated values take no space in the file, but some in memory."""
_FOOT = 2**20
"""Bytes at the end of a Parquet file that tell it from another: the places and extremes of its columns."""


class Manifest(Protocol):
    """An open manifest.

    Attributes:
        rows: number of images.
        digest: names the content, 16 hexadecimal digits.
    """

    rows: int
    digest: str

    def read(self, first: int, count: int) -> Iterator[Entry]:
        """Give the images from row `first` on, at most `count`; a row that names none has a `fault`.

        Raises:
            DatasetError: the file is damaged.
        """


def is_manifest(path: str | Path) -> bool:
    """Tell whether a name is that of a manifest."""
    return bare(str(path)).lower().endswith((PARQUET, JSONL))


def open_manifest(place: Path | str) -> Manifest:
    """Open a manifest.

    Args:
        place: path, or URL of a Parquet file, of which only the row groups that are asked for are read.

    Raises:
        DatasetError: the file is missing, or is no manifest.
        SettingsError: it is a Parquet file, and pyarrow is missing.
    """
    path = local_path(str(place))
    if path is None:
        if not bare(str(place)).lower().endswith(PARQUET):
            raise DatasetError(f"{place}: a manifest in object storage must be a Parquet file")
        from excision.storage.remote import open_remote

        stream = open_remote(str(place))
        return _Table(str(place), str(place), stream, stream)
    if not path.is_file():
        raise DatasetError(f"{path}: there is no such manifest")
    if not path.name.lower().endswith(PARQUET):
        return _Lines(path)
    with path.open("rb") as stream:
        return _Table(str(path), uri_of(path), str(path), stream)


def write_manifest(path: Path, entries: Iterable[Entry]) -> int:
    """Write a manifest, atomically and in constant memory.

    Args:
        path: file to write; its ending chooses Parquet or JSON lines.
        entries: images in order.

    Returns:
        The number of images.

    Raises:
        DatasetError: there is no image.
        SettingsError: the ending is neither, or pyarrow is missing.
    """
    counted = _Counted(entries, path)
    if path.name.lower().endswith(PARQUET):
        write_parquet(path, _COLUMNS, map(dataclasses.asdict, counted))
        return counted.count
    with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8") as stream:
        for entry in counted:
            known = {name: value for name, value in dataclasses.asdict(entry).items() if value is not None}
            stream.write(json.dumps(known) + "\n")
    return counted.count


class _Counted:
    """Counts what passes, and refuses an empty manifest before it is put in place."""

    def __init__(self, entries: Iterable[Entry], path: Path) -> None:
        self._entries, self._path, self.count = entries, path, 0

    def __iter__(self) -> Iterator[Entry]:
        for entry in self._entries:
            if entry.fault is not None:
                raise DatasetError(entry.fault)
            self.count += 1
            yield entry
        if not self.count:
            raise DatasetError(f"{self._path}: there is no image to list")


class _Lines:
    """A manifest in JSON lines. Of every thousandth line the place is remembered."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._places = array("q")
        self.rows = 0
        content = hashlib.sha256()
        with path.open("rb") as stream:
            place = 0
            while line := stream.readline(_LONGEST_LINE):
                if self.rows % _STRIDE == 0:
                    self._places.append(place)
                self._check_end(line)
                content.update(line)
                place += len(line)
                self.rows += 1
        self.digest = content.hexdigest()[:16]

    def _check_end(self, line: bytes) -> None:
        # Only a line that was cut at the limit, or the last one, has no end.
        if len(line) == _LONGEST_LINE and not line.endswith(b"\n"):
            raise DatasetError(f"{self._path}: line {self.rows + 1} has more than {_LONGEST_LINE} bytes")

    def read(self, first: int, count: int) -> Iterator[Entry]:
        if first >= self.rows:
            return
        with self._path.open("rb") as stream:
            stream.seek(self._places[first // _STRIDE])
            for _ in range(first % _STRIDE):
                stream.readline()
            for number in range(first, min(first + count, self.rows)):
                yield _entry(_parsed(stream.readline()), str(self._path), number + 1)


class _Table:
    """A manifest in Parquet, or a table of images. One row group is held at a time, without the images."""

    def __init__(self, path: str, uri: str, source: str | IO[bytes], stream: IO[bytes]) -> None:
        need_pyarrow()
        from pyarrow import parquet

        self._path, self._uri = path, uri
        try:
            file = parquet.ParquetFile(source)
            # Texts that repeat are held once: decoded, a small file may fill any memory.
            texts = [name for name, kind in _flat_columns(file).items() if kind == "BYTE_ARRAY"]
            self._file = parquet.ParquetFile(source, metadata=file.metadata, read_dictionary=texts)
        except Exception as error:
            # A stream from storage raises the errors of its library.
            raise DatasetError(f"{path}: is no Parquet file, or is damaged ({error})") from error
        self._columns = list(_flat_columns(self._file))
        self._images = image_column(self._file)
        if "uri" not in self._columns and self._images is None:
            raise DatasetError(
                f"{path}: has no column `uri`, and no column `image` or `bytes` of encoded images, so it is "
                "no manifest"
            )
        self._starts = self._measure()
        self.rows = self._starts[-1]
        try:
            self.digest = _foot(stream, self.rows)
        except Exception as error:
            raise DatasetError(f"{path}: cannot be read ({error})") from error
        self._held: tuple[int, Any] = (-1, None)

    def _measure(self) -> list[int]:
        """Give the number of the first row of each row group, and at the end the number of all rows."""
        about, starts = self._file.metadata, [0]
        for number in range(about.num_row_groups):
            group = about.row_group(number)
            columns = (group.column(place) for place in range(group.num_columns))
            sizes = [one.total_uncompressed_size for one in columns if one.path_in_schema in self._columns]
            if min([group.num_rows, *sizes]) < 0:
                raise DatasetError(f"{self._path}: is damaged: row group {number} has a size below 0")
            if sum(sizes) > _LARGEST_GROUP or group.num_rows > _MOST_ROWS:
                raise DatasetError(
                    f"{self._path}: row group {number} has {sum(sizes) >> 20} MiB in {group.num_rows} rows; "
                    f"write it in smaller groups: parquet.write_table(table, path, row_group_size=10_000)"
                )
            if self._images is not None:
                check_group(self._file, number, self._images, self._path)
            starts.append(starts[-1] + group.num_rows)
        return starts

    def read(self, first: int, count: int) -> Iterator[Entry]:
        from bisect import bisect_right

        last = min(first + count, self.rows)
        while first < last:
            group = bisect_right(self._starts, first) - 1
            begin = first - self._starts[group]
            taken = min(last, self._starts[group + 1]) - first
            for row in self._rows(group, begin, taken):
                first += 1
                if self._images is None:
                    yield _entry(row, self._path, first)
                else:
                    yield _row_entry(row, self._uri, first - 1)

    def _rows(self, number: int, begin: int, count: int) -> list[dict[str, Any]]:
        """Give some rows of a row group, which is then held."""
        if not self._columns:
            return [{}] * count
        try:
            if self._held[0] != number:
                self._held = number, self._file.read_row_group(number, columns=self._columns)
            rows: list[dict[str, Any]] = self._held[1].slice(begin, count).to_pylist()
            if len(rows) != count:
                raise ValueError("it has fewer rows than it says")
        except Exception as error:
            # Arrow raises several errors, and a stream from storage those of its library.
            raise DatasetError(
                f"{self._path}: row group {number} is damaged or cannot be read ({error})"
            ) from error
        return rows


def _flat_columns(file: Any) -> dict[str, str]:
    """Give the columns that a manifest has, each with its physical type; lists and structures are none."""
    columns = (file.schema.column(place) for place in range(len(file.schema)))
    found = {column.path: str(column.physical_type) for column in columns}
    return {name: found[name] for name in _COLUMNS if name in found}


def _parsed(line: bytes) -> Mapping[str, Any]:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        row = None
    return row if isinstance(row, dict) else {}


def _entry(row: Mapping[str, Any], manifest: str, number: int) -> Entry:
    try:
        return read_entry(row, manifest, number)
    except DatasetError as error:
        # One row must not end the inspection of the others.
        return Entry(f"{manifest}, row {number}", fault=str(error))


def _row_entry(row: Mapping[str, Any], table: str, number: int) -> Entry:
    try:
        return row_entry(row, table, number)
    except DatasetError as error:
        return Entry(f"{table}#{number}", fault=str(error))


def _foot(stream: IO[bytes], rows: int) -> str:
    size = stream.seek(0, 2)
    stream.seek(max(0, size - _FOOT))
    digest = hashlib.sha256(f"{rows} {size} ".encode() + stream.read(_FOOT))
    return digest.hexdigest()[:16]

"""Images inside Parquet tables: encoded images in a column, read row after row."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from excision.errors import DatasetError, ImageError
from excision.storage.entry import Entry, local_path

COLUMNS = ("image", "bytes")
"""Columns that may hold encoded images, the first of them that does: bytes, or a structure with `bytes`."""

LARGEST_GROUP = 2**30
"""Bytes of the images of one row group: most programs write them as one page, which is read at once."""

_BUFFER = 2**20


def image_column(file: Any) -> str | None:
    """Give the path of the column that holds encoded images; None if the table has none.

    Args:
        file: `pyarrow.parquet.ParquetFile`.
    """
    from pyarrow import types

    schema = file.schema_arrow
    for name in COLUMNS:
        if schema.get_field_index(name) < 0:
            continue
        kind = schema.field(name).type
        if _is_binary(kind):
            return name
        # This is how the package `datasets` of Hugging Face stores an image.
        if (
            types.is_struct(kind)
            and kind.get_field_index("bytes") >= 0
            and _is_binary(kind.field("bytes").type)
        ):
            return f"{name}.bytes"
    return None


def _is_binary(kind: Any) -> bool:
    from pyarrow import types

    return bool(types.is_binary(kind) or types.is_large_binary(kind))


class TableRows:
    """Writes the images of rows to files. Rows that are asked for in order are read once."""

    def __init__(self) -> None:
        self._cursor: _Cursor | None = None

    def write(self, entry: Entry, target: Path) -> None:
        """Write the image of a row to a file.

        Raises:
            ImageError: the row holds no image, or the table cannot be read there.
            OSError: the file cannot be written.
        """
        assert entry.table is not None and entry.row is not None  # the caller asks for rows only
        where = f"{entry.table}, row {entry.row}"
        try:
            if self._cursor is None or self._cursor.place != entry.table:
                self._cursor = None
                self._cursor = _Cursor(entry.table)
            content = self._cursor.image(entry.row)
        except Exception as error:
            # Arrow raises several errors, and a stream from storage those of its library.
            raise ImageError(f"{where}: cannot be read ({error})") from error
        if content is None:
            raise ImageError(f"{where}: the column `{self._cursor.column}` holds no image")
        target.write_bytes(content)


class _Cursor:
    """An open table, and the row that comes next."""

    def __init__(self, place: str) -> None:
        from pyarrow import parquet

        self.place = place
        path = local_path(place)
        if path is None:
            from excision.storage.remote import open_remote

            source: Any = open_remote(place)
        else:
            source = str(path)
        self._file = parquet.ParquetFile(source, buffer_size=_BUFFER, pre_buffer=False)
        self.column = image_column(self._file) or ""
        self._starts = [0]
        for number in range(self._file.metadata.num_row_groups):
            check_group(self._file, number, self.column, place)
            self._starts.append(self._starts[-1] + self._file.metadata.row_group(number).num_rows)
        self._group, self._next = -1, 0
        self._rows: Iterator[Any] = iter(())
        self._damaged: dict[int, str] = {}

    def image(self, row: int) -> bytes | None:
        """Give the encoded image of a row; None if it has none."""
        if not 0 <= row < self._starts[-1] or not self.column:
            raise DatasetError(f"{self.place}: has no images, or no such row: it has changed")
        group = bisect_right(self._starts, row) - 1
        if group in self._damaged:
            raise DatasetError(self._damaged[group])
        try:
            if group != self._group or row < self._next:
                self._group, self._next = group, self._starts[group]
                # One row at a time: repeated values may take little space in the file, but much in memory.
                self._rows = self._file.iter_batches(
                    1, row_groups=[group], columns=[self.column], use_threads=False
                )
            while self._next < row:
                next(self._rows)
                self._next += 1
            batch = next(self._rows)
        except Exception as error:
            self._group = -1
            self._damaged[group] = f"row group {group} is damaged or cannot be read: {error}"
            raise DatasetError(self._damaged[group]) from error
        self._next += 1
        value = batch.column(0)[0].as_py()
        content: bytes | None = value.get("bytes") if isinstance(value, dict) else value
        return content


def check_group(file: Any, number: int, column: str, place: str) -> None:
    """Refuse a row group that would take too much memory.

    Raises:
        DatasetError: its images are too large together.
    """
    group = file.metadata.row_group(number)
    columns = (group.column(place) for place in range(group.num_columns))
    size = sum(one.total_uncompressed_size for one in columns if one.path_in_schema == column)
    if not 0 <= size <= LARGEST_GROUP:
        raise DatasetError(
            f"{place}: row group {number} has {size >> 20} MiB of images; write at most "
            f"{LARGEST_GROUP >> 20} in one: parquet.write_table(table, path, row_group_size=100)"
        )

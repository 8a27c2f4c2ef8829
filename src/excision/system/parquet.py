"""Tables in Parquet, written in row groups, so that memory does not grow with the table."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import NoneType
from typing import Any, Literal, get_args, get_origin, get_type_hints

from excision.errors import SettingsError
from excision.system.files import atomic_path

ROWS_IN_A_GROUP = 10_000

Columns = Mapping[str, str]
"""Each column with its kind: "text", "int", "bool", "float", "time", "boxes", "seconds" or "texts"."""


_KINDS = {
    str: "text",
    Literal: "text",
    int: "int",
    bool: "bool",
    float: "float",
    tuple: "boxes",
    dict: "seconds",
}


def columns_of(record: type, **kinds: str) -> dict[str, str]:
    """Give the columns of a dataclass: its fields in their order, each with the kind of its type.

    Args:
        record: dataclass; its tuples are boxes and its dicts are seconds by name.
        kinds: of fields whose type does not say enough, by name.
    """
    hints = get_type_hints(record)
    return {
        field.name: kinds.get(field.name) or _kind_of(hints[field.name])
        for field in dataclasses.fields(record)
    }


def _kind_of(hint: Any) -> str:
    plain = next(
        (part for part in get_args(hint) if NoneType in get_args(hint) and part is not NoneType), hint
    )
    return _KINDS[get_origin(plain) or plain]


def need_pyarrow() -> None:
    """Check before any long work that Parquet can be written.

    Raises:
        SettingsError: pyarrow is missing.
    """
    from importlib.util import find_spec

    if find_spec("pyarrow") is None:
        raise SettingsError('Parquet needs pyarrow; install it with: pip install "excision[parquet]"')


def write_parquet(path: Path, columns: Columns, rows: Iterable[Mapping[str, Any]]) -> int:
    """Write rows to a file, atomically.

    Kinds of columns: "text" is a string, "int" an int64, "bool" a boolean, "float" a float64, "time" a
    timestamp in microseconds in UTC (given in seconds since 1970), "boxes" a list of structs x, y, width,
    height of int32 (given as tuples of four), "seconds" a map from string to float64 (given as a dict),
    "texts" a list of strings. All may be null.

    Args:
        path: file to write.
        columns: names and kinds.
        rows: values by name.

    Returns:
        The number of rows.

    Raises:
        SettingsError: pyarrow is missing.
    """
    with atomic_path(path) as temporary:
        return fill_parquet(temporary, columns, rows)


def fill_parquet(path: Path, columns: Columns, rows: Iterable[Mapping[str, Any]]) -> int:
    """Write rows as `write_parquet` does, to a path that its caller puts in place.

    Raises:
        SettingsError: pyarrow is missing.
    """
    need_pyarrow()
    import pyarrow as pa
    from pyarrow import parquet

    schema = pa.schema([(name, _types()[kind]) for name, kind in columns.items()])
    remaining, count = iter(rows), 0
    with parquet.ParquetWriter(path, schema) as writer:
        while group := list(itertools.islice(remaining, ROWS_IN_A_GROUP)):
            values = {name: [_value(kind, row[name]) for row in group] for name, kind in columns.items()}
            writer.write_table(pa.table(values, schema=schema))
            count += len(group)
    return count


def _types() -> dict[str, Any]:
    import pyarrow as pa

    box = pa.struct([(name, pa.int32()) for name in ("x", "y", "width", "height")])
    return {
        "text": pa.string(),
        "int": pa.int64(),
        "bool": pa.bool_(),
        "float": pa.float64(),
        "time": pa.timestamp("us", tz="UTC"),
        "boxes": pa.list_(box),
        "seconds": pa.map_(pa.string(), pa.float64()),
        "texts": pa.list_(pa.string()),
    }


def _value(kind: str, value: Any) -> Any:
    if value is None:
        return None
    if kind == "text":
        return _as_text(value)
    if kind == "texts":
        return [_as_text(text) for text in value]
    if kind == "time":
        return round(value * 1e6)
    if kind == "boxes":
        return [dict(zip(("x", "y", "width", "height"), box, strict=True)) for box in value]
    return list(value.items()) if kind == "seconds" else value


def _as_text(value: Any) -> str:
    # A file name may not be valid text, but strings in Parquet must be.
    return str(value).encode("utf-8", errors="backslashreplace").decode("utf-8")

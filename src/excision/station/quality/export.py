"""Tables of the pages as files: CSV, Excel, JSON lines or Parquet, with flat memory."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal, get_args

from excision.system.csv_rows import csv_row
from excision.system.excel import write_excel
from excision.system.files import atomic_path
from excision.system.parquet import write_parquet

Form = Literal["csv", "xlsx", "jsonl", "parquet"]
FORMS: tuple[Form, ...] = get_args(Form)

TYPES: Mapping[str, str] = {
    "csv": "text/csv; charset=utf-8",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "jsonl": "application/jsonl",
    "parquet": "application/vnd.apache.parquet",
}
"""Media type of each form."""


def write_rows(path: Path, form: Form, columns: Mapping[str, str], rows: Iterable[Mapping[str, Any]]) -> int:
    """Write rows as a file that takes its place once it is whole, and give their number.

    Times are seconds since 1970 in CSV and JSON lines, and dates in Excel and Parquet. What is no text and no
    number, such as boxes, is JSON in CSV and Excel. No text is a formula to a spreadsheet.

    Args:
        path: file to write.
        form: of the file.
        columns: names with their kinds, as `write_parquet` knows them.
        rows: values by name.

    Raises:
        SettingsError: the library that the form needs is missing.
    """
    if form == "parquet":
        return write_parquet(path, columns, rows)
    if form == "xlsx":
        return write_excel(path, columns, (_flat(row, columns) for row in rows))
    count = 0
    with atomic_path(path) as temporary, temporary.open("wb") as stream:
        if form == "csv":
            stream.write((",".join(columns) + "\n").encode())
        for row in rows:
            count += 1
            stream.write(row_line(row, columns, form))
    return count


def row_line(row: Mapping[str, Any], columns: Mapping[str, str], form: Literal["csv", "jsonl"]) -> bytes:
    """Give the line of a row, with its end."""
    if form == "csv":
        line = csv_row(_flat(row, columns).values())
    else:
        line = json.dumps({name: row[name] for name in columns}, ensure_ascii=False) + "\n"
    return line.encode("utf-8", errors="backslashreplace")


def _flat(row: Mapping[str, Any], columns: Mapping[str, str]) -> dict[str, Any]:
    return {name: _cell(row[name], kind) for name, kind in columns.items()}


def _cell(value: Any, kind: str) -> Any:
    if kind == "texts" and value is not None:
        return "; ".join(value)
    return json.dumps(value) if isinstance(value, dict | list | tuple) else value

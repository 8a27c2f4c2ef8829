"""The parts of a station as a table."""

from __future__ import annotations

from dataclasses import asdict

from excision.station.parts.rows import Part, closed_parts
from excision.station.quality.export import row_line, write_rows
from excision.station.store.tables import FollowingTable, LineFormat

PART_COLUMNS = {
    "id": "int",
    "time": "time",
    "serial": "text",
    "lot": "text",
    "recipe": "text",
    "verdict": "text",
    "reason": "text",
    "expected": "texts",
    "closed": "time",
}
"""Columns of a part, each with its kind in Parquet (see `write_parquet`)."""


class LivePartTable(FollowingTable[Part]):
    """The parts of a store as they get their verdicts."""

    def _write(self) -> None:
        write_rows(self._path, self._form, PART_COLUMNS, map(asdict, closed_parts(self._store)))

    def _line(self, row: Part, form: LineFormat) -> bytes:
        return row_line(asdict(row), PART_COLUMNS, form)

"""Tables of a station's results say what the store says."""

from __future__ import annotations

import csv
import dataclasses
import json
import re
import sqlite3
import tracemalloc
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from excision.inspection.table import COLUMNS as INSPECTION_COLUMNS
from excision.station.store.query import Query
from excision.station.store.records import Label, StoredResult
from excision.station.store.store import Store
from excision.station.store.tables import COLUMNS, Format, LiveTable, write_table
from tests.station.test_store import FAILED, GOOD

FORMATS: tuple[Format, ...] = ("csv", "jsonl", "parquet")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store(tmp_path / "results.sqlite")
    store.add(
        [
            GOOD,
            replace(FAILED, source="in/\udcff\nb.png"),
            replace(GOOD, file_size=9, verdict="unfit", unfit=("too dark", "=out of focus"), p_value=1 / 81),
        ]
    )
    return store


def read(path: Path, form: Format) -> list[dict[str, Any]]:
    """Read a table by means that know nothing of how it was written."""
    if form == "jsonl":
        return [json.loads(line) for line in path.read_text("utf-8").split("\n")[:-1]]
    if form == "csv":
        with path.open(encoding="utf-8", newline="") as stream:
            return list(csv.DictReader(stream))
    from pyarrow import parquet

    rows: list[dict[str, Any]] = parquet.read_table(path).to_pylist()
    return rows


def told(result: StoredResult, form: Format) -> dict[str, Any]:
    values = {name: getattr(result, name) for name in COLUMNS}
    if form == "jsonl":
        return {**values, "boxes": [list(box) for box in result.boxes], "unfit": list(result.unfit)}
    if form == "csv":
        values |= {name: json.dumps(values[name]) for name in ("boxes", "seconds", "image_statistics")}
        values |= {"unfit": "; ".join(result.unfit)}
        return {name: "" if value is None else str(value) for name, value in values.items()}
    import datetime

    boxes = [dict(zip(("x", "y", "width", "height"), box, strict=True)) for box in result.boxes]
    time = datetime.datetime.fromtimestamp(result.time, datetime.UTC)
    maps = {name: list(values[name].items()) for name in ("seconds", "image_statistics")}
    return {**values, **maps, "boxes": boxes, "time": time, "unfit": list(result.unfit)}


def test_columns_are_the_fields_of_a_result() -> None:
    """A change here is a change for everybody who reads a table: say so in the change log."""
    assert COLUMNS == {
        "id": "int",
        "time": "time",
        "source": "text",
        "model": "text",
        "model_version": "text",
        "threshold": "float",
        "review_threshold": "float",
        "score": "float",
        "verdict": "text",
        "error": "text",
        "defect_area_share": "float",
        "boxes": "boxes",
        "seconds": "seconds",
        "width": "int",
        "height": "int",
        "image": "text",
        "file_size": "int",
        "file_mtime_ns": "int",
        "p_value": "float",
        "unfit": "texts",
        "image_statistics": "seconds",
        "serial": "text",
        "lot": "text",
        "recipe": "text",
        "station": "text",
        "view": "text",
        "part": "int",
        "strip": "int",
        "strip_row": "int",
        "strip_row_mm": "float",
    }
    assert next(iter(COLUMNS)) == "id"
    assert list(COLUMNS) == [
        "id",
        *(field.name for field in dataclasses.fields(StoredResult) if field.name != "id"),
    ]


def test_columns_of_an_inspection_are_those_of_its_record() -> None:
    assert INSPECTION_COLUMNS == {
        "image": "text",
        "score": "float",
        "threshold": "float",
        "verdict": "text",
        "defect_area_share": "float",
        "boxes": "boxes",
        "seconds": "float",
        "overlay": "text",
        "error": "text",
        "p_value": "float",
        "unfit": "texts",
        "image_statistics": "seconds",
    }


@pytest.mark.parametrize("form", FORMATS)
def test_a_table_says_what_the_store_says(store: Store, tmp_path: Path, form: Format) -> None:
    assert write_table(store, tmp_path / f"all.{form}", form) == 3
    assert read(tmp_path / f"all.{form}", form) == [told(result, form) for result in store.walk(Query())]
    assert write_table(store, tmp_path / f"some.{form}", form, Query(verdict="failed")) == 1
    (row,) = read(tmp_path / f"some.{form}", form)
    assert row["source"] == "in/\\xff\nb.png"


@pytest.mark.parametrize("form", FORMATS)
def test_a_live_table_is_the_table_in_the_end(store: Store, tmp_path: Path, form: Format) -> None:
    path = tmp_path / f"live.{form}"
    with LiveTable(store, path, form) as table:
        result = replace(GOOD, source="in/new.png")
        (number,) = store.add([result])
        assert number is not None
        table.add(replace(result, id=number))
        assert len(read(path, form)) == (3 if form == "parquet" else 4)
    write_table(store, tmp_path / f"whole.{form}", form)
    assert read(path, form) == read(tmp_path / f"whole.{form}", form)


@pytest.mark.parametrize("form", FORMATS)
def test_memory_does_not_grow_with_the_table(
    tmp_path: Path, form: Format, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("excision.system.parquet.ROWS_IN_A_GROUP", 100)
    monkeypatch.setattr("excision.station.store.reading._PAGE", 100)
    store = Store(tmp_path / "results.sqlite")
    peaks = []
    write_table(store, tmp_path / f"warm.{form}", form)
    for count in (600, 1800):
        store.add([replace(GOOD, file_size=count, file_mtime_ns=number) for number in range(count)])
        tracemalloc.start()
        write_table(store, tmp_path / f"{count}.{form}", form)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.5 * peaks[0]


DOCUMENT = (Path(__file__).parents[2] / "docs" / "station" / "database.md").read_text("utf-8")


def test_the_document_names_every_column(store: Store) -> None:
    with sqlite3.connect(store.path) as connection:
        for table in ("results", "labels", "parts", "events", "tally", "lots", "removals", "users", "alarms"):
            _, _, after = DOCUMENT.partition(f"\n`{table}`, ")
            described = after.partition("\n\n|")[2].partition("\n\n")[0]
            names = {row[1] for row in connection.execute(f"PRAGMA table_info({table})")}
            cells = [row.split("|")[0 if row[0] != "|" else 1] for row in described.splitlines()[2:]]
            assert {name for cell in cells for name in re.findall(r"`(\w+)`", cell)} == names
    connection.close()


def test_the_queries_of_the_document_work(store: Store) -> None:
    store.add([replace(GOOD, time=86400.0 * 2, source="in/defect.png", verdict="defect")])
    store.label(4, Label("defect", "Ada", "", 1.0))
    store.label(4, Label("good", "Bo", "dust", 2.0))
    a_day, false_alarms = re.findall(r"```sql\n(.*?)```", DOCUMENT, flags=re.DOTALL)
    with sqlite3.connect(store.path) as connection:
        assert connection.execute(a_day).fetchall() == [
            ("1970-01-01", "failed", 1),
            ("1970-01-01", "good", 1),
            ("1970-01-01", "unfit", 1),
            ("1970-01-03", "defect", 1),
        ]
        assert connection.execute(false_alarms).fetchall() == [(4, "in/defect.png", 0.5, "Bo", "dust")]
    connection.close()

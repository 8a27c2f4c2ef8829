"""Tables of a station's results say what the store says."""

from __future__ import annotations

import csv
import dataclasses
import json
import tracemalloc
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from excision.station.store import Query, Result, Store
from excision.station.tables import COLUMNS, Format, LiveTable, write_table
from tests.station.test_store import FAILED, GOOD

FORMATS: tuple[Format, ...] = ("csv", "jsonl", "parquet")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store(tmp_path / "results.sqlite")
    store.add(
        [GOOD, replace(FAILED, source="in/\udcff\nb.png"), replace(GOOD, file_size=9, verdict="review")]
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


def told(result: Result, form: Format) -> dict[str, Any]:
    values = {name: getattr(result, name) for name in COLUMNS}
    if form == "jsonl":
        return {**values, "boxes": [list(box) for box in result.boxes]}
    if form == "csv":
        values |= {"boxes": json.dumps(result.boxes), "seconds": json.dumps(result.seconds)}
        return {name: "" if value is None else str(value) for name, value in values.items()}
    import datetime

    boxes = [dict(zip(("x", "y", "width", "height"), box, strict=True)) for box in result.boxes]
    time = datetime.datetime.fromtimestamp(result.time, datetime.UTC)
    return {**values, "boxes": boxes, "seconds": list(result.seconds.items()), "time": time}


def test_columns_are_the_fields_of_a_result() -> None:
    assert set(COLUMNS) == {field.name for field in dataclasses.fields(Result)}


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
    monkeypatch.setattr("excision.parquet.ROWS_IN_A_GROUP", 500)
    store = Store(tmp_path / "results.sqlite")
    peaks = []
    write_table(store, tmp_path / f"warm.{form}", form)
    for count in (1500, 6000):
        store.add([replace(GOOD, file_size=count, file_mtime_ns=number) for number in range(count)])
        tracemalloc.start()
        write_table(store, tmp_path / f"{count}.{form}", form)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.5 * peaks[0]

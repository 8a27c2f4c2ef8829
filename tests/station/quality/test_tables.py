"""Every table of the pages as a file, read back by programs that know nothing of how it was written."""

from __future__ import annotations

import csv
import json
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from excision.station.quality.export import Form, write_rows
from excision.station.work.tables import remove_tables
from excision.system.excel import write_excel

openpyxl = pytest.importorskip("openpyxl")

COLUMNS = {"name": "text", "time": "time", "count": "int", "share": "float", "ok": "bool", "boxes": "boxes"}
EVIL = ("=1+1", "+1", "-1", "@SUM(A1)", "\t=1", '=HYPERLINK("http://x")', "http://a.example", "{=1}", "'=1")
ODD = ("", "é\u2028", "a\x01b\x1d", "in/\udcff.png", "x" * 40_000, "<&>\"'", "_x0041_", "00123", "1e5")


def row(name: str, **fields: Any) -> dict[str, Any]:
    known = {"time": 1_772_438_400.25, "count": 3, "share": 0.125, "ok": True, "boxes": ((1, 2, 3, 4),)}
    return {"name": name, **known, **fields}


def read(path: Path) -> list[list[Any]]:
    book = openpyxl.load_workbook(path)
    return [[cell.value for cell in cells] for sheet in book.worksheets for cells in sheet.iter_rows()]


def test_a_workbook_says_what_it_was_given_and_runs_nothing(tmp_path: Path) -> None:
    rows = [row(name) for name in (*EVIL, *ODD)]
    assert write_rows(tmp_path / "t.xlsx", "xlsx", COLUMNS, rows) == len(rows)
    book = openpyxl.load_workbook(tmp_path / "t.xlsx")
    cells = list(book.active.iter_rows(min_row=2))
    assert {cell.data_type for line in cells for cell in line} <= {"s", "n", "d", "b", "inlineStr"}
    assert not any(cell.hyperlink for line in cells for cell in line)
    names = [line[0].value for line in cells]
    for given, found in zip((*EVIL, *ODD), names, strict=True):
        if len(given) > 32_767:
            assert found.endswith("(cut)") and len(found) == 32_767
        else:
            assert openpyxl.utils.escape.unescape(found) == (
                given.encode("utf-8", "backslashreplace").decode()
            )
    first = [cell.value for cell in cells[0][1:]]
    assert first[0].isoformat() == "2026-03-02T08:00:00.250000"
    assert first[1:] == [3, 0.125, True, "[[1, 2, 3, 4]]"]
    head = [cell.value for cell in next(book.active.iter_rows(max_row=1))]
    assert head == ["name", "time (UTC)", "count", "share", "ok", "boxes"]


def test_numbers_that_a_cell_cannot_hold_are_text(tmp_path: Path) -> None:
    rows = [row("a", count=2**62, share=float("inf"), time=1e18), row("b", count=None, share=None, ok=None)]
    write_excel(tmp_path / "t.xlsx", COLUMNS, rows)
    found = read(tmp_path / "t.xlsx")
    assert found[1][1:4] == ["1e+18", str(2**62), "inf"]
    assert found[2][2:5] == [None, None, None]


def test_a_large_table_goes_on_in_further_sheets_and_memory_stays_flat(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("excision.system.excel.ROWS_IN_A_SHEET", 300)
    peaks = []
    for count in (600, 500, 1800):
        tracemalloc.start()
        write_rows(tmp_path / "t.xlsx", "xlsx", COLUMNS, (row(f"n{place}") for place in range(count)))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[2] < 1.5 * peaks[1]
    found = read(tmp_path / "t.xlsx")
    assert [cells[0] for cells in found if cells[0] != "name"] == [f"n{place}" for place in range(1800)]
    assert sum(cells[0] == "name" for cells in found) == 6


def test_other_forms_say_the_same(tmp_path: Path) -> None:
    rows = [row(name) for name in (*EVIL, "plain")]
    forms: tuple[Form, ...] = ("csv", "jsonl", "parquet")
    for form in forms:
        assert write_rows(tmp_path / f"t.{form}", form, COLUMNS, rows) == len(rows)
    with (tmp_path / "t.csv").open(newline="", encoding="utf-8") as stream:
        cells = list(csv.DictReader(stream))
    # A text that is a number stays one.
    texts = [cell["name"] for cell in cells if cell["name"] not in ("+1", "-1")]
    assert not any(text.startswith(("=", "+", "-", "@", "\t")) for text in texts)
    assert cells[-1]["name"] == "plain" and json.loads(cells[-1]["boxes"]) == [[1, 2, 3, 4]]
    lines = [json.loads(line) for line in (tmp_path / "t.jsonl").read_text("utf-8").splitlines()]
    assert [line["name"] for line in lines] == [*EVIL, "plain"]
    from pyarrow import parquet

    assert parquet.read_table(tmp_path / "t.parquet").column("name").to_pylist() == [*EVIL, "plain"]


def test_an_export_that_fails_leaves_nothing(tmp_path: Path) -> None:
    def broken() -> Any:
        yield row("a")
        raise OSError("the disk is full")

    forms: tuple[Form, ...] = ("csv", "xlsx", "parquet")
    for form in forms:
        with pytest.raises(OSError, match="disk"):
            write_rows(tmp_path / f"t.{form}", form, COLUMNS, broken())
    assert list(tmp_path.iterdir()) == []


def test_tables_that_a_killed_station_left_are_removed(tmp_path: Path) -> None:
    for name in (".table-abc", "..table-abc.x.tmp", "results.sqlite"):
        (tmp_path / name).write_text("x")
    remove_tables(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["results.sqlite"]

"""Part files: what is written is read back, and what is damaged is never taken for results."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import polars
import pytest

from excision.cluster.parts import PartRow, finished_parts, read_part, write_part
from excision.cluster.plan import Form
from excision.errors import ResultsError
from excision.inspection.log import InspectionRecord
from excision.storage.folder import LocalFolder
from tests.cluster.test_plan import plan

ROWS = [
    PartRow(
        InspectionRecord(
            "a/ä.png",
            1.5,
            1.25,
            "defect",
            0.1,
            ((1, 2, 3, 4), (5, 6, 7, 8)),
            0.02,
            "overlays/a.png",
            None,
            0.01,
        ),
        "strip 1",
        "S-17",
    ),
    PartRow(InspectionRecord("b\n.png", None, 1.25, None, None, (), 0.0, None, "b: no such file")),
    PartRow(
        InspectionRecord(
            "c.png",
            0.1,
            1.25,
            "unfit",
            0.0,
            (),
            0.5,
            None,
            None,
            None,
            ("out of focus", "dark"),
            {"mean": 0.5},
        )
    ),
]


@pytest.fixture(params=["jsonl", "parquet"])
def form(request: pytest.FixtureRequest) -> Form:
    return request.param  # type: ignore[no-any-return]


def test_rows_are_read_back(form: Form, tmp_path: Path) -> None:
    folder, three = LocalFolder(tmp_path), plan(11, 8, form=form)
    write_part(folder, three, 1, ROWS)
    assert finished_parts(folder, three) == {1}
    assert list(read_part(folder, three, 1)) == ROWS
    assert [path.name for path in (tmp_path / "parts").iterdir()] == [f"part-000001.{form}"]


def test_other_programs_read_parquet(tmp_path: Path) -> None:
    folder = LocalFolder(tmp_path)
    for part in range(2):
        write_part(folder, plan(6, 3, form="parquet"), part, ROWS)
    table = polars.read_parquet(tmp_path / "parts" / "*.parquet")
    assert table["score"].to_list() == [1.5, None, 0.1] * 2
    assert table.columns[-2:] == ["group", "serial"]
    names = [field.name for field in dataclasses.fields(InspectionRecord)]
    assert table.columns[:-2] == names


def test_a_damaged_part_is_named(form: Form, tmp_path: Path) -> None:
    folder, three = LocalFolder(tmp_path), plan(3, 3, form=form)
    write_part(folder, three, 0, ROWS)
    path = tmp_path / three.name(0)
    whole = path.read_bytes()
    for content in (b"", whole[: len(whole) // 2], b"x" * 40, b"{}\n" * 3, b"[1]\n" * 3):
        path.write_bytes(content)
        with pytest.raises(ResultsError, match=r"part-000000\..*run again"):
            list(read_part(folder, three, 0))


def test_a_part_has_a_row_for_each_image(form: Form, tmp_path: Path) -> None:
    folder, three = LocalFolder(tmp_path), plan(3, 3, form=form)
    write_part(folder, three, 0, ROWS[:2])
    with pytest.raises(ResultsError, match="2 rows for 3 images"):
        list(read_part(folder, three, 0))


def test_what_a_killed_process_left_is_no_part(tmp_path: Path) -> None:
    folder = LocalFolder(tmp_path)
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / ".part-000000-abc.jsonl").write_text("{")
    assert finished_parts(folder, plan()) == set()
    folder.tidy("parts")
    assert len(list((tmp_path / "parts").iterdir())) == 1, "it may be written at this moment"

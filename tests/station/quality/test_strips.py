"""Strips of line-scan cameras: a defect on a seam is one, by its place, and each length has one verdict."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from excision.cameras.folder import FolderSettings
from excision.errors import DamagedError
from excision.predictions import Box
from excision.station.line.settings import LineSettings
from excision.station.parts.strips import Strip, defect_rows, defects, images, length_rows, strips
from excision.station.store.query import Query
from excision.station.store.records import StoredResult
from excision.station.store.store import Store
from tests.station.conftest import Start
from tests.station.lines import Listener, running
from tests.station.test_store import FAILED, GOOD

BEGAN = 1_700_000_000_000_000
PATCH = 100  # rows of an image, of which neighbours share 20


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "results.sqlite")


def image(row: int, *boxes: Box, verdict: Any = None, **fields: Any) -> StoredResult:
    """A result of an image of a strip: "defect" where it has boxes."""
    blank = FAILED if fields.pop("failed", False) else GOOD
    if blank is GOOD:
        fields |= {"verdict": verdict or ("defect" if boxes else "good"), "boxes": boxes}
    fields = {"view": "web", "strip": BEGAN, "height": PATCH, "strip_row_mm": 0.5, **fields}
    return replace(blank, source=f"{row} {fields}", strip_row=row, **fields)


def test_a_defect_on_a_seam_is_one(store: Store) -> None:
    store.add(
        [
            # Out of order, as several workers store them; a scratch through three images and a pit in one.
            image(80, (4, 0, 3, 100), (30, 50, 2, 2), score=7.0),
            image(0, (4, 85, 3, 15), score=5.0, verdict="review"),
            image(160, (5, 0, 3, 30)),
            image(240),
            image(320, (4, 0, 3, 9), verdict="unfit", unfit=("too dark",)),
            image(0, (1, 1, 1, 1), strip=BEGAN + 1),
            image(0, (1, 1, 1, 1), view="back"),
        ]
    )
    found = list(defects(images(store, Strip("web", BEGAN, False))))
    assert sorted((one.box, one.verdict, one.results) for one in found) == [
        ((4, 80, 4, 110), "defect", (1, 2, 3)),
        ((30, 130, 2, 2), "defect", (1,)),
    ]
    assert max(one.score for one in found) == 7.0
    rows = [row for row in defect_rows(store) if row["strip"] == BEGAN / 1e6 and row["view"] == "web"]
    (scratch,) = [row for row in rows if row["first_column"] == 4]
    assert (scratch["first_row"], scratch["last_row"]) == (80, 189)
    assert (scratch["start_mm"], scratch["end_mm"], scratch["results"]) == (40.0, 95.0, "1 2 3")
    assert [(one.view, one.began, one.is_latest) for one in strips(store)] == [
        ("web", BEGAN + 1, True),
        ("back", BEGAN, True),
        ("web", BEGAN, False),
    ]


def test_the_last_images_of_a_long_strip(store: Store) -> None:
    store.add([image(80 * number, (1, 50, 2, 2)) for number in range(1200)])
    strip = Strip("web", BEGAN, True)
    assert [one.row for one in images(store, strip)] == [80 * number for number in range(1200)]
    assert [one.row for one in images(store, strip, newest=3)] == [
        80 * number for number in (1197, 1198, 1199)
    ]
    assert [one.row for one in images(store, strip, newest=5000)] == [80 * number for number in range(1200)]
    assert sum(1 for _ in defects(images(store, strip))) == 1200


def test_each_length_has_a_verdict_and_is_never_good_with_rows_missing(store: Store) -> None:
    store.add(
        [
            image(0),
            image(80),  # to 179; the length ends with row 199
            image(160, (3, 35, 2, 10)),  # rows 195 to 204: a defect of both lengths
            image(240),
            image(320),  # to 419
            image(460),  # 40 rows are missing
            image(540),
            image(620, failed=True),
            image(700),
            image(780),
        ]
    )
    found = list(length_rows(store, {"web": 200, "other": 10}))
    assert [(row["number"], row["verdict"], row["defects"], row["missing_rows"]) for row in found] == [
        (1, "defect", 1, 0),
        (2, "defect", 1, 0),
        (3, "fault", 0, 40),
        (4, "fault", 0, 0),
        (5, None, 0, 0),
    ]
    assert (found[0]["first_row"], found[0]["last_row"], found[0]["end_mm"]) == (0, 199, 100.0)
    assert found[4]["last_row"] == 879
    # Once another strip has begun, the last length has its verdict too.
    store.add([image(0, strip=BEGAN + 1)])
    assert [row["verdict"] for row in length_rows(store, {"web": 200}) if row["strip"] == BEGAN / 1e6][
        -1
    ] == "good"
    assert list(length_rows(store, {})) == []


def test_damaged_boxes_are_said_to_be_damage(store: Store) -> None:
    store.add([image(0, (4, 85, 3, 15)), image(80)])
    for damage in ("x", "7", "[[1, 2]]", "[[1, 2, 3, null]]"):
        with store.transaction() as connection:
            connection.execute("UPDATE results SET boxes = ? WHERE id = 1", (damage,))
        with pytest.raises(DamagedError, match="result 1 is damaged"):
            list(defect_rows(store))


class _Growing(Store):
    """A store that gets another image once a reader has seen all there are, as that of a running station."""

    has_grown = False

    def rows(self, statement: str, values: Any = ()) -> Any:
        found = super().rows(statement, values)
        if not found and not self.has_grown:
            self.has_grown = True
            self.add([image(900, (1, 1, 1, 1))])
        return found


def test_lengths_are_read_while_images_come(tmp_path: Path) -> None:
    store = _Growing(tmp_path / "results.sqlite")
    store.add([image(0, (4, 85, 3, 15)), image(80)])
    (first,) = length_rows(store, {"web": 200})
    assert (first["number"], first["last_row"], first["defects"]) == (1, 179, 1)
    assert store.has_grown
    assert [row["number"] for row in length_rows(store, {"web": 200})] == [1, 2, 3, 4, 5]


def test_a_line_keeps_and_reports_where_in_the_strip_an_image_lies(line: Path, tmp_path: Path) -> None:
    chance = np.random.default_rng(0)
    (tmp_path / "web").mkdir()
    for number in range(6):
        Image.fromarray(chance.integers(100, 110, (40, 64), np.uint8)).save(
            tmp_path / "web" / f"{number}.png"
        )
    camera = FolderSettings(path=tmp_path / "web", strip_height=64, strip_overlap=16, strip_row_mm=0.1).open(
        "web"
    )
    listener = Listener()
    settings = LineSettings(deadline=120.0, self_triggered=("web",))
    with running(tmp_path / "data", line, [camera], [listener], settings):
        reports = listener.wait(5)
    # 240 rows: the last image reaches back.
    assert sorted(report.strip_row or 0 for report in reports) == [0, 48, 96, 144, 176]
    (began,) = {report.strip for report in reports}
    assert {report.strip_row_mm for report in reports} == {0.1}
    assert reports[0].to_json()["strip"] == began
    store = Store(tmp_path / "data" / "results.sqlite")
    kept = {result.id: (result.strip, result.strip_row, result.view) for result in store.walk(Query())}
    assert kept == {report.result: (began, report.strip_row, "web") for report in reports}
    assert [each.row + each.rows for each in images(store, Strip("web", began or 0, True))][-1] == 240


def test_the_pages_show_the_place_and_give_the_tables(line: Path, tmp_path: Path, start: Start) -> None:
    data = tmp_path / "station"
    kept = Store(data / "results.sqlite")
    kept.add([image(0, (4, 85, 3, 15)), image(80, (4, 0, 3, 10))])
    kept.close()
    file = tmp_path / "station.toml"
    file.write_text(
        f'[station]\ndata = "{data}"\n[models.fabric]\nfolder = "{line}"\n[cameras.web]\nkind = "folder"\n'
        f'path = "{tmp_path}"\nstrip_height = 100\nstrip_length = 90\n',
        "utf-8",
    )
    service = start("--file", file)
    status, _, page = service.ask("GET", "/quality")
    assert status == 200
    assert "Strip of web" in page.decode()
    assert "80\u201399" in page.decode()
    assert "40.0\u201350.0" in page.decode()
    _, _, shown = service.ask("GET", "/review?id=2")
    assert "from row 80" in shown.decode()
    _, _, table = service.ask("GET", "/quality/strip_defects.csv")
    (row,) = csv.DictReader(io.StringIO(table.decode()))
    assert (row["first_row"], row["last_row"], row["results"]) == ("80", "99", "1 2")
    _, _, table = service.ask("GET", "/quality/strip_lengths.csv")
    assert [row["verdict"] for row in csv.DictReader(io.StringIO(table.decode()))] == ["defect"] * 2
    assert service.client.result(1).strip_row == 0

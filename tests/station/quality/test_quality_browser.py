"""The page Quality, parts by their codes, classes of defects and the hand-over sheet, in a real browser."""

from __future__ import annotations

import io
import json
import re
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from excision.station.store.records import StoredResult
from excision.station.store.store import Store
from tests.browser import bars_nobody, findings, opened
from tests.station.conftest import Service, begin, end
from tests.station.lines import until
from tests.station.parts.pictures import with_code

pytest.importorskip("zxingcpp")

FILE = """
[station]
name = "press 3"
[models.front]
folder = "{model}"
[models.back]
folder = "{model}"
[parts]
views = ["top", "side"]
timeout = "2 s"
code = "DataMatrix"
code_views = ["top"]
[defects]
classes = ["scratch", "dent"]
[[shifts.shift]]
name = "all day"
start = "00:00"
end = "00:00"
"""


@pytest.fixture(scope="module")
def plant(line: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A station with a file: two models, parts of two views, classes, shifts; results of three days."""
    folder = tmp_path_factory.mktemp("plant")
    path = folder / "station.toml"
    path.write_text(FILE.format(model=line))
    data = folder / "data"
    store, now = Store(data / "results.sqlite"), time.time()
    blank = StoredResult(now, "x", "front", "3f9c1a7d52be", 20.0, score=10.0, verdict="good", lot="L1")
    store.add(
        [
            replace(
                blank,
                time=now - 600.0 * place,
                source=f"=old{place}",
                model="front" if place % 3 else "back",
                verdict="defect" if place % 11 == 0 else "good",
                score=10.0 + place % 7,
                lot=f"L{place // 100}",
                view=("top", "side")[place % 2],
            )
            for place in range(430, 0, -1)
        ]
    )
    store.close()
    found = begin("--file", data, path)
    yield found
    end(found)


def test_a_part_of_two_views_is_named_by_its_code(plant: Service) -> None:
    client = plant.client
    for number in range(20):
        begun, serial = time.monotonic(), f"A-{4711 + number}"
        top = client.inspect(with_code(serial, 1), view="top", lot="L9")
        assert (top.serial, top.station) == (serial, "press 3")
        side = client.inspect(with_code(None, 2), view="side", serial=serial)
        # On a busy machine the part may have had its verdict before.
        if time.monotonic() - begun < 2:
            break
    assert side.part == top.part is not None
    unread = client.inspect(with_code(None, 3), view="top")

    def verdicts() -> dict[int, dict[str, Any]]:
        with closing(Store(plant.data / "results.sqlite")) as store:
            return {row["id"]: dict(row) for row in store.rows("SELECT * FROM parts")}

    until(lambda: all(part["verdict"] for part in verdicts().values()))
    parts = verdicts()
    assert top.part is not None and unread.part is not None
    assert parts[top.part]["serial"] == serial
    assert parts[top.part]["verdict"] not in (None, "fault")
    assert parts[unread.part]["verdict"] in ("fault", "defect")
    assert "no code found (DataMatrix)" in parts[unread.part]["reason"]
    assert "no picture of side came in time" in parts[unread.part]["reason"]
    status, _, _ = plant.ask("GET", f"/review?part={top.part}")
    assert status == 200


def test_classes_are_those_of_the_file_and_a_label_can_be_taken_back(browser: Any, plant: Service) -> None:
    with opened(browser, plant.url + "/review?verdict=defect&lot=L0", width=1280, height=900) as page:
        page.locator("#who").fill("Ada")
        page.locator("#kind").select_option("dent")
        page.locator("#label-defect").click()
        page.locator(".labels strong", has_text="dent").wait_for()
        assert findings(page) == []
        page.get_by_role("button", name=re.compile("^Withdraw")).first.click()
        dialog = page.locator("dialog[open]")
        dialog.locator("input[name=who]").fill("Bo")
        dialog.get_by_role("button", name="Withdraw it").click()
        page.get_by_text("Withdrawn by Bo").wait_for()
        assert "lot=L0" in page.url
        number = int(re.findall(r"id=(\d+)", page.url)[0])
    status, refused = plant.json(
        "POST", f"/v1/results/{number}/labels", {"truth": "defect", "who": "Ada", "defect_class": "rust"}
    )
    assert status == 422 and "known are scratch, dent" in refused["detail"]
    for place in (number, number - 11):
        plant.json(
            "POST", f"/v1/results/{place}/labels", {"truth": "defect", "who": "Ada", "defect_class": "dent"}
        )


def test_the_page_and_the_sheet(browser: Any, plant: Service, tmp_path: Path) -> None:
    with opened(browser, plant.url + "/quality", width=1280, height=900) as page:
        for path in ("/quality?by=hour", "/quality?by=lot&view=top", "/quality/handover"):
            page.goto(plant.url + path)
            bars_nobody(page)
        page.goto(plant.url + "/quality?model=front&by=day")
        assert page.locator("svg.chart.wide .point, svg.chart.narrow .point").count() >= 6
        page.goto(plant.url + "/quality/handover")
        assert "press 3" in page.locator("h1").inner_text()
        page.pdf(path=tmp_path / "sheet.pdf", prefer_css_page_size=True)
    content = (tmp_path / "sheet.pdf").read_bytes()
    assert len(re.findall(rb"/Type\s*/Page\b(?!s)", content)) == 1


def test_live_shows_one_model_or_all_and_never_one_scale_for_both(browser: Any, plant: Service) -> None:
    with opened(browser, plant.url + "/", width=1280, height=900) as page:
        assert page.locator("#chart svg").count() == 0
        assert "choose one" in page.locator("#chart").inner_text()
        page.locator("select[name=model]").select_option("front")
        page.locator("select[name=view]").select_option("side")
        page.get_by_role("button", name="Show").click()
        page.locator("#chart svg").first.wait_for()
        assert findings(page) == []
        shown = int(page.locator("#count-good b").inner_text()) + int(
            page.locator("#count-defect b").inner_text()
        )
    _, listed = plant.json("GET", "/v1/results?model=front&view=side&limit=500")
    recent = [each for each in listed["results"] if each["verdict"] in ("good", "defect")]
    assert 0 < shown <= len(recent)


def test_tables_can_be_had_as_files(plant: Service) -> None:
    import openpyxl

    for table in ("results", "parts", "periods", "classes", "lots", "shifts"):
        for form in ("csv", "xlsx", "jsonl", "parquet"):
            status, headers, body = plant.ask("GET", f"/quality/{table}.{form}?model=front&by=day")
            assert status == 200, (table, form)
            assert f'filename="{table}.{form}"' in headers["Content-Disposition"]
            assert body
    _, _, body = plant.ask("GET", "/quality/results.xlsx?model=front&lot=L1")
    sheet = openpyxl.load_workbook(io.BytesIO(body)).active
    head, *rows = [[cell.value for cell in line] for line in sheet.iter_rows()]
    found = [dict(zip(head, line, strict=True)) for line in rows]
    assert {line["lot"] for line in found} == {"L1"}
    assert all(line["source"].startswith("=old") for line in found)
    _, _, body = plant.ask("GET", "/quality/classes.jsonl?model=front")
    counts = {line["name"]: line["count"] for line in map(json.loads, body.decode().splitlines())}
    assert counts.get("dent", 0) >= 1
    for wrong in ("/quality/none.csv", "/quality/results.exe", "/quality/handover.csv"):
        assert plant.ask("GET", wrong)[0] == 404
    assert not list(plant.data.glob(".table-*"))
    for odd in (
        "by=x&since=9999-99&until=z",
        "since=0001-01-01T00:00&until=9999-12-31T00:00",
        "model=none&view=%00",
    ):
        assert plant.ask("GET", f"/quality?{odd}")[0] == 200, odd

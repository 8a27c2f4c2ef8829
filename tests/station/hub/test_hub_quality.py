"""The page Quality of a hub: its figures are those of the stations, counted by hand; nothing bars anybody."""

from __future__ import annotations

import io
import json
import os
import time
from collections import Counter
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from excision.station.parts.rows import Part, add_part, close_parts
from excision.station.parts.verdict import PartVerdict
from excision.station.quality.settings import ShiftsSettings, ShiftTable
from tests.browser import bars_nobody, opened
from tests.station.hub.conftest import Hub, Line, make_line

DAY = ShiftsSettings(
    "Europe/Berlin", (ShiftTable("early", "06:00", "14:00"), ShiftTable("late", "14:00", "22:00"))
)
NIGHT = ShiftsSettings("Europe/Berlin", (ShiftTable("all day", "00:00", "00:00"),))
VIEWS = ("top", "side")


@dataclass
class Plant:
    hub: Hub
    lines: tuple[Line, Line]
    rows: list[dict[str, Any]]
    """Every result as it was made, with the name of its station."""

    def table(self, name: str, form: str = "jsonl", **asked: str) -> list[dict[str, Any]]:
        status, _, body = self.hub.service.ask("GET", f"/quality/{name}.{form}?{urlencode(asked)}")
        assert status == 200, body[:300]
        return [json.loads(line) for line in body.decode().splitlines()]


@pytest.fixture(scope="module")
def plant(hub: Hub, tmp_path_factory: pytest.TempPathFactory) -> Plant:
    """A hub with two stations of two lots, of which one shares a lot and a model with the other."""
    folder, rows, now = tmp_path_factory.mktemp("plant"), list[dict[str, Any]](), time.time() - 60
    lines = (
        make_line(hub, folder / "1", "Press 3", rows=500),
        make_line(hub, folder / "2", "Mill 7", rows=500),
    )
    for line, shifts, every in zip(lines, (DAY, NIGHT), (9, 5), strict=True):
        line.shifts = asdict(shifts)
        with closing(line.store()) as store, store.transaction() as connection:
            parts = [
                add_part(connection, replace(Part(now - 900 * n, VIEWS), lot=f"L{n // 20}"))
                for n in range(60)
            ]
        for n, part in enumerate(parts):
            bad = n % every == 0
            for view in VIEWS:
                row = {
                    "time": part.time,
                    "model": "front",
                    "view": view,
                    "lot": part.lot,
                    "verdict": "defect" if bad else "good",
                    "score": 2.0 if bad else 0.5 + n % 7 / 20,
                }
                (number,) = line.inspect(1, part=part.id, **row)
                if bad:
                    line.label(number, "defect", ("scratch", "dent")[n % 2])
                rows.append(
                    {**row, "station": line.name, "class": ("scratch", "dent")[n % 2] if bad else None}
                )
        with closing(line.store()) as store:
            verdict: PartVerdict
            for n, part in enumerate(parts):
                verdict = "defect" if n % every == 0 else "good"
                close_parts(store, [replace(part, closed=part.time + 1, verdict=verdict, serial=f"S-{n}")])
        line.send()
    return Plant(hub, lines, rows)


def bars(rows: list[dict[str, Any]]) -> dict[str, int]:
    return {row["name"]: row["count"] for row in rows}


def test_the_figures_of_all_stations_are_those_of_each_together(plant: Plant) -> None:
    for station in ("", "Press 3", "Mill 7"):
        asked = {"model": "front", "by": "lot", "station": station}
        meant = [row for row in plant.rows if station in ("", row["station"])]
        bad = [row for row in meant if row["verdict"] == "defect"]
        assert bars(plant.table("lots", **asked)) == Counter(row["lot"] for row in bad)
        assert bars(plant.table("classes", **asked)) == Counter(row["class"] for row in bad)
        periods = plant.table("periods", **asked)
        inspected = Counter(row["lot"] for row in meant)
        assert {row["name"]: row["inspected"] for row in periods} == inspected
        for by in ("day", "hour"):  # of the hours there are always enough for averages
            table = plant.table("periods", **{**asked, "by": by})
            assert sum(row["inspected"] for row in table) == len(meant)
            assert sum(row["defect"] for row in table) == len(bad)
        one = plant.table("periods", **{**asked, "by": "day", "view": "top"})
        assert sum(row["inspected"] for row in one) == len(meant) / 2
        scores = [row["mean_score"] for row in table if row["mean_score"] is not None]
        given = [row["score"] for row in meant]
        assert min(given) <= min(scores) <= max(scores) <= max(given)


def test_each_station_is_grouped_by_its_own_shifts(plant: Plant) -> None:
    pages = {
        station: plant.table("shifts", model="front", by="day", station=station) for station in ("", "Mill 7")
    }
    bad = [row for row in plant.rows if row["verdict"] == "defect"]
    assert bars(pages["Mill 7"]) == {"all day": sum(row["station"] == "Mill 7" for row in bad)}
    assert bars(pages[""])["all day"] == bars(pages["Mill 7"])["all day"]
    assert set(bars(pages[""])) <= {"early", "late", "all day"} and len(pages[""]) > 1
    # A chart over shifts needs one calendar.
    page = plant.hub.service.ask("GET", "/quality")[2].decode()
    assert 'value="shift"' not in page and 'value="day"' in page
    assert 'value="shift"' in plant.hub.service.ask("GET", "/quality?station=Mill+7")[2].decode()


def test_parts_of_all_stations_have_their_views(plant: Plant) -> None:
    table = plant.table("parts")
    assert Counter(row["station"] for row in table) == {"Press 3": 60, "Mill 7": 60}
    assert [row["time"] for row in table] == sorted((row["time"] for row in table), reverse=True)
    assert {
        row["verdict"] for row in plant.table("parts", station="Mill 7", lot="L0") if row["number"] % 5 == 1
    } == {"defect"}
    status, _, page = plant.hub.service.ask("GET", "/quality?station=Mill+7")
    text = page.decode()
    assert status == 200 and text.count('<th scope="row"><a href="/review?part=') == 50
    number = plant.table("parts", station="Mill 7")[0]["number"]
    views = plant.hub.service.ask("GET", f"/review?part={number}&station=Mill+7")[2].decode()
    assert "2 results match" in views


def test_tables_can_be_had_as_files(plant: Plant) -> None:
    import openpyxl
    import pyarrow.parquet as pq

    for table in ("results", "parts", "periods", "classes", "lots", "shifts"):
        for form in ("csv", "xlsx", "parquet"):
            status, _, body = plant.hub.service.ask(
                "GET", f"/quality/{table}.{form}?model=front&station=Press+3"
            )
            assert status == 200 and body, (table, form)
            if table == "results" and form == "parquet":
                found = pq.read_table(io.BytesIO(body))
                assert found.num_rows == 120 and set(found["station"].to_pylist()) == {"Press 3"}
            if table == "parts" and form == "xlsx":
                sheet = openpyxl.load_workbook(io.BytesIO(body)).active
                assert sheet.max_row == 61


def test_the_page_bars_nobody(browser: Any, plant: Plant) -> None:
    for path in ("/quality?by=hour", "/quality?by=lot&station=Mill+7"):
        with opened(browser, plant.hub.service.url + path) as page:
            bars_nobody(page)
            assert page.locator("svg.chart .point").count() >= 6
            assert page.get_by_role("link", name="Hand-over sheet").count() == 0
            if folder := os.environ.get("EXCISION_PICTURES"):
                name = f"hub-quality-{'lot' if 'lot' in path else 'hour'}.png"
                page.screenshot(path=Path(folder) / name, full_page=True)

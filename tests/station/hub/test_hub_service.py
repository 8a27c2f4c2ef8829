"""A hub over a real connection: its pages, its keys, and what it says when it cannot work."""

from __future__ import annotations

import json
import re
import shutil
import sys
import time
from contextlib import closing
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from excision.cli import run as command_line
from tests.browser import PATIENCE, bars_nobody
from tests.station.conftest import Service, begin, end
from tests.station.hub.comparing import of_hub, of_station
from tests.station.hub.conftest import BeginLine, Hub, StartHub, begin_hub, begin_watch, make_line
from tests.station.hub.postgres import USER, Postgres
from tests.station.hub.wire import Wire

ROOT = Path(__file__).parents[3]
EXPORTED = ROOT / "tests" / "compatibility" / "format_1" / "exported"
KEY, STATION_KEY = "the key of the people", "the key of the stations"


def get(service: Service, path: str, status: int = 200, **headers: str) -> str:
    found, _, body = service.ask("GET", path, **headers)
    assert found == status, (path, found, body[:500])
    return unescape(body.decode())


@pytest.fixture(scope="module")
def plant(hub: Hub, tmp_path_factory: pytest.TempPathFactory) -> Hub:
    """A hub with two stations, of which one has two models."""
    folder = tmp_path_factory.mktemp("plant")
    first = make_line(hub, folder / "1", "Halle 1", page="http://halle1.example/station/")
    second = make_line(hub, folder / "2", "<b>2</b>")
    numbers = first.inspect(5, model="front", source="first.png", time=time.time() - 60)
    first.inspect(3, model="back", verdict="defect", score=7.0)
    second.inspect(4, model="front", verdict="good", score=0.25, time=time.time() - 30)
    first.label(numbers[0], "good")
    first.send()
    second.send()
    return hub


def test_pages_show_all_stations_or_one(plant: Hub) -> None:
    page = get(plant.service, "/")
    assert "Excision hub" in page
    assert "Halle 1" in page
    assert "<b>2</b>" not in plant.service.ask("GET", "/")[2].decode(), "names are text"
    assert '<svg class="chart' not in page, "scores of two models are not drawn over each other"
    one = get(plant.service, f"/?station={quote('Halle 1')}&model=front")
    assert '<svg class="chart wide"' in one
    assert '<svg class="chart' not in get(plant.service, f"/?station={quote('Halle 1')}")
    assert get(plant.service, "/?station=%3Cb%3E2%3C%2Fb%3E").count('<svg class="chart') == 2, (
        "it has one model"
    )
    counts = get(plant.service, f"/live/now?station={quote('Halle 1')}&model=back")
    assert "3 images" in counts
    assert get(plant.service, "/?station=nobody&model=none")


def test_review_steps_through_a_station_and_links_to_it(plant: Hub) -> None:
    page = get(plant.service, f"/review?station={quote('Halle 1')}&model=front")
    assert "5 results match" in page
    ((number,),) = plant.ask("SELECT max(number) FROM results WHERE station = 'Halle 1' AND model = 'front'")
    assert f'href="http://halle1.example/station/review?id={number}"' in page
    assert "Images stay at the station" in page
    assert 'action="/review/' not in page, "labels are given at the station"
    labelled = get(plant.service, f"/review?station={quote('Halle 1')}&labelled=yes")
    assert "1 result matches" in labelled
    assert "Ada" in labelled
    ((number,),) = plant.ask("SELECT id FROM results WHERE station = 'Halle 1' LIMIT 1")
    assert "first.png" in get(plant.service, f"/review?id={number}")
    assert get(plant.service, f"/parts/{number}/picture.png", 410)
    assert plant.service.ask("POST", f"/review/{number}/labels", b"truth=good")[0] in (404, 405)
    for path in ("/models", "/try", "/review/threshold", "/v1/inspect", "/review?id=0", "/review?id=x"):
        assert plant.service.ask("GET", path)[0] == 404, path


def test_nothing_serious_bars_anybody(browser: Any, plant: Hub) -> None:
    with browser.new_context() as context:
        context.set_default_timeout(PATIENCE)
        page = context.new_page()
        for path in ("/", "/?station=Halle+1&model=front", "/review?station=Halle+1"):
            page.goto(plant.service.url + path)
            bars_nobody(page, wide=1500)


def test_any_character_can_be_asked_for(plant: Hub) -> None:
    for path in ("/review?source=%00", "/review?station=%00&model=%00", "/?station=%00&model=a%00%ED%A0%80"):
        assert get(plant.service, path), path


def test_changes_of_models_are_those_of_the_chosen_model(hub: Hub, tmp_path: Path) -> None:
    line = make_line(hub, tmp_path, "two models")
    with closing(line.store()) as store:
        for model, who in (("inner", "Ada"), ("outer", "Grace")):
            store.note(model, "thresholds", {"threshold": 2.0}, who=who)
    line.send()
    for asked, names in (("", {"Ada", "Grace"}), ("&model=inner", {"Ada"}), ("&model=none", set())):
        page = get(hub.service, f"/?station=two+models{asked}")
        assert {name for name in ("Ada", "Grace") if f"({name})" in page} == names


def test_a_database_that_cannot_hold_every_character_is_refused(
    postgres: Postgres, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    address = postgres.create("latin", "ENCODING 'LATIN1' TEMPLATE template0")
    monkeypatch.setenv("EXCISION_DATABASE", address)
    assert command_line(["serve", "--hub", "--port", "0"]) == 2
    assert "--encoding UTF8" in capsys.readouterr().err


def test_prometheus_and_health_tell_of_each_station(plant: Hub) -> None:
    text = get(plant.service, "/metrics")
    assert 'excision_hub_results_total{station="Halle 1"} 8.0' in text
    assert 'excision_hub_waiting_rows{station="Halle 1"} 0.0' in text
    assert "excision_hub_database 1.0" in text
    assert json.loads(get(plant.service, "/readyz"))["status"] == "ok"


def test_alerts_and_charts_ask_for_metrics_of_a_hub_and_all_are_documented(plant: Hub) -> None:
    text = get(plant.service, "/metrics")
    charts = json.loads((ROOT / "deploy" / "grafana" / "hub.json").read_text())["panels"]
    asked = " ".join(target["expr"] for panel in charts for target in panel["targets"])
    named = set(re.findall(r"\bexcision_\w+", asked))
    assert len(named) == 6
    named |= set(re.findall(r"\bexcision_hub_\w+", (ROOT / "deploy" / "alerts.yml").read_text()))
    assert named <= set(re.findall(r"^(\w+)", text, re.MULTILINE))
    document = (ROOT / "docs" / "station" / "containers.md").read_text()
    families = re.findall(r"^# TYPE (\S+)", text, re.MULTILINE)
    assert [name for name in families if not name.endswith("_created") and f"`{name}`" not in document] == []


def test_a_station_tells_how_its_hub_is(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    service = begin(EXPORTED, tmp_path, "--hub-url", "http://127.0.0.1:9", "--station", "front")
    request.addfinalizer(lambda: end(service))
    service.client.inspect(EXPORTED.with_name("0.png"))
    assert "1 result matches" in get(service, "/review?station=other")
    until = time.monotonic() + 120
    while 'excision_outbox_waiting_rows{stream="results"} 1.0' not in (text := get(service, "/metrics")):
        assert time.monotonic() < until, text
        time.sleep(0.1)
    assert "excision_outbox_trouble 1.0" in text
    found = json.loads(get(service, "/healthz"))
    assert found["status"] == "ok", "a hub that is away is no fault of the station"
    assert found["outbox"]["waiting"] == {"results": 1, "labels": 0, "events": 1, "parts": 0}
    assert found["outbox"]["trouble"] is True
    assert "127.0.0.1" not in json.dumps(found), "anybody may ask: it does not say where the hub is"
    page = get(service, "/")
    assert "Hub 127.0.0.1: 2 waiting" in page
    assert "Oldest from" in page


def test_a_watcher_that_ends_has_sent_everything(plant: Hub, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for image in EXPORTED.parent.glob("*.png"):
        shutil.copyfile(image, tmp_path / "in" / image.name)
    out, options = tmp_path / "out", ("--hub-url", plant.service.url, "--station", "watcher")
    watcher = begin_watch(EXPORTED, tmp_path / "in", out, *options, "--idle-exit", 0.2)
    assert watcher.process.wait(240) == 0
    end(watcher)
    there, here = of_hub(plant.database)["results"], of_station(out, "watcher")["results"]
    assert len(here) == 4
    assert here <= there


def test_stations_have_a_key_of_their_own(start_hub: StartHub, begin_line: BeginLine, tmp_path: Path) -> None:
    for name, key in (("people", KEY), ("stations", STATION_KEY)):
        (tmp_path / name).write_text(key)
        (tmp_path / name).chmod(0o600)
    hub = start_hub("--api-key-file", tmp_path / "people", "--station-key-file", tmp_path / "stations")
    for key, status in ((KEY, 401), (STATION_KEY, 200)):
        line = begin_line(f"line with {key}", url=hub.url, key=key)
        line.inspect(1)
        if status == 200:
            line.send()
        else:
            assert "key" in (line.send(until=lambda found: found.trouble is not None).trouble or "")
    assert get(hub, "/", X_API_Key=KEY)
    assert get(hub, "/", 401, X_API_Key=STATION_KEY)
    assert get(hub, "/metrics", 401)
    assert get(hub, "/healthz")


def test_a_database_that_goes_away_comes_back(postgres: Postgres, begin_line: BeginLine) -> None:
    wire = Wire(postgres.port)
    postgres.create("cut")
    hub = begin_hub(f"postgresql://{USER}@127.0.0.1:{wire.port}/cut")
    try:
        line = begin_line(url=hub.url)
        line.inspect(3)
        line.send()
        wire.cut()
        assert json.loads(get(hub, "/readyz", 503))["status"] == "broken"
        assert get(hub, "/healthz")
        assert "excision_hub_database 0.0" in get(hub, "/metrics")
        assert "database" in get(hub, "/", 503)
        line.inspect(2)
        assert line.send(until=lambda found: found.trouble is not None).total == 2
        wire.mend()
        line.send()
        assert get(hub, "/readyz")
    finally:
        end(hub)
        wire.close()


def test_what_a_hub_lacks_is_said(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("EXCISION_DATABASE", raising=False)
    monkeypatch.chdir(tmp_path)
    for words, said in (
        (["serve", "--hub"], "EXCISION_DATABASE"),
        (["serve", "--hub", "--database", "postgresql://ada:hush@127.0.0.1:9/x", "--port", "0"], "refused"),
        (["serve", "--hub", "--database", "postgresql://[", "--port", "0"], "--database"),
        (["serve", "--hub", "--database", "host=127.0.0.1 port=9 password=hush", "--port", "0"], "~/.pgpass"),
        (["serve", "--hub", "--database", "postgresql://ada:hush/x@127.0.0.1/x", "--port", "0"], "%2F"),
        (["serve", "--hub", "--database", "postgresql://ada:hu@hush@127.0.0.1/x", "--port", "0"], "%40"),
        (["serve", "--hub", "--database", "password=hu sh host=127.0.0.1", "--port", "0"], "cannot be read"),
        (["serve", "model", "--hub", "--database", "x"], "name no models"),
        (["serve", "--hub", "--database", "x", "--hub-url", "http://h", "--station", "a"], "sends none"),
        (["serve", "model", "--database", "x"], "add --hub"),
        (["serve", "model", "--hub-url", "http://h"], "--station NAME"),
        (["watch", "model", ".", "--out", "o", "--station", "a"], "--hub-url"),
    ):
        assert command_line(words) == 2, words
        error = capsys.readouterr().err
        assert said in error, (words, error)
        assert "hush" not in error
        assert "Traceback" not in error


def test_psycopg_is_named_where_it_is_missing(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    assert command_line(["serve", "--hub", "--database", "postgresql:///x", "--port", "0"]) == 2
    assert 'pip install "excision[hub]"' in capsys.readouterr().err

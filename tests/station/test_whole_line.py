"""A whole line on loopback, from the trigger of a PLC to a better model that is live, and back again."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from excision.cli import run as run_cli
from excision.station.client import Client
from excision.station.improve.job import Standing, challengers
from excision.station.store.connection import RESULTS
from excision.station.store.query import Query
from excision.station.store.shadows import shadow_counts, shadow_runs
from excision.station.store.store import Store
from tests.browser import bars_nobody, opened
from tests.cameras.fake_camera import need_aravis
from tests.signals.broker import needs_mosquitto
from tests.signals.stand_in import wait_for
from tests.station.conftest import Service, begin, end
from tests.station.conftest import line as line  # noqa: PLC0414  the exported model
from tests.station.improve.conftest import Line, crack
from tests.station.improve.conftest import labelled_station as labelled_station  # noqa: PLC0414
from tests.station.improve.conftest import seen as seen  # noqa: PLC0414  as above
from tests.station.people.test_people_browser import sign_in
from tests.station.people.test_users import KEY, set_up
from tests.station.people.test_users import sign_in as sign_in_by_form
from tests.station.whole_line import LABEL, MODEL, TOPIC, Plant, draw_label, plant

pytest.importorskip("zxingcpp")

pytestmark = needs_mosquitto

SERIALS = ("SN-0041", "SN-0042")
ENGINEER, REVIEWER, OPERATOR = "bo", "cy", "di"


@pytest.fixture
def pictures(parts: Path, tmp_path: Path) -> Path:
    """Folders of what the cameras see: in front a good part and one with a crack in turn, behind labels."""
    good = sorted((parts / "train" / "good").iterdir())[0]
    front, back = tmp_path / "pictures" / "front", tmp_path / "pictures" / "back"
    crack(good, front / "2.png")
    pixels = np.asarray(Image.open(good).convert("L"))
    Image.fromarray(pixels).save(front / "1.png")
    for place, serial in enumerate(SERIALS, start=1):
        draw_label(back / f"{place}.png", serial, pixels)
    return front.parent


@pytest.fixture
def around(
    tmp_path: Path, line: Path, run: Path, parts: Path, pictures: Path, labelled_station: tuple[Line, Path]
) -> Iterator[Plant]:
    """The line around a station with labelled parts and users."""
    need_aravis()
    station, _ = labelled_station
    set_up(station.folder)
    with plant(tmp_path, line, run, parts, pictures / "front", pictures / "back") as made:
        assert made.data == station.folder
        yield made


Go = Callable[[], Service]


@pytest.fixture
def go(around: Plant) -> Iterator[Go]:
    """Start the station; what still runs at the end is killed."""
    started: list[Service] = []
    key = around.file.with_name("api_key.txt")
    key.write_text(KEY, "ascii")

    def start() -> Service:
        before = len(around.listener.on(f"{TOPIC}/state"))
        started.append(begin(None, around.data, "--file", around.file, "--api-key-file", key))
        wait_for(lambda: any(one.get("ready") for one in around.listener.on(f"{TOPIC}/state")[before:]), 240)
        return started[-1]

    yield start
    for service in started:
        end(service)


def test_from_the_trigger_to_a_better_model_and_back(
    browser: Any, around: Plant, go: Go, pictures: Path
) -> None:
    check_finds_the_line(around)
    service = go()
    let_labels_pass(service)
    with closing(around.plc()) as plc:
        reports = [signalled(around, service, plc.inspect("")) for _ in SERIALS]
    assert [one["serial"] for one in reports] == list(SERIALS)
    bad = max(reports, key=lambda one: one["score"])
    assert bad["verdict"] == "defect" and bad["score"] == score_of(service, pictures / "front" / "2.png")
    with opened(browser, f"{service.url}/login") as page:
        sees_and_labels(page, service.url, bad)
    with opened(browser, f"{service.url}/login") as page:
        sign_in(page, service.url, ENGINEER)
        improves(page, service.url)
    service = killed_between(around, service, go)
    before = version_of(service)
    with opened(browser, f"{service.url}/login") as page:
        sign_in(page, service.url, ENGINEER)
        goes_live(page, around, service)
    live = version_of(service)
    assert live != before
    service.stop(signal.SIGTERM)
    assert around.listener.on(f"{TOPIC}/state")[-1] == {"online": False}
    # It is live after a restart as well, and a rollback returns to the folder that the station was given.
    service = go()
    with closing(around.plc()) as plc:
        report = signalled(around, service, plc.inspect(""))
    assert inspected_by(around, report) == version_of(service) == live
    with opened(browser, f"{service.url}/login") as page:
        sign_in(page, service.url, ENGINEER)
        rolls_back(page, service.url)
    service.stop(signal.SIGKILL)
    assert version_of(go()) == before
    every_trigger_has_one_report(around)


def check_finds_the_line(around: Plant) -> None:
    found = around.file.with_name("found.json")
    # On a busy machine the camera may need more than the five seconds of one check.
    check = ["station", "check", str(around.file), "--json", str(found)]
    assert any(run_cli(check) == 0 for _ in range(4))
    tables = {one["table"] for one in json.loads(found.read_text("utf-8"))["findings"]}
    assert tables >= {"cameras.front", "signals.mqtt", f"models.{MODEL}", "parts"}


def let_labels_pass(service: Service) -> None:
    """Say that the view of the labels is there for its code: whatever it shows is good."""
    status, cookie = sign_in_by_form(service, ENGINEER)
    assert status == 303
    wanted = {"threshold": 1e6}
    assert service.json("POST", f"/v1/models/{LABEL}/thresholds", wanted, Cookie=cookie)[0] == 200


def signalled(around: Plant, service: Service, got: tuple[set[str], int, int]) -> dict[str, Any]:
    """Compare what the PLC got with what MQTT, OPC UA, the webhook and the database say; give the report."""
    shown, result, trigger = got
    report = around.report(trigger)
    assert (report["result"] or 0, report["view"], report["station"]) == (result, None, "press 3")
    assert ("no_verdict" if report["verdict"] in ("unfit", "fault") else report["verdict"]) in shown
    around.read_opcua(report["verdict"], trigger)
    wait_for(lambda: any(json.loads(body) == report for _, body in around.web.posts))
    kept = service.json("GET", f"/v1/results/{result}", X_API_Key=KEY)[1]["result"]
    assert (kept["serial"], kept["score"]) == (report["serial"], report["score"])
    assert kept["part"] is not None
    return report


def score_of(service: Service, picture: Path) -> float:
    """Give the score of a file, by the interface."""
    score = Client(service.url, KEY).inspect(picture, model=MODEL).score
    assert score is not None
    return score


def sees_and_labels(page: Any, url: str, report: dict[str, Any]) -> None:
    """The part stands on Live for an operator, who cannot label it; a reviewer can."""
    sign_in(page, url, OPERATOR)
    page.goto(f"{url}/review?id={report['result']}")
    assert report["serial"] in page.locator("main").inner_text()
    assert page.request.post(f"{url}/models/{MODEL}/improve", form={"who": OPERATOR}).status == 403
    page.goto(f"{url}/?model={MODEL}")
    page.locator("#verdict").wait_for()
    assert "defect" in page.locator("#verdict").inner_text()
    page.context.clear_cookies()
    sign_in(page, url, REVIEWER)
    page.goto(f"{url}/review?id={report['result']}")
    page.locator("#label-defect").click()
    page.get_by_text("Labelled defect.").wait_for()


def improves(page: Any, url: str) -> None:
    page.goto(f"{url}/improve?model={MODEL}")
    page.locator("#begin-improve").click()
    page.get_by_text("Running").first.wait_for()


def killed_between(around: Plant, service: Service, go: Go) -> Service:
    """Kill the station in the middle of an improvement and of a part; give the one that goes on."""
    (out,) = challengers(around.data, MODEL)
    wait_for(lambda: Standing.load(out).step != "collect", 600)
    with closing(around.plc()) as plc:
        wait_for(lambda: "ready" in plc.on)
        plc.raise_trigger()
        wait_for(lambda: "ready" not in plc.on)
        service.stop(signal.SIGKILL)
    service = go()
    # The part was accepted, so that the PLC gets its answer after the restart, before it may go on.
    with closing(around.plc()) as plc:
        shown, _, trigger = plc.take()
    verdict = around.report(trigger)["verdict"]
    assert ("no_verdict" if verdict in ("unfit", "fault") else verdict) in shown
    return service


def goes_live(page: Any, around: Plant, service: Service) -> None:
    """Go on with the improvement, run the challenger beside the model in use, and let it take over."""
    with closing(around.plc()) as plc:
        improves(page, service.url)
        # Inspection goes on beside the training.
        signalled(around, service, plc.inspect(""))
        compares(page, service.url)
        for _ in SERIALS:
            signalled(around, service, plc.inspect(""))
    shadow_has_seen(around.data, len(SERIALS))
    page.reload()
    press(page, "Put live …", "Put live")
    page.wait_for_url("**/models*")
    history = page.locator(f"#{MODEL} .history").inner_text()
    assert "challenger went live" in history and ENGINEER in history


def compares(page: Any, url: str) -> None:
    """Look at the comparison, and run the challenger beside the model in use."""
    page.locator("#compared-title").wait_for(timeout=1_800_000)
    assert "that neither model was trained on" in page.locator("main").inner_text()
    press(page, "Run beside …", "Run beside")
    page.get_by_text("Running since").wait_for()
    bars_nobody(page)
    page.goto(f"{url}/review/next?model={MODEL}")
    bars_nobody(page)
    page.goto(f"{url}/improve?model={MODEL}")


def rolls_back(page: Any, url: str) -> None:
    page.goto(f"{url}/models")
    page.locator(f"[data-opens=rollback-{MODEL}]").click()
    page.locator(f"#rollback-{MODEL} button.primary").click()
    page.locator(f"#{MODEL} .history", has_text="rolled back").wait_for()


def press(page: Any, opens: str, confirms: str) -> None:
    page.get_by_role("button", name=opens).click()
    page.get_by_role("dialog").get_by_role("button", name=confirms).click()


def shadow_has_seen(folder: Path, least: int) -> None:
    def has() -> bool:
        with closing(Store(folder / RESULTS)) as store:
            (run,) = shadow_runs(store, MODEL)
            return sum(shadow_counts(store, run.id).values()) + run.dropped >= least

    wait_for(has, 240)


def version_of(service: Service) -> str:
    """Give the version of the model in use."""
    return str(service.json("GET", f"/v1/models/{MODEL}", X_API_Key=KEY)[1]["current"]["version"])


def inspected_by(around: Plant, report: dict[str, Any]) -> str:
    """Give the version of the model that inspected the front of a part."""
    with closing(Store(around.data / RESULTS)) as store:
        decisive = store.get(report["result"])
        assert decisive is not None
        (front,) = store.newest(Query(part=decisive.part, view="front"), 2)
        return front.model_version


def every_trigger_has_one_report(around: Plant) -> None:
    time.sleep(0.2)
    triggers = sorted(one["trigger"] for one in around.reports())
    assert triggers == list(range(1, len(triggers) + 1))

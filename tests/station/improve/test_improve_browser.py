"""Improve in a real browser: a real training in its own process, comparison, shadow mode, going live."""

from __future__ import annotations

import signal
import time
from contextlib import closing
from pathlib import Path
from typing import Any
from unittest.mock import ANY

from excision.station.improve.job import Standing, challengers
from excision.station.store.connection import RESULTS
from excision.station.store.shadows import shadow_counts, shadow_runs
from excision.station.store.store import Store
from tests.browser import opened
from tests.method.recovery.test_training import TINY
from tests.station.conftest import Start
from tests.station.conftest import line as line  # noqa: PLC0414  the exported model
from tests.station.conftest import pictures as pictures  # noqa: PLC0414  as above
from tests.station.conftest import start as start  # noqa: PLC0414  as above
from tests.station.improve.conftest import MODEL, Line
from tests.station.test_pages_browser import findings

WIDTHS = (390, 1280)


def looks(browser: Any, url: str) -> None:
    for scheme in ("light", "dark"):
        for width in WIDTHS:
            with opened(browser, url, width=width, scheme=scheme) as page:
                assert findings(page) == []
                assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_improve_from_labels_to_live(
    browser: Any, start: Start, labelled_station: tuple[Line, Path], pictures: list[Path]
) -> None:
    station, described = labelled_station
    service = start("--file", described, data=station.folder)
    with opened(browser, f"{service.url}/improve?model={MODEL}") as page:
        page.locator("#improve-who").fill("E. Engineer")
        page.locator("#begin-improve").click()
        page.get_by_text("Running").first.wait_for()
    (out,) = challengers(station.folder, MODEL)
    # It is killed in the middle, with the station, and goes on.
    end = time.monotonic() + 120
    while Standing.load(out).step == "collect" and time.monotonic() < end:
        time.sleep(0.1)
    service.stop(signal.SIGKILL)
    service = start("--file", described, data=station.folder)
    url = f"{service.url}/improve?model={MODEL}"
    with opened(browser, url) as page:
        page.locator("#improve-who").fill("E. Engineer")
        page.locator("#begin-improve").click()
        # Inspection goes on beside the training.
        assert service.client.inspect(pictures[0]).verdict
        page.locator("#compared-title").wait_for(timeout=240_000)
        assert "that neither model was trained on" in page.locator("main").inner_text()
        page.get_by_role("button", name="Run beside …").click()
        page.get_by_role("dialog").get_by_role("button", name="Run beside").click()
        page.get_by_text("Running since").wait_for()
    looks(browser, url)
    looks(browser, f"{service.url}/review/next?model={MODEL}")
    seen = [service.client.inspect(path).id for path in pictures]
    _shadow_has_seen(station.folder, len(seen))
    with opened(browser, url) as page:
        page.get_by_role("button", name="Put live …").click()
        page.get_by_role("dialog").get_by_role("button", name="Put live").click()
        page.wait_for_url("**/models*")
        history = page.locator(".history").first.inner_text()
        assert "challenger went live" in history and "E. Engineer" in history
    live = service.json("GET", f"/v1/models/{MODEL}")[1]["current"]
    assert service.client.inspect(pictures[0]).model_version == live["version"]
    service.stop(signal.SIGTERM)
    # It is live after a restart as well, and a rollback returns to the folder that the station was given.
    service = start("--file", described, data=station.folder)
    assert service.json("GET", f"/v1/models/{MODEL}")[1]["current"]["version"] == live["version"]
    status, back = service.json("POST", f"/v1/models/{MODEL}/rollback", {"who": "E. Engineer"})
    assert status == 200 and back["current"]["version"] != live["version"]
    service.stop(signal.SIGTERM)
    service = start("--file", described, data=station.folder)
    assert service.json("GET", f"/v1/models/{MODEL}")[1]["current"] == back["current"] | {"loaded": ANY}


def _shadow_has_seen(folder: Path, least: int) -> None:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        with closing(Store(folder / RESULTS)) as store:
            (run,) = shadow_runs(store, MODEL)
            if sum(shadow_counts(store, run.id).values()) + run.dropped >= least:
                return
        time.sleep(0.2)
    raise AssertionError("the challenger has not seen what the model in use has")


def test_a_new_model_without_a_command_line(
    browser: Any, start: Start, seen: Path, pictures: list[Path], tmp_path: Path
) -> None:
    """Of a station without any model: collect, check, train, look, calibrate, go live."""
    TINY.save(tmp_path / "tiny.toml")
    described = tmp_path / "station.toml"
    described.write_text(f"[improve]\nsettings = {str(tmp_path / 'tiny.toml')!r}\n")
    data = tmp_path / "station"
    service = start("--file", described, data=data, model=None)
    with opened(browser, f"{service.url}/models") as page:
        page.get_by_role("link", name="New model").click()
        page.get_by_label("Name of the model").fill("bracket")
        page.get_by_role("button", name="Begin").click()
        page.locator("input[type=file]").set_input_files(sorted((seen / "train" / "good").iterdir())[:12])
        page.get_by_role("button", name="Add").first.click()
        page.get_by_text("12 images.").wait_for()
        page.locator("#check-images").click()
        page.get_by_text("images train").wait_for()
        page.locator("#train-who").fill("E. Engineer")
        page.locator("#train-model").click()
        page.get_by_role("heading", name="Go live").wait_for(timeout=240_000)
        page.get_by_label("Wanted false-alarm rate, %").fill("30")
        page.get_by_role("button", name="Set").click()
        page.get_by_role("heading", name="Go live").wait_for()
    looks(browser, f"{service.url}/new-model?name=bracket")
    looks(browser, f"{service.url}/new-model")
    with opened(browser, f"{service.url}/new-model?name=bracket") as page:
        page.get_by_role("button", name="Put live …").click()
        page.get_by_role("dialog").get_by_role("button", name="Put live").click()
        page.wait_for_url("**/models*")
    assert service.client.inspect(pictures[0], model="bracket").verdict
    service.stop(signal.SIGTERM)
    service = start("--file", described, data=data, model=None)
    assert service.client.inspect(pictures[0]).model == "bracket"

"""A new model in a real browser, without a command line: a real training in its own process, and live."""

from __future__ import annotations

import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

from excision.settings import AttentionSettings
from tests.browser import bars_nobody, opened
from tests.method.recovery.test_training import TINY
from tests.station.conftest import Start
from tests.station.conftest import line as line  # noqa: PLC0414  the exported model
from tests.station.conftest import pictures as pictures  # noqa: PLC0414  as above
from tests.station.conftest import start as start  # noqa: PLC0414  as above


def test_a_new_model_without_a_command_line(
    browser: Any, start: Start, seen: Path, pictures: list[Path], tmp_path: Path
) -> None:
    """Of a station without any model: collect, check, train, look, calibrate, go live."""
    # Tuning is slow in a process that the tests do not begin.
    replace(TINY, attention=AttentionSettings(tuning=0)).save(tmp_path / "tiny.toml")
    described = tmp_path / "station.toml"
    described.write_text(f"[improve]\nsettings = {str(tmp_path / 'tiny.toml')!r}\n")
    data = tmp_path / "station"
    service = start("--file", described, data=data, model=None)
    with opened(browser, f"{service.url}/models") as page:
        page.get_by_role("link", name="New model").click()
        gap = "who.getBoundingClientRect().top - who.previousElementSibling.getBoundingClientRect().bottom"
        assert page.locator("form.card .field").nth(1).evaluate(f"who => {gap}") >= 8
        page.get_by_label("Name of the model").fill("bracket")
        page.get_by_role("button", name="Begin").click()
        page.locator("input[type=file]").set_input_files(sorted((seen / "train" / "good").iterdir())[:12])
        page.get_by_role("button", name="Add").first.click()
        page.get_by_text("12 images.").wait_for()
        page.locator("#check-images").click()
        page.get_by_text("images train").wait_for()
        page.locator("#train-who").fill("E. Engineer")
        page.locator("#train-model").click()
        page.get_by_role("heading", name="Go live").wait_for(timeout=1_800_000)
        page.get_by_label("Wanted false-alarm rate, %").fill("30")
        page.get_by_role("button", name="Set").click()
        page.get_by_role("heading", name="Go live").wait_for()
        bars_nobody(page)
        page.goto(f"{service.url}/new-model")
        bars_nobody(page)
        page.goto(f"{service.url}/new-model?name=bracket")
        page.get_by_role("button", name="Put live …").click()
        page.get_by_role("dialog").get_by_role("button", name="Put live").click()
        page.wait_for_url("**/models*")
    assert service.client.inspect(pictures[0], model="bracket").verdict
    service.stop(signal.SIGTERM)
    service = start("--file", described, data=data, model=None)
    assert service.client.inspect(pictures[0]).model == "bracket"

"""The drift panel of the live page in a real browser: a banner, the course, and a decision."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from excision.inspection.drift import DriftSettings
from excision.inspection.fingerprint import fingerprint
from excision.runtime.inspector import Inspector
from excision.station.drift import Drift
from excision.station.store.records import StoredResult
from excision.station.store.store import Store
from tests.browser import bars_nobody, opened
from tests.station.conftest import Start, noise
from tests.station.test_drift import EXPORTED


def fill(data: Path, moved: bool) -> None:
    """Fill a station's file with the results of a line, the brightness of which fell or did not."""
    data.mkdir()
    store, version, threshold = (
        Store(data / "results.sqlite"),
        fingerprint(EXPORTED),
        Inspector(EXPORTED).threshold,
    )
    drift = Drift(store, lambda *_: None, settings=DriftSettings(learning=400))
    random = np.random.default_rng(0)
    for first in range(0, 900, 20):
        fall = 0.2 if moved and first >= 700 else 0.0
        batch = [
            StoredResult(
                time.time(), f"part_{first + more}.png", EXPORTED.name, version, threshold,
                score=threshold * float(random.normal(0.5, 0.02)), verdict="good",
                image_statistics={"brightness": float(random.normal(1 - fall, 0.1)), "hue": first % 7.0},
            )
            for more in range(20)
        ]  # fmt: skip
        drift.count([replace(r, id=n or 0) for r, n in zip(batch, store.add(batch), strict=True)])
    drift.close()
    store.close()


def test_a_warning_is_seen_decided_about_and_undone_and_bars_nobody(
    browser: Any, start: Start, tmp_path: Path
) -> None:
    fill(tmp_path / "station", moved=True)
    drifted = start(model=EXPORTED)
    with opened(browser, drifted.url) as page:
        banner = page.locator("#drift-banner")
        assert "Brightness has been lower for about" in banner.inner_text()
        bars_nobody(page, wide=1920)
        assert page.locator("#drift .moved").count() == 1
        page.click("#drift-banner a:has-text('First part')")
        assert 650 <= int(page.url.rpartition("=")[2]) <= 750
        page.go_back()
        page.click("button:has-text('Cause removed')")
        bars_nobody(page, wide=1920)
        page.keyboard.press("Escape")
        page.click("button:has-text('Accept as normal')")
        page.fill("dialog[open] input[name=who]", "M. Weber")
        page.click("dialog[open] button.primary")
        page.wait_for_selector("#drift-banner:not(:has(section))", state="attached")
        assert drifted.client.drift()["warning"] is None
        page.goto(drifted.url + "/models")
        assert "drift accepted as normal · M. Weber" in page.inner_text(".history")
        page.goto(drifted.url)
        page.click("button:has-text('Undo the last decision')")
        page.click("dialog[open] button.primary")
        page.wait_for_selector("#drift-banner section")
        assert drifted.client.drift()["warning"]["statistic"] == "brightness"


def test_a_warning_appears_by_itself(browser: Any, start: Start, tmp_path: Path) -> None:
    fill(tmp_path / "station", moved=False)
    service = start(model=EXPORTED)
    # Noise is nothing like the parts before: its score is far above theirs.
    for seed in range(80):
        service.client.inspect(noise(seed))
    with opened(browser, service.url) as page:
        assert "No drift noticed in 980 parts" in page.inner_text("#drift")
        for seed in range(80, 160):
            service.client.inspect(noise(seed))
            if seed % 10 == 9 and service.client.drift()["warning"]:
                break
        page.wait_for_selector("#drift-banner section")
        assert "The line has drifted" in page.inner_text("#drift-banner")
        text = service.ask("GET", "/metrics")[2].decode()
        assert 'excision_drift_warning{model="exported"} 1.0' in text
        assert "excision_drift_warnings_total 1.0" in text

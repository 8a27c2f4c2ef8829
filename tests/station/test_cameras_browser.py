"""The cameras of a line on the live page in a real browser, and in the metrics."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.browser import bars_nobody, opened
from tests.station.conftest import Service, Start
from tests.station.test_drift import EXPORTED


@pytest.fixture
def watched(start: Start, tmp_path: Path) -> Service:
    """A service with a camera that drops what nobody takes, and one that is away."""
    (tmp_path / "pictures").mkdir()
    for number in range(4):
        values = np.full((16, 24), 40 * number, np.uint8)
        Image.fromarray(values).save(tmp_path / "pictures" / f"{number}.png")
    file = tmp_path / "station.toml"
    file.write_text(
        '[signals]\nself_triggered = ["front"]\n'
        '[cameras.front]\nkind = "folder"\npath = "pictures"\nloop = true\nrate = 100\nbuffer = 2\n'
        '[cameras.back]\nkind = "folder"\npath = "nowhere"\n'
    )
    return start("--file", file, model=EXPORTED)


def test_cameras_are_seen_with_their_rate_and_what_they_drop(
    browser: Any, watched: Service, tmp_path: Path
) -> None:
    with opened(browser, watched.url) as page:
        page.locator("#camera-front", has_text=re.compile(r" [1-9]\d+ dropped")).wait_for()
        front, back = page.inner_text("#camera-front"), page.inner_text("#camera-back")
        assert "Connected" in front
        assert "pictures per second" in front
        assert f"Not connected: {tmp_path}/nowhere: there is no such folder" in back
        bars_nobody(page)
        (tmp_path / "nowhere").mkdir()
        (tmp_path / "nowhere" / "1.png").write_bytes((tmp_path / "pictures" / "1.png").read_bytes())
        page.wait_for_selector("#camera-back:not(.disconnected)")
    text = watched.ask("GET", "/metrics")[2].decode()
    assert 'excision_camera_connected{camera="front"} 1.0' in text
    figures = dict(line.rsplit(" ", 1) for line in text.splitlines() if line.startswith("excision_camera_"))
    assert 2 < float(figures['excision_camera_rate{camera="front"}']) < 150
    frames = float(figures['excision_camera_frames_total{camera="front"}'])
    assert 10 <= float(figures['excision_camera_dropped_total{camera="front"}']) < frames
    assert float(figures['excision_camera_damaged_total{camera="front"}']) == 0

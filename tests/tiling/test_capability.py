"""Defects are drawn on large images at full size, and inspected in tiles."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from excision import Detector
from excision.capability.measure import measure_capability
from excision.capability.settings import StudySettings
from tests.tiling.conftest import draw_strip


def test_strips_of_any_length_are_measured_at_full_size(tiled: Path, tmp_path: Path) -> None:
    detector = Detector.load(tiled, device="cpu")
    detector.with_thresholds(3 * detector.threshold).save(tmp_path / "run")
    good = tmp_path / "good"
    good.mkdir()
    for number in range(20, 22):
        Image.fromarray(draw_strip(number, (70, 60 + 9 * number))).save(good / f"{number}.png")
    settings = StudySettings(drawings=10, kinds=("pit",), contrasts=(0.6,))
    result = measure_capability(tmp_path / "run", [good], tmp_path / "out", settings, groups="each")
    assert result.parts >= 1
    assert result.reduction == 1.0
    assert result.drawings == 10
    assert result.curves[0].largest < 70

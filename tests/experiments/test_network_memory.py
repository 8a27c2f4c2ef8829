"""The short form of the study of what the networks remember."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from excision.settings import Settings
from tests.conftest import draw_surface
from tests.experiments.test_simulated import load
from tests.method.recovery.test_training import TINY

MEMORY = load("network_memory")


def test_a_split_leaves_whole_groups_untouched(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for number in range(12):
        Image.fromarray(draw_surface(number)).save(tmp_path / f"{number:02d}.png")
    settings = tmp_path / "settings.toml"
    replace(TINY, calibration=Settings().calibration).save(settings)
    words = [str(tmp_path), "--images", "8", "--splits", "1", "--settings", str(settings)]
    MEMORY.main(words)
    told = capsys.readouterr().out
    assert "Promise from all images: broken in" in told and "of 1 splits" in told


def test_what_training_images_lack_is_seen() -> None:
    groups = [str(place) for place in range(100)]
    split = MEMORY.Split([0.1] * 100, groups, [5.0, 6.0], ["a", "b"], [4.0] * 200)
    assert split.higher() == 1
    trusting = split.by_all(0.1)
    assert trusting.threshold == 0.1 and MEMORY.is_broken(split, trusting)
    assert not MEMORY.is_broken(split, split.by_held_out(0.1))

"""A tiny detector trained on tiles of strips, and its export."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from excision import Detector
from excision.data import load_dataset
from excision.runtime.verification import Proof
from excision.settings import ImageSettings, Settings
from tests.conftest import draw_surface

TILE = (64, 80)
STRIP = (70, 260)


def draw_strip(number: int, size: tuple[int, int] = STRIP) -> NDArray[np.uint8]:
    return draw_surface(number, size)


@pytest.fixture(scope="session")
def tiled_settings(tiny: Settings) -> Settings:
    return replace(tiny, image=ImageSettings(tile=TILE))


@pytest.fixture(scope="session")
def strips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six good strips, each of another length."""
    folder = tmp_path_factory.mktemp("strips") / "good"
    folder.mkdir()
    for number in range(6):
        Image.fromarray(draw_strip(number, (70, STRIP[1] + 9 * number))).save(folder / f"{number}.png")
    return folder.parent


@pytest.fixture(scope="session")
def tiled(tiled_settings: Settings, strips: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run folder of a detector trained on tiles; tests must not change it."""
    folder = tmp_path_factory.mktemp("tiled") / "run"
    Detector(tiled_settings, device="cpu").fit(load_dataset(strips), folder)
    return folder


@pytest.fixture(scope="session")
def exported(
    tiled: Path, strips: Path, tmp_path_factory: pytest.TempPathFactory, export_once: Callable[..., Proof]
) -> tuple[Path, Proof]:
    """Its export; tests must not change it."""
    out = tmp_path_factory.mktemp("tiled") / "exported"
    return out, export_once(tiled, strips, out)

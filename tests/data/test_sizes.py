"""The working size, and what it costs images that are larger."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from excision.cli.advice import advise_tiles
from excision.data import load_dataset
from excision.data.check import inspect_dataset
from excision.data.sizes import MAX_WORKING_PIXELS, Reduction, Size, default_size, strip_tile
from excision.settings import ImageSettings, RecoverySettings, ScoreSettings, Settings
from excision.training.preparing import prepare
from tests.data.conftest import Draw


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        ([(1260, 500)], (640, 256)),
        ([(630, 230)], (624, 224)),
        ([(256, 256)], (256, 256)),
        ([(1024, 1024)], (400, 400)),
        ([(300, 300), (300, 300), (4000, 10)], (288, 288)),
        ([(10, 10)], (32, 32)),
    ],
)
def test_default_sizes(sizes: list[tuple[int, int]], expected: tuple[int, int]) -> None:
    assert default_size(sizes) == expected


@given(st.lists(st.tuples(st.integers(1, 9000), st.integers(1, 9000)), min_size=1, max_size=9))
def test_default_sizes_keep_their_promises(sizes: list[tuple[int, int]]) -> None:
    height, width = default_size(sizes)
    assert height % 16 == width % 16 == 0
    assert min(height, width) >= 32
    assert height * width <= MAX_WORKING_PIXELS


@given(st.integers(32, 4000), st.integers(32, 4000))
def test_default_sizes_never_enlarge_and_keep_the_shape(height: int, width: int) -> None:
    assume(1 / 6 < height / width < 6)
    h, w = default_size([(height, width)])
    assert h <= height
    assert w <= width
    assert abs(h / w / (height / width) - 1) < 0.5
    assert h * w > 0.4 * min(height * width, MAX_WORKING_PIXELS) or min(h, w) < 64


@pytest.mark.parametrize(
    ("size", "factor", "tile"),
    [
        ((1280, 800), 2.5, (256, 256)),
        ((2000, 200), 1.6, None),
        ((8000, 200), 3.1, (192, 192)),
        ((9000, 90), 2.5, None),
    ],
)
def test_tiles_are_worth_it_where_much_resolution_would_be_lost(
    size: Size, factor: float, tile: Size | None
) -> None:
    lost = Reduction.to(default_size([size]), [size])
    assert lost.factor == pytest.approx(factor, abs=0.05)
    assert lost.tile == tile


def test_narrower_images_than_any_so_far_must_have_room_for_a_tile() -> None:
    assert Reduction.to((96, 1616), [(256, 4096)] * 9 + [(240, 4096)]).tile == (224, 224)
    assert Reduction.to((96, 1616), [(256, 4096)] * 9 + [(150, 4096)]).tile is None


@pytest.mark.parametrize(
    ("sizes", "tile"),
    [
        ([(256, 4096)], (256, 256)),
        ([(4096, 256)], (256, 256)),
        ([(256, 4096), (4096, 256), (246, 900)], (224, 224)),
        ([(256, 4096), (256, 4096), (900, 900)], (256, 256)),
        ([(640, 2048)], None),
        ([(200, 800)], None),
        ([(1024, 1024)], None),
    ],
    ids=str,
)
def test_strips(sizes: list[Size], tile: Size | None) -> None:
    assert strip_tile(sizes) == tile


def test_whole_images_are_resized_and_the_loss_is_told(tmp_path: Path, draw: Draw) -> None:
    for number in range(6):
        draw(f"train/good/{number}.png", size=(1280, 800))
    dataset = load_dataset(tmp_path)
    plan, data = inspect_dataset(dataset).training, prepare(dataset, Settings())
    assert plan is not None and plan.reduction is not None
    image = data.image_format
    assert (image.size, image.channels, image.tile) == (plan.size, plan.channels, None)
    assert data.facts()["reduction"] == {"factor": plan.reduction.factor, "tile": (256, 256)}
    assert not plan.tiles


def test_strips_are_cut_into_tiles(tmp_path: Path, draw: Draw) -> None:
    for number in range(6):
        draw(f"train/good/{number}.png", size=(4096, 192))
    dataset = load_dataset(tmp_path)
    plan, data = inspect_dataset(dataset).training, prepare(dataset, Settings())
    assert plan is not None
    assert (plan.tiles, plan.size, plan.reduction) == (True, (192, 192), None)
    assert (data.image_format.tile, data.image_format.channels) == ((192, 192), plan.channels)
    assert data.facts()["n_tiles"] == 22 * len(data.sources)
    arrays = [np.zeros((192, 4096), np.uint8)] * 3
    assert prepare(arrays, Settings()).image_format.tile == (192, 192)


@pytest.mark.parametrize(
    "settings",
    [
        Settings(image=ImageSettings(size=(64, 1024))),
        Settings(score=ScoreSettings(top=0.01)),
        Settings(recovery=RecoverySettings(depth=7)),
    ],
    ids=["size", "top", "depth"],
)
def test_strips_are_resized_where_settings_want_it(settings: Settings) -> None:
    arrays = [np.zeros((192, 4096), np.uint8)] * 3
    data = prepare(arrays, settings)
    assert data.image_format.tile is None
    assert data.reduction is not None and data.reduction.tile == (192, 192)


def test_who_trains_on_tiles_is_not_told_to(tmp_path: Path, draw: Draw) -> None:
    for number in range(6):
        draw(f"train/good/{number}.png", size=(1280, 800))
    tiles = Settings(image=ImageSettings(tile=(256, 256)))
    assert "reduction" not in prepare(load_dataset(tmp_path), tiles).facts()


def test_advice_names_the_option() -> None:
    assert "--tile 256 192" in advise_tiles(2.5, (256, 192))
    assert advise_tiles(1.0, None) == ""

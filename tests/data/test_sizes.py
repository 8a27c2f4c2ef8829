"""The working size, and what it costs images that are larger."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from excision.cli.advice import advise_tiles
from excision.data import load_dataset
from excision.data.check import inspect_dataset
from excision.data.sizes import MAX_WORKING_PIXELS, Reduction, Size, default_size
from excision.data.training_set import prepare
from excision.settings import ImageSettings, Settings

from .conftest import Draw


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
def test_tiles_are_proposed_where_much_resolution_would_be_lost(
    size: Size, factor: float, tile: Size | None, tmp_path: Path, draw: Draw
) -> None:
    for number in range(6):
        draw(f"train/good/{number}.png", size=size)
    dataset = load_dataset(tmp_path)
    plan = inspect_dataset(dataset).training
    assert plan is not None
    assert plan.reduction.factor == pytest.approx(factor, abs=0.05)
    assert plan.reduction.tile == tile
    facts = prepare(dataset, Settings()).facts()
    assert facts["reduction"] == {"factor": plan.reduction.factor, "tile": tile}


def test_who_trains_on_tiles_is_not_told_to(tmp_path: Path, draw: Draw) -> None:
    for number in range(6):
        draw(f"train/good/{number}.png", size=(1280, 800))
    tiles = Settings(image=ImageSettings(tile=(256, 256)))
    assert "reduction" not in prepare(load_dataset(tmp_path), tiles).facts()


def test_a_narrow_image_leaves_no_room_for_tiles() -> None:
    assert Reduction.to((96, 1616), [(256, 4096)] * 9 + [(80, 4096)]).tile is None


def test_advice_names_the_option() -> None:
    assert "--tile 256 192" in advise_tiles(2.5, (256, 192))
    assert advise_tiles(1.0, None) == ""

"""The working size that a smallest defect asks for, with discs that are drawn and resized as an oracle."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from excision.data import load_dataset
from excision.data.check import inspect_dataset
from excision.data.images import resize_image
from excision.data.sizes import Size, default_size
from excision.data.working_size import (
    MOST_WHOLE_PIXELS,
    DefectWish,
    SmallestDefect,
    WorkingSize,
    choose_working_size,
)
from excision.errors import SettingsError
from excision.settings import ImageSettings, MaskSettings, ScoreSettings, Settings
from excision.settings.length import parse_length
from excision.training.preparing import prepare
from excision.training.sizing import choose_size, choose_tiling, defect_wish, relative_time
from tests.data.conftest import Draw

PART: Size = (1024, 1024)


def wanting(length: str, mm_per_pixel: float | None = None) -> Settings:
    return Settings(image=ImageSettings(smallest_defect=length, mm_per_pixel=mm_per_pixel))


@pytest.mark.parametrize(
    ("size", "wanted", "chosen"),
    [
        (PART, None, WorkingSize((400, 400), False)),
        (PART, 100, WorkingSize((400, 400), False)),
        (PART, 21, WorkingSize((400, 400), False)),
        (PART, 16, WorkingSize((512, 512), False)),
        (PART, 8, WorkingSize(PART, False)),
        (PART, 3, WorkingSize(PART, False)),
        ((1000, 700), 8, WorkingSize((1008, 704), False)),
        ((2000, 2000), 16, WorkingSize((1008, 1008), False)),
        ((2000, 2000), 8, WorkingSize((256, 256), True)),
        ((4096, 256), 100, WorkingSize((256, 256), True)),
        ((1080, 1440), 3, WorkingSize((1088, 1440), False)),
        ((300, 300), 3, WorkingSize((304, 304), False)),
    ],
    ids=str,
)
def test_chosen_sizes(size: Size, wanted: float | None, chosen: WorkingSize) -> None:
    assert choose_working_size([size], DefectWish(wanted)) == chosen


sides = st.integers(40, 5000)


@given(st.tuples(sides, sides), st.floats(0.5, 300), st.sampled_from([4.0, 8.0, 16.0]))
def test_a_chosen_size_shows_the_defect_or_all_that_the_images_show(
    size: Size, wanted: float, needed: float
) -> None:
    wish = DefectWish(wanted, needed)
    chosen = choose_working_size([size], wish)
    told = SmallestDefect.at(chosen, [size], wish)
    default = default_size([size])
    assert told.visible <= told.visible_at_default
    assert chosen.tiles or all(side >= usual for side, usual in zip(chosen.size, default, strict=True))
    assert chosen.size[0] * chosen.size[1] <= max(MOST_WHOLE_PIXELS, default[0] * default[1])
    full = told.visible == needed
    too_narrow = choose_working_size([size], wish) == choose_working_size([size], wish, tiles=False)
    assert told.is_reached or full or (too_narrow and math.prod(size) > MOST_WHOLE_PIXELS * 0.9)
    if not told.is_reached and full:
        assert wanted < needed, "only images that show no more may leave a wish open"


@pytest.mark.parametrize("wanted", [8.0, 12.0, 20.0])
def test_a_drawn_disc_has_the_diameter_that_was_needed(wanted: float) -> None:
    """The area of a disc that is drawn at full size and resized, as an oracle of the diameter."""
    rows, columns = np.mgrid[: PART[0], : PART[1]]
    disc = (np.hypot(rows - 500.3, columns - 611.7) <= wanted / 2).astype(np.float32)[..., None]
    for size, enough in ((choose_working_size([PART], DefectWish(wanted)).size, True), ((400, 400), False)):
        area = float(resize_image(disc, size).sum())
        diameter = 2 * math.sqrt(area / math.pi)
        assert (diameter >= 0.98 * Settings().least_visible) == enough


def test_what_the_networks_need_follows_the_settings() -> None:
    assert Settings().least_visible == DefectWish().needed == 8
    assert Settings(mask=MaskSettings(patch=16)).least_visible == 16
    assert Settings(mask=MaskSettings(patch=4)).least_visible == 8, "the stride of the attention"
    assert Settings(score=ScoreSettings(smoothing=5.0)).least_visible == pytest.approx(11.77, abs=0.01)


@pytest.mark.parametrize(
    ("text", "mm", "pixels"),
    [("3px", None, 3), ("3", None, 3), ("0.5mm", 0.02, 25), (" 1,5 MM ", 0.5, 3), (".5 pixel", 9.0, 0.5)],
)
def test_lengths(text: str, mm: float | None, pixels: float) -> None:
    assert parse_length(text, mm, "it") == pytest.approx(pixels)
    assert wanting(text, mm).image.smallest_defect_pixels == pytest.approx(pixels)


@pytest.mark.parametrize(
    ("image", "told"),
    [
        ({"smallest_defect": "0.5mm"}, "millimetres: state --mm-per-pixel"),
        ({"smallest_defect": "tiny"}, "'tiny': write for example"),
        ({"smallest_defect": "0px"}, "must be above 0"),
        ({"smallest_defect": "-3px"}, "write for example"),
        ({"smallest_defect": "3px", "size": (64, 64)}, "leave out image.size"),
        ({"smallest_defect": "3px", "tile": (256, 256)}, "leave out image.size"),
        ({"mm_per_pixel": 0.0}, "must be above 0"),
        ({"mm_per_pixel": -1.0}, "must be above 0"),
    ],
    ids=str,
)
def test_what_is_no_smallest_defect_is_refused(image: dict[str, object], told: str) -> None:
    with pytest.raises(SettingsError, match=told):
        ImageSettings(**image)  # type: ignore[arg-type]


def test_the_wish_is_saved_with_the_settings(tmp_path: Path) -> None:
    settings = wanting("0.5mm", 0.02)
    settings.save(tmp_path / "settings.toml")
    assert Settings.load(tmp_path / "settings.toml") == settings


def test_training_and_check_choose_the_same(tmp_path: Path, draw: Draw) -> None:
    for number in range(6):
        draw(f"train/good/{number}.png", size=(600, 700))
    dataset = load_dataset(tmp_path)
    settings = wanting("9px")
    plan = inspect_dataset(dataset, wish=defect_wish(settings)).training
    data = prepare(dataset, settings)
    assert plan is not None and plan.size == data.image_format.size == (544, 624)
    assert plan.smallest_defect == data.smallest_defect
    assert data.smallest_defect.is_reached
    assert data.facts()["smallest_defect"]["wanted"] == 9


def test_large_images_with_small_defects_are_tiled() -> None:
    settings, sizes = wanting("8px"), [(2000, 3000)] * 3
    tiling = choose_tiling(settings, sizes)
    assert tiling is not None and tiling.size == choose_size(settings, tiling, sizes) == (256, 256)
    assert choose_tiling(Settings(), sizes) is None
    one_share = Settings(ImageSettings(smallest_defect="8px"), score=ScoreSettings(top=0.01))
    assert choose_tiling(one_share, sizes) is None, "a share of a large image says nothing of a defect"
    assert choose_size(one_share, None, sizes) == (1168, 1760)


def test_time_grows_with_the_pixels_that_pass_through_the_networks() -> None:
    small, large = WorkingSize((400, 400), False), WorkingSize((800, 800), False)
    assert relative_time(Settings(), (1600, 1600), large, small) == 4
    tiles = relative_time(Settings(), (1600, 1600), WorkingSize((256, 256), True), small)
    assert 16 < tiles < 50, "tiles overlap"

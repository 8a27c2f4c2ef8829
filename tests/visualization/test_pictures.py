"""Pictures: shapes, colours that keep their meaning, and lines where they belong."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from excision.visualization import pictures
from excision.visualization.overlays import with_reasons
from excision.visualization.pictures import UNFIT_COLOUR


def lightness(picture: NDArray[Any]) -> NDArray[Any]:
    """Relative luminance (WCAG 2), an account of brightness that the module knows nothing of."""
    linear = np.where(picture <= 10, picture / 255 / 12.92, ((picture / 255 + 0.055) / 1.055) ** 2.4)
    luminance: NDArray[Any] = linear @ np.array([0.2126, 0.7152, 0.0722])
    return luminance


def grey(height: int = 20, width: int = 12, value: float = 0.5) -> NDArray[np.float32]:
    return np.full((height, width, 1), value, np.float32)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [(1, 1), (64, 16), (16, 64)])
def test_every_picture_has_the_size_of_its_image(size: tuple[int, int], channels: int) -> None:
    image = np.random.default_rng(0).random((*size, channels), dtype=np.float32)
    plane = image[..., 0]
    mask = plane > 0.5
    made = [
        pictures.show_image(image),
        pictures.heat_map(plane, 0.5),
        pictures.attention_map(plane),
        pictures.overlay(image, plane, 0.5, [(0, 0, 1, 1)]),
        pictures.show_mask(image, mask),
        pictures.show_ground_truth(image, mask),
    ]
    assert all(picture.shape == (*size, 3) and picture.dtype == np.uint8 for picture in made)


def test_an_image_keeps_its_values() -> None:
    image = np.array([[[0.0, 0.5, 1.0]]], np.float32)
    assert pictures.show_image(image).tolist() == [[[0, 128, 255]]]
    assert pictures.show_image(image[..., 1:2]).tolist() == [[[128, 128, 128]]]


def test_both_colour_tables_rise_in_lightness() -> None:
    ramp = np.linspace(0, 2, 200, dtype=np.float32)[np.newaxis]
    for picture in (pictures.heat_map(ramp, 1.0), pictures.attention_map(ramp)):
        assert np.all(np.diff(lightness(picture)[0]) >= 0)
        assert lightness(picture)[0, -1] > 0.7


@given(st.floats(0.01, 100), st.floats(0, 300))
def test_heat_depends_on_the_ratio_to_the_threshold_alone(threshold: float, value: float) -> None:
    plane = np.full((2, 2), value, np.float32)
    plane[0, 0] = 10 * threshold  # another maximum must not change the rest
    alone = pictures.heat_map(np.full((1, 1), value / threshold, np.float32), 1.0)
    difference = pictures.heat_map(plane, threshold)[1, 1].astype(int) - alone[0, 0]
    assert np.abs(difference).max() <= 4  # rounding may move it to the neighbouring entry


@pytest.mark.parametrize("threshold", [0.0, float("inf")])
def test_heat_without_a_usable_threshold_spans_the_map(threshold: float) -> None:
    picture = pictures.heat_map(np.array([[0, 3]], np.float32), threshold)
    assert picture[0].tolist() == [[0, 0, 4], [252, 255, 164]]
    assert pictures.heat_map(np.zeros((2, 2), np.float32), threshold).max() <= 4


def test_a_flat_attention_map_is_dark() -> None:
    assert lightness(pictures.attention_map(np.full((3, 3), 7, np.float32))).max() < 0.05


def test_overlay_leaves_a_good_image_alone_and_outlines_a_defect() -> None:
    image, quiet = grey(), np.zeros((20, 12), np.float32)
    assert np.array_equal(pictures.overlay(image, quiet, 1.0), pictures.show_image(image))
    quiet[8:12, 4:8] = 1.5
    picture = pictures.overlay(image, quiet, 1.0)
    assert tuple(picture[8, 4]) == pictures.DEFECT_COLOUR
    assert tuple(picture[9, 5]) != pictures.DEFECT_COLOUR
    assert tuple(picture[0, 0]) == (128, 128, 128)


def test_a_box_is_drawn_around_its_region() -> None:
    picture = pictures.overlay(grey(), np.zeros((20, 12), np.float32), 1.0, [(4, 8, 3, 2)])
    coloured = np.argwhere((picture == pictures.DEFECT_COLOUR).all(axis=2))
    assert coloured.min(axis=0).tolist() == [6, 2]
    assert coloured.max(axis=0).tolist() == [11, 8]
    assert tuple(picture[8, 5]) == (128, 128, 128)


def test_mask_is_tinted_inside_and_the_rest_kept() -> None:
    mask = np.zeros((20, 12), bool)
    mask[4:12, 4:10] = True
    picture = pictures.show_mask(grey(value=1.0), mask)
    assert tuple(picture[4, 4]) == pictures.MASK_COLOUR
    assert picture[8, 7, 0] < 255
    assert tuple(picture[0, 0]) == (255, 255, 255)


def test_ground_truth_leaves_the_defect_visible() -> None:
    truth = np.zeros((20, 12), bool)
    truth[8:10, 4:6] = True
    picture = pictures.show_ground_truth(grey(), truth)
    assert (picture[truth] == 128).all()
    assert tuple(picture[7, 4]) == pictures.TRUTH_COLOUR


@pytest.mark.parametrize("width", [16, 300, 1500])
def test_reasons_are_written_below_a_picture(width: int) -> None:
    picture = np.full((40, width, 3), 120, np.uint8)
    found = with_reasons(picture, ("3 times darker than any training image", "out of focus"))
    np.testing.assert_array_equal(found[:40, :width], picture)
    below = found[40:]
    assert found.shape[1] == max(width, 240)
    assert (below == UNFIT_COLOUR).all(axis=2).mean() > 0.5
    assert (below == 255).all(axis=2).any()
    # Nothing is cut off: the outermost pixels are free.
    assert (below[:, -2:] == UNFIT_COLOUR).all() and (below[-2:] == UNFIT_COLOUR).all()
    assert with_reasons(picture, ()) is picture

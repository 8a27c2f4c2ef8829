"""What counts: a region of interest and a minimum area, against scipy and a slow and obvious version."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from excision.errors import ImageError, SettingsError
from excision.runtime.defect_criteria import REGION, DefectCriteria, read_region

MAPS = arrays(np.float32, (7, 9), elements=st.sampled_from([0.0, 1.0, 2.0, 3.5, 8.0]))


def slow_score(values: NDArray[np.float32], area: int) -> float:
    for level in sorted(set(values[values > 0].tolist()), reverse=True):
        labels, count = ndimage.label(values >= level, structure=np.ones((3, 3)))
        if any((labels == place).sum() >= area for place in range(1, count + 1)):
            return float(level)
    return 0.0


@given(MAPS, st.integers(1, 70))
def test_the_score_is_that_of_the_slow_version(values: NDArray[np.float32], area: int) -> None:
    assert DefectCriteria(minimum_area=area).score(values) == slow_score(values, area)


@given(MAPS, st.integers(1, 12), st.sampled_from([0.5, 1.0, 3.0, 8.0]))
def test_what_is_left_above_the_threshold_is_what_counts(
    values: NDArray[np.float32], area: int, threshold: float
) -> None:
    scope = DefectCriteria(minimum_area=area)
    above = scope.clean(values, threshold) > threshold
    labels, count = ndimage.label(values > threshold, structure=np.ones((3, 3)))
    wanted = np.zeros_like(above)
    for place in range(1, count + 1):
        wanted |= (labels == place) & ((labels == place).sum() >= area)
    np.testing.assert_array_equal(above, wanted)
    assert above.any() == (scope.score(values) > threshold)


@given(MAPS, arrays(np.bool_, (7, 9)))
def test_nothing_counts_outside_the_region(values: NDArray[np.float32], region: NDArray[np.bool_]) -> None:
    region[0, 0] = True
    scope = DefectCriteria(region)
    assert scope.score(values) == values[region].max()
    cleaned = scope.clean(values, 1.0)
    np.testing.assert_array_equal(cleaned[region], values[region])
    assert not cleaned[~region].any()


def test_a_picture_is_scaled_to_the_working_image(tmp_path: Path) -> None:
    picture = np.zeros((40, 20), np.uint8)
    picture[:20] = 255
    Image.fromarray(picture).save(tmp_path / "roi.png")
    region = read_region(tmp_path / "roi.png", (8, 8))
    assert region[:4].all() and not region[4:].any()
    DefectCriteria(region).save(tmp_path / REGION)
    np.testing.assert_array_equal(read_region(tmp_path / REGION, (8, 8)), region)
    DefectCriteria().save(tmp_path / REGION)
    assert not (tmp_path / REGION).exists()


def test_polygons_are_in_pixels_of_their_own_image(tmp_path: Path) -> None:
    path = tmp_path / "roi.toml"
    path.write_text("size = [100, 200]\npolygons = [[[0, 0], [99, 0], [99, 99], [0, 99]]]\n")
    region = read_region(path, (10, 20))
    assert region[:, :10].all() and not region[:, 10:].any()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "size = [3]",
        "size = [9, 9]\npolygons = [[1]]",
        "{",
        "size = [9, 9]\npolygons = []",
        "size = [inf, 9]\npolygons = [[[0, 0], [9, 0], [9, 9]]]",
        "size = [1000000, 1000000]\npolygons = [[[0, 0], [9, 0], [9, 9]]]",  # a terabyte
        "size = [9, 9]\npolygons = [[[inf, 0], [9, 0], [9, 9]]]",
        "size = [9, 9]\npolygons = [[[nan, 0], [9, 0], [9, 9]]]",
        "polygons = " + 9999 * "[",
        "# " + 2**20 * "x",
    ],
    ids=len,
)
def test_damaged_polygons_are_named(text: str, tmp_path: Path) -> None:
    path = tmp_path / "roi.toml"
    path.write_text(text)
    with pytest.raises(SettingsError, match=r"roi\.toml"):
        read_region(path, (10, 20))


def test_a_scope_that_finds_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="empty"):
        DefectCriteria(np.zeros((4, 4), bool))
    with pytest.raises(SettingsError, match="at least 1 pixel"):
        DefectCriteria(minimum_area=0)
    with pytest.raises(ImageError, match=r"missing\.png"):
        read_region(tmp_path / "missing.png", (4, 4))

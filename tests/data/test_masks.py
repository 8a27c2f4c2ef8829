"""The one rule by which a mask marks a defect."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from excision.data.decode import marks_defect, read_mask
from excision.errors import ImageError


def save(pixels: np.ndarray, path: Path) -> Path:
    Image.fromarray(pixels).save(path)
    return path


@pytest.mark.parametrize(
    ("stored", "expected"),
    [
        ([0, 255, 0], [0, 1, 0]),  # two values
        ([0, 1, 0], [0, 1, 0]),  # small second value
        ([0, 1, 2], [0, 1, 1]),  # numbered kinds of defect
        ([0, 127, 255], [0, 0, 1]),  # soft edges
        ([0, 128, 255], [0, 1, 1]),
        ([0, 0, 0], [0, 0, 0]),
    ],
)
def test_mask_rule(tmp_path: Path, stored: list[int], expected: list[int]) -> None:
    row = np.repeat(np.array(stored, np.uint8), 4)
    path = save(np.tile(row, (9, 1)), tmp_path / "m.png")
    mask = read_mask(path, (9, 12))
    assert mask.dtype == np.bool_
    assert np.array_equal(mask, np.tile(np.repeat(np.array(expected, bool), 4), (9, 1)))
    assert marks_defect(path) == mask.any()


def test_a_coloured_mask_counts_by_its_strongest_channel(tmp_path: Path) -> None:
    blue = np.zeros((9, 9, 3), np.uint8)
    blue[:4, :, 2] = 255
    blue[4, :, 2] = 100
    mask = read_mask(save(blue, tmp_path / "m.png"), (9, 9))
    assert mask.sum() == 4 * 9


def test_a_mask_of_another_size_is_refused(tmp_path: Path) -> None:
    path = save(np.zeros((12, 17), np.uint8), tmp_path / "m.png")
    with pytest.raises(ImageError, match=r"m.png: the mask is 17 x 12 pixels, its image 12 x 17"):
        read_mask(path, (17, 12))

"""Images as a graph sees them: of its own size, good, or with a defect drawn on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from excision.data.images import any_full_image, any_working_image
from excision.errors import ImageError
from excision.method.attention.tuning.drawn_defects import draw_defect
from excision.ops.unit_range import from_unit, to_unit
from excision.settings import ImageSettings
from excision.training.training_set import Picture

_DRAWN = 128  # pixels of the square that a defect is drawn in


def graph_image(picture: Picture, image: ImageSettings) -> NDArray[np.uint16]:
    """Give a working image (H, W, C); of a large one the tile in its middle, for a graph sees nothing larger.

    Args:
        picture: a path, or an array of an image.
        image: with size and channels settled.

    Raises:
        ImageError: the image cannot be read, or is smaller than a tile.
    """
    assert image.size is not None and image.channels is not None  # fitting settled them
    if image.tile is None:
        return any_working_image(picture, image.size, image.channels)
    full = any_full_image(picture, image.channels)
    top, left = ((whole - side) // 2 for whole, side in zip(full.shape, image.tile, strict=False))
    if min(top, left) < 0:
        what = picture if isinstance(picture, Path) else "an image"
        raise ImageError(f"{what} is smaller than a tile of {image.tile[0]} x {image.tile[1]}")
    return full[top : top + image.tile[0], left : left + image.tile[1]].copy()


def graph_input(working: NDArray[np.uint16]) -> NDArray[np.float32]:
    """Give a working image (H, W, C) as (1, C, H, W) in [0, 1]."""
    return np.ascontiguousarray(to_unit(working).transpose(2, 0, 1)[None])


def with_defect(working: NDArray[np.uint16], rng: np.random.Generator) -> NDArray[np.uint16]:
    """Draw a defect on the middle of a working image (H, W, C)."""
    unit = to_unit(working)
    side = min(*unit.shape[:2], _DRAWN)
    top, left = ((full - side) // 2 for full in unit.shape[:2])
    square = unit[top : top + side, left : left + side]
    grey = square.mean(axis=2)
    marked, _ = draw_defect(grey, lambda: grey[::-1], rng)
    square += (marked - grey)[..., None]
    return from_unit(unit.clip(0, 1))

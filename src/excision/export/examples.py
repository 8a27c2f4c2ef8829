"""Example images for a graph: in its size, normal or with a defect drawn on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from excision.method.attention.tuning.drawn_defects import draw_defect
from excision.ops.unit_range import from_unit, to_unit
from excision.tiling.image_format import ImageFormat
from excision.training.usable import Picture

_DRAWN = 128  # side in pixels of the square in which a defect is drawn


def graph_image(picture: Picture, image_format: ImageFormat) -> NDArray[np.uint16]:
    """Return a working image (H, W, C) for the graph; of a large image, the tile in its centre.

    Args:
        picture: a path, or an array of an image.
        image_format: image format of the graph.

    Raises:
        ImageError: the image cannot be read, or is smaller than a tile.
    """
    working = image_format.read(picture)
    if image_format.tiling is None:
        return working
    what = str(picture) if isinstance(picture, Path) else "an image"
    image_format.tiling.check(working.shape[0], working.shape[1], what)
    height, width = image_format.size
    top, left = (working.shape[0] - height) // 2, (working.shape[1] - width) // 2
    return working[top : top + height, left : left + width].copy()


def graph_input(working: NDArray[np.uint16]) -> NDArray[np.float32]:
    """Convert a working image (H, W, C) to (1, C, H, W) in [0, 1]."""
    return np.ascontiguousarray(to_unit(working).transpose(2, 0, 1)[None])


def with_defect(working: NDArray[np.uint16], rng: np.random.Generator) -> NDArray[np.uint16]:
    """Draw a defect on the centre of a working image (H, W, C)."""
    unit = to_unit(working)
    side = min(*unit.shape[:2], _DRAWN)
    top, left = ((full - side) // 2 for full in unit.shape[:2])
    square = unit[top : top + side, left : left + side]
    grey = square.mean(axis=2)
    marked, _ = draw_defect(grey, lambda: grey[::-1], rng)
    square += (marked - grey)[..., None]
    return from_unit(unit.clip(0, 1))

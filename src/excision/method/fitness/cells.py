"""Cuts a working image into a grid of cells of whole numbers, on which all statistics are computed.

Sums of whole numbers are exact, so the statistics have the same bits on every machine, whatever the layout of
the array in memory and whatever other images are inspected.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Whole = NDArray[np.int32]
Grid = tuple[int, int]
"""Rows and columns of cells."""

LARGEST_CELL = 32
"""Side in pixels of the largest cell; of a larger cell its central part stands for the whole.

An image of any size thus costs no more than some 64 cells of 32 x 32 pixels.
"""

LARGEST_GRID = 16
"""Most rows or columns."""

_WANTED_CELLS, _SMALLEST_CELL = 64, 8
_LUMA = (77, 150, 29)
"""BT.601 luma in 256ths."""


class Cells(NamedTuple):
    """The cells of an image, in reading order.

    Attributes:
        grey: (K, h, w), luma in [0, 65535].
        colour: (K, 3), means of red, green and blue in [0, 65535]; None for a grey image.
    """

    grey: Whole
    colour: NDArray[np.float64] | None


def choose_grid(size: tuple[int, int]) -> Grid:
    """Choose rows and columns for images of about this size (H, W): some 64 nearly square cells."""
    height, width = size
    side = max(_SMALLEST_CELL, (height * width / _WANTED_CELLS) ** 0.5)
    rows, columns = (max(2, min(LARGEST_GRID, round(length / side))) for length in (height, width))
    return rows, columns


def cut_cells(working: NDArray[np.uint16], grid: Grid) -> Cells:
    """Cut an image (H, W, C), with 65535 for 1, into the cells of a grid.

    Sides of cells are rounded down to a multiple of 4 pixels; the pixels between cells count nowhere.

    Raises:
        ValueError: the image is so small that a cell would have less than 4 x 4 pixels.
    """
    height, width, channels = working.shape
    (top, tall), (left, wide) = _spans(height, grid[0]), _spans(width, grid[1])
    picked = np.stack([working[y : y + tall, x : x + wide] for y in top for x in left])
    if channels == 1:
        return Cells(picked[..., 0].astype(np.int32), None)
    # Channel by channel: numpy is slow along the short axis of the channels.
    grey = np.zeros(picked.shape[:3], np.int32)
    for channel, weight in enumerate(_LUMA):
        grey += np.multiply(picked[..., channel], weight, dtype=np.int32)
    grey >>= 8
    some = picked[:, ::2, ::2]
    sums = [some[..., channel].sum(axis=(1, 2), dtype=np.int32) for channel in range(channels)]
    return Cells(grey, np.stack(sums, axis=1) / (some.shape[1] * some.shape[2]))


def halved(cells: Whole) -> Whole:
    """Add up squares of 2 x 2 pixels: (K, h, w) to (K, h // 2, w // 2)."""
    tall, wide = cells.shape[1] // 2 * 2, cells.shape[2] // 2 * 2
    rows = cells[:, 0:tall:2] + cells[:, 1:tall:2]
    return np.ascontiguousarray(rows[:, :, 0:wide:2] + rows[:, :, 1:wide:2])


def _spans(length: int, count: int) -> tuple[list[int], int]:
    """Return where the cells along one axis start, and their size."""
    pitch = length // count
    size = min(pitch, LARGEST_CELL) // 4 * 4
    if size < 4:
        raise ValueError(f"{length} pixels are too few for {count} cells")
    return [i * length // count + (pitch - size) // 2 for i in range(count)], size

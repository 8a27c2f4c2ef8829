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
    """The cells of an image.

    Attributes:
        grey: (h, K, w), luma in [0, 65535]: rows of a cell, cells in reading order, columns of a cell. What
            is done to neighbours of all cells is so done to one long run of numbers.
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
    picked = _picked(working, grid)
    tall, rows, columns, wide, channels = picked.shape
    # Channel by channel: numpy is slow along the short axis of the channels.
    planes = [
        picked[..., channel].astype(np.int32, order="C").reshape(tall, rows * columns, wide)
        for channel in range(channels)
    ]
    if channels == 1:
        return Cells(planes[0], None)
    some = [plane[::2].sum(axis=0, dtype=np.int32)[:, ::2].sum(axis=1, dtype=np.int32) for plane in planes]
    grey = np.zeros_like(planes[0])
    for plane, weight in zip(planes, _LUMA, strict=True):
        grey += np.multiply(plane, weight, out=plane)
    grey >>= 8
    return Cells(grey, np.stack(some, axis=1) / (tall // 2 * (wide // 2)))


def halved(cells: Whole) -> Whole:
    """Add up squares of 2 x 2 pixels: (h, K, w) to (h / 2, K, w / 2), with even h and w."""
    rows = cells[0::2] + cells[1::2]
    return rows[:, :, 0::2] + rows[:, :, 1::2]


def _picked(working: NDArray[np.uint16], grid: Grid) -> NDArray[np.uint16]:
    """Cut an image (H, W, C) into cells, (h, R, C, w, C): maybe a view of it."""
    (height, width, channels), (rows, columns) = working.shape, grid
    (top, tall), (left, wide) = _spans(height, rows), _spans(width, columns)
    if height % rows == 0 and width % columns == 0:
        whole = working.reshape(rows, height // rows, columns, width // columns, channels)
        return whole[:, top[0] : top[0] + tall, :, left[0] : left[0] + wide].transpose(1, 0, 2, 3, 4)
    picked = np.empty((tall, rows, columns, wide, channels), np.uint16)
    lines = np.array(top) + np.arange(tall)[:, None]
    for place, x in enumerate(left):
        picked[:, :, place] = working[lines, x : x + wide]
    return picked


def _spans(length: int, count: int) -> tuple[list[int], int]:
    """Return where the cells along one axis start, and their size."""
    pitch = length // count
    size = min(pitch, LARGEST_CELL) // 4 * 4
    if size < 4:
        raise ValueError(f"{length} pixels are too few for {count} cells")
    return [i * length // count + (pitch - size) // 2 for i in range(count)], size

"""Where the part is in an image, and the names of its regions.

A part before an even background is told from it by the brightness of the image's border. A surface that fills
the image has no such border, and the whole image counts. Places are given in the box around the part, from 0
at its top and left to 1, so that parts that lie elsewhere in the next image share one map.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from excision.data.images import resize_mask
from excision.ops.connected_components import find_runs

Mask = NDArray[np.bool_]

_LONGEST = 160
"""Pixels of the reduced picture in which the part is looked for."""

_EVEN = 0.035
"""Deviation of the border that an even background has at most, as a share of the range."""

_CLEAR = 0.08
"""Difference in brightness to the background that a part has at least."""

_NAMES = (
    ("upper left", "top", "upper right"),
    ("left", "centre", "right"),
    ("lower left", "bottom", "lower right"),
)
REGIONS: tuple[str, ...] = tuple(name for row in _NAMES for name in row)
"""Names of the nine regions of the part, in reading order."""


@dataclass(frozen=True, slots=True)
class Part:
    """The part in one image.

    Attributes:
        mask: (H, W), where it is.
        box: top, left, bottom and right of the box around it, in pixels.
    """

    mask: Mask
    box: tuple[int, int, int, int]

    @classmethod
    def of(cls, mask: Mask) -> Part:
        """Give the part that a mask with at least one pixel marks."""
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        return cls(mask, (int(rows[0]), int(columns[0]), int(rows[-1]) + 1, int(columns[-1]) + 1))

    def inside(self, y: float, x: float) -> tuple[float, float]:
        """Give a place in the box: 0 to 1 downwards and across."""
        top, left, bottom, right = self.box
        return (y + 0.5 - top) / (bottom - top), (x + 0.5 - left) / (right - left)

    def cell(self, row: int, column: int, grid: tuple[int, int]) -> tuple[slice, slice]:
        """Give the rows and columns of a cell of a grid over the box."""
        top, left, bottom, right = self.box
        edges = [
            [start + (end - start) * step // count for step in (number, number + 1)]
            for start, end, number, count in (
                (top, bottom, row, grid[0]),
                (left, right, column, grid[1]),
            )
        ]
        (first, last), (before, after) = edges
        return slice(first, max(last, first + 1)), slice(before, max(after, before + 1))


def find_part(image: NDArray[Any]) -> Mask | None:
    """Find a part before an even background.

    Args:
        image: (H, W, C) uint16, 65535 for 1.

    Returns:
        (H, W); None if the border is not even, or nothing stands out from it.
    """
    height, width = image.shape[:2]
    step = -(-max(height, width) // _LONGEST)
    small = image[::step, ::step].astype(np.float64).mean(axis=2) / 65535
    if min(small.shape) < 16:
        return None
    edge = max(1, min(small.shape) // 40)
    border = np.concatenate(
        [small[:edge].ravel(), small[-edge:].ravel(), small[:, :edge].ravel(), small[:, -edge:].ravel()]
    )
    level = float(np.median(border))
    spread = 1.4826 * float(np.median(np.abs(border - level)))
    if spread > _EVEN or float((np.abs(border - level) > _CLEAR).mean()) > 0.15:
        return None
    alike = np.abs(small - level) <= max(_CLEAR, 4 * spread)
    part = _largest(~_touching_border(alike))
    if not 0.03 < float(part.mean()) < 0.93:
        return None
    return resize_mask(part, (height, width))


def _largest(mask: Mask) -> Mask:
    """Keep the largest connected region of a mask."""
    runs = find_runs(mask)
    kept = np.zeros_like(mask)
    if runs.total:
        kept[mask] = runs.numbers() == int(runs.areas().argmax())
    return kept


def _touching_border(mask: Mask) -> Mask:
    """Keep the pixels of a mask that are connected with the border of the picture."""
    reached = np.zeros_like(mask)
    reached[0], reached[-1], reached[:, 0], reached[:, -1] = mask[0], mask[-1], mask[:, 0], mask[:, -1]
    while True:
        grown = reached.copy()
        grown[1:] |= reached[:-1]
        grown[:-1] |= reached[1:]
        grown[:, 1:] |= reached[:, :-1]
        grown[:, :-1] |= reached[:, 1:]
        grown &= mask
        if (grown == reached).all():
            return reached
        reached = grown


def has_background(found: Iterable[Mask | None]) -> bool:
    """Tell from several images whether the parts stand before a background: in four of five they must."""
    known = [mask is not None for mask in found]
    return bool(known) and sum(known) >= 0.8 * len(known)

"""The size of the working image, and how much detail is lost if images are larger."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

Size = tuple[int, int]
"""(H, W) in pixels."""

MAX_WORKING_PIXELS = 163_840
"""Largest number of pixels of a default working image; 640 x 256 and 400 x 400 just fit."""

SIZE_MULTIPLE = 16
"""A default size is a multiple of this, so that it can be halved four times."""

MIN_WORKING_SIDE = 32

_STRONG_REDUCTION = 2.0
"""From this reduction on fine defects are lost, and tiles are suggested."""

_STRIP = 4.0
"""An image at least this many times as long as wide is a strip."""

_TILE, _LEAST_TILE = 256, 96
"""Side of the tiles that are suggested, and the smallest side that shows enough of a surface."""


@dataclass(frozen=True, slots=True)
class Reduction:
    """How much smaller than the images the working image is.

    Attributes:
        factor: how many times shorter the sides of an image of median area become; 1 if it is not reduced.
        tile: size (H, W) of tiles that keep the full resolution; None if little detail is lost, or if images
            are too narrow for a tile.
    """

    factor: float
    tile: Size | None

    @classmethod
    def to(cls, size: Size, sizes: Sequence[Size]) -> Reduction:
        """Give the reduction of images of these sizes, at least one, to a working size."""
        factor = max(1.0, math.sqrt(median(h * w for h, w in sizes) / (size[0] * size[1])))
        return cls(factor, fitting_tile(sizes) if factor >= _STRONG_REDUCTION else None)


def fitting_tile(sizes: Sequence[Size]) -> Size | None:
    """Give the size (H, W) of square tiles for images of these sizes; None if they are too narrow."""
    widths = [min(size) for size in sizes]
    # Future images may be narrower than the narrowest so far, by as much as that is narrower than the median.
    narrow = int(2 * min(widths) - median(widths))
    side = min(_TILE, narrow // SIZE_MULTIPLE * SIZE_MULTIPLE)
    return (side, side) if side >= _LEAST_TILE else None


def strip_tile(sizes: Sequence[Size]) -> Size | None:
    """Give the size of the tiles in which strips are inspected at full resolution.

    An image several times as long as wide is treated as a strip of continuous material, in which position
    carries no information; resized as a whole, it would show its texture too small.

    Args:
        sizes: (H, W) of at least one image.

    Returns:
        (H, W); None if the images are not strips, or if resizing them loses little detail.
    """
    length = median(max(size) / min(size) for size in sizes)
    return Reduction.to(default_size(sizes), sizes).tile if length >= _STRIP else None


def default_size(sizes: Sequence[Size]) -> Size:
    """Choose a working size for images of these sizes.

    It has the median aspect ratio and the median area, or `MAX_WORKING_PIXELS` if that is smaller. Both sides
    are multiples of 16 and at least 32, and above that never longer than those of the median image.

    Args:
        sizes: (H, W) of at least one image.

    Returns:
        (H, W).
    """
    aspect = median(height / width for height, width in sizes)
    area = median(height * width for height, width in sizes)
    target = min(area, MAX_WORKING_PIXELS)
    # A strip may be so narrow that its shorter side has to grow to 32; the longer side then shrinks.
    longest_side = MAX_WORKING_PIXELS / MIN_WORKING_SIDE
    height = min((target * aspect) ** 0.5, longest_side)
    width = min((target / aspect) ** 0.5, longest_side)
    longest = ((area * aspect) ** 0.5, (area / aspect) ** 0.5)
    candidates = [
        (h, w)
        for h in _around(height)
        for w in _around(width)
        if h * w <= MAX_WORKING_PIXELS and _fits(h, longest[0]) and _fits(w, longest[1])
    ]
    return min(candidates, key=lambda size: (abs(size[0] / height - 1) + abs(size[1] / width - 1), size))


def _around(length: float) -> tuple[int, int]:
    """Give the multiples just below and above a length, neither smaller than the smallest side."""
    below = int(length + 1e-6) // SIZE_MULTIPLE * SIZE_MULTIPLE
    return max(below, MIN_WORKING_SIDE), max(below + SIZE_MULTIPLE, MIN_WORKING_SIDE)


def _fits(side: int, longest: float) -> bool:
    return side <= max(longest + 1e-6, MIN_WORKING_SIDE)

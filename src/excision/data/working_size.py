"""The working size that the smallest defect asks for, and how small a defect can be seen at a size."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from excision.data.sizes import (
    MIN_WORKING_SIDE,
    SIZE_MULTIPLE,
    Size,
    default_size,
    fitting_tile,
    strip_tile,
)

MOST_WHOLE_PIXELS = 2**21
"""Largest number of pixels of a working image that is chosen for small defects, 1448 x 1448. Above it images
are cut into tiles, since time and memory grow in proportion: training took 2.7 GB at 1024 x 1024."""


_ROUNDING = 1e-6


@dataclass(frozen=True, slots=True)
class DefectWish:
    """The smallest defect that must be seen.

    Attributes:
        wanted: its diameter in pixels of the images as given; None if not stated.
        needed: its least diameter in pixels of the working image; by default that of the default settings.
    """

    wanted: float | None = None
    needed: float = 8.0


@dataclass(frozen=True, slots=True)
class WorkingSize:
    """A working image.

    Attributes:
        size: (H, W) in pixels, of a tile if images are tiled.
        tiles: whether images are cut into tiles at full resolution.
    """

    size: Size
    tiles: bool

    def reduction(self, sizes: Sequence[Size]) -> float:
        """Give how many pixels of an image of median size become one; 1 if it is not reduced."""
        if self.tiles:
            return 1.0
        return max(1.0, *(full / side for full, side in zip(_median_image(sizes), self.size, strict=True)))


@dataclass(frozen=True, slots=True)
class SmallestDefect:
    """How small a defect can be seen, as the diameter of a compact one.

    Attributes:
        wanted: smallest defect that must be seen, in pixels of the images as given; None if not stated.
        needed: least diameter in pixels of the working image.
        visible: least diameter in pixels of an image of median size, at the size that is used.
        visible_at_default: the same at the default size.
        default: the default size.
    """

    wanted: float | None
    needed: float
    visible: float
    visible_at_default: float
    default: WorkingSize

    @classmethod
    def at(cls, chosen: WorkingSize, sizes: Sequence[Size], wish: DefectWish) -> SmallestDefect:
        """Give what can be seen in images of these sizes (H, W), at least one, at a working size."""
        default = choose_working_size(sizes)
        seen, by_default = (wish.needed * each.reduction(sizes) for each in (chosen, default))
        return cls(wish.wanted, wish.needed, seen, by_default, default)

    def share_at(self, visible: float) -> float:
        """Give the wanted diameter as a share of the least one that can be seen; 1 and more can be seen.

        Args:
            visible: least diameter that can be seen, in pixels of the images.

        Raises:
            ValueError: no defect is wanted.
        """
        if self.wanted is None:
            raise ValueError("no smallest defect was stated")
        # A size that was chosen for exactly this defect must not miss it by a rounding error.
        return self.wanted / visible * (1 + _ROUNDING)

    @property
    def is_reached(self) -> bool:
        """Whether the wanted smallest defect, if any, can be seen."""
        return self.wanted is None or self.share_at(self.visible) >= 1


def choose_working_size(
    sizes: Sequence[Size], wish: DefectWish | None = None, *, tiles: bool = True
) -> WorkingSize:
    """Choose the working size of images of these sizes.

    Without a wanted defect it is the default: tiles for strips, and `default_size` for all else. With one, it
    is the smallest size, but none below the default, at which the defect has the diameter that is needed in
    an image of median size. Images are not enlarged for that, but for the next multiple of `SIZE_MULTIPLE`.

    Args:
        sizes: (H, W) of at least one image.
        wish: the smallest defect that must be seen; None states none.
        tiles: False if images cannot be tiled.
    """
    strip = strip_tile(sizes) if tiles else None
    if strip is not None:
        return WorkingSize(strip, True)
    usual = default_size(sizes)
    if wish is None or wish.wanted is None:
        return WorkingSize(usual, False)
    scale = min(1.0, wish.needed / wish.wanted)
    wished = tuple(_multiple_above(scale * full) for full in _median_image(sizes))
    height, width = (max(pair) for pair in zip(usual, wished, strict=True))
    if height * width <= MOST_WHOLE_PIXELS:
        return WorkingSize((height, width), False)
    tile = fitting_tile(sizes) if tiles else None
    if tile is not None:
        return WorkingSize(tile, True)
    share = math.sqrt(MOST_WHOLE_PIXELS / (height * width))
    largest = (_multiple_below(share * height), _multiple_below(share * width))
    return WorkingSize((max(usual[0], largest[0]), max(usual[1], largest[1])), False)


def _median_image(sizes: Sequence[Size]) -> tuple[float, float]:
    """Give height and width of an image of median shape and median area."""
    aspect = median(height / width for height, width in sizes)
    area = median(height * width for height, width in sizes)
    return math.sqrt(area * aspect), math.sqrt(area / aspect)


def _multiple_above(side: float) -> int:
    return max(MIN_WORKING_SIDE, math.ceil(side / SIZE_MULTIPLE - 1e-9) * SIZE_MULTIPLE)


def _multiple_below(side: float) -> int:
    return max(MIN_WORKING_SIDE, int(side) // SIZE_MULTIPLE * SIZE_MULTIPLE)

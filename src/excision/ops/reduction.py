"""Reducing a large image block by block from its parts, without ever holding it in floating point."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from excision.ops.bands import band_rows
from excision.ops.unit_range import to_unit

FloatImage = NDArray[np.float32]
Place = tuple[slice, slice]


def reduced_shape(size: tuple[int, int], factor: int) -> tuple[int, int]:
    """Give (h, w) of an image of size (H, W) that is reduced by a factor, rounded up."""
    return -(-size[0] // factor), -(-size[1] // factor)


def shrink_map(anomaly_map: FloatImage, factor: int) -> FloatImage:
    """Reduce a map (H, W) to the largest value of each block, so that the smallest defect remains visible."""
    place = (slice(0, anomaly_map.shape[0]), slice(0, anomaly_map.shape[1]))
    return combine_blocks(anomaly_map, place, factor, np.maximum)


def shrink_mask(mask: NDArray[np.bool_], factor: int) -> NDArray[np.bool_]:
    """Reduce a mask (H, W): a block is True if any of its pixels is."""
    return combine_blocks(mask, (slice(0, mask.shape[0]), slice(0, mask.shape[1])), factor, np.logical_or)


def shrink_image(working: NDArray[np.uint16], factor: int) -> FloatImage:
    """Reduce a working image (H, W, C) to the mean of each block, (h, w, C) float32 in [0, 1]."""
    height, width, _ = working.shape
    picture = BlockMean(working.shape, factor)
    for top, bottom in band_rows(height, width):
        place = (slice(top, bottom), slice(0, width))
        picture.add(place, to_unit(working[top:bottom]))
    return picture.finished()


class BlockMean:
    """The mean of each block of `factor` x `factor` pixels, collected from parts of the image."""

    def __init__(self, shape: tuple[int, ...], factor: int) -> None:
        height, width, channels = shape
        self._factor = factor
        self._sides = (height, width)
        self._total = np.zeros((*reduced_shape((height, width), factor), channels), dtype=np.float32)

    def add(self, place: Place, values: FloatImage) -> None:
        """Add values (h, w, C) of one part of the image."""
        self.add_sums(place, self.sums(place, values))

    def sums(self, place: Place, values: FloatImage) -> FloatImage:
        """Give the sums of the blocks of one part of the image; nothing is added yet."""
        return combine_blocks(values, place, self._factor, np.add)

    def add_sums(self, place: Place, sums: FloatImage) -> None:
        """Add the sums of the blocks of one part of the image."""
        self._total[blocks(place, self._factor)] += sums

    def finished(self) -> FloatImage:
        """Give the means, (h, w, C); blocks at the right and lower border may be smaller."""
        rows, columns = (
            np.minimum(self._factor, side - np.arange(0, side, self._factor)) for side in self._sides
        )
        self._total /= (rows[:, None] * columns).astype(np.float32)[..., None]
        return self._total


def blocks(place: Place, factor: int) -> Place:
    """Give the blocks that a part of the image overlaps."""
    down, across = (slice(axis.start // factor, (axis.stop - 1) // factor + 1) for axis in place)
    return down, across


def combine_blocks(values: NDArray[Any], place: Place, factor: int, combine: np.ufunc) -> NDArray[Any]:
    """Combine the values (h, w, ...) of a part of the image block by block, for the `blocks` of that part."""
    if factor == 1:
        return values
    for axis, part in enumerate(place):
        first = -(-(part.start + 1) // factor) * factor
        edges = [0, *range(first - part.start, part.stop - part.start, factor)]
        values = combine.reduceat(values, edges, axis=axis)
    return values

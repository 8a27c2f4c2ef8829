"""Colours from a sensor with a Bayer pattern, by bilinear interpolation.

Source: the bilinear interpolation of section 2 in Malvar, He and Cutler, "High-quality linear interpolation
for demosaicing of Bayer-patterned color images" (ICASSP 2004).
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

Pattern = Literal["RG", "GR", "GB", "BG"]
"""Colours of the first two pixels of the first row; the second row has the other two."""

_CHANNEL = {"R": 0, "G": 1, "B": 2}
_SECOND_ROW = {"RG": "GB", "GR": "BG", "GB": "RG", "BG": "GR"}


def demosaic(raw: NDArray[np.unsignedinteger], pattern: Pattern) -> NDArray[np.uint16]:
    """Interpolate the two colours that each pixel lacks as the mean of its nearest neighbours that have them.

    Beyond the border the image is mirrored about its outermost pixels, which keeps the pattern. Means are
    rounded to the nearest whole number, halves up.

    Args:
        raw: (H, W) unsigned integers of at most 16 bits; H and W are at least 2.
        pattern: of the sensor.

    Returns:
        (H, W, 3) uint16 RGB in the scale of `raw`.
    """
    height, width = raw.shape
    padded = np.pad(raw.astype(np.uint32), 1, mode="reflect")
    colours = np.empty((height, width, 3), np.uint16)
    rows = pattern, _SECOND_ROW[pattern]
    for top in (0, 1):
        for left in (0, 1):
            near = _Neighbours(padded, top, left, (height, width))
            out = colours[top::2, left::2]
            own = rows[top][left]
            out[..., _CHANNEL[own]] = near.at((0, 0))
            across, along = near.mean((-1, 0), (1, 0)), near.mean((0, -1), (0, 1))
            if own == "G":
                out[..., _CHANNEL[rows[top][1 - left]]] = along
                out[..., _CHANNEL[rows[1 - top][left]]] = across
            else:
                out[..., 1] = near.mean((-1, 0), (1, 0), (0, -1), (0, 1))
                out[..., 2 - _CHANNEL[own]] = near.mean((-1, -1), (-1, 1), (1, -1), (1, 1))
    return colours


class _Neighbours:
    """The neighbours of every second pixel of every second row, in an image with a border of one pixel."""

    def __init__(self, padded: NDArray[np.uint32], top: int, left: int, size: tuple[int, int]) -> None:
        self._padded, self._top, self._left = padded, top, left
        self._height, self._width = size[0] - top, size[1] - left

    def at(self, offset: tuple[int, int]) -> NDArray[np.uint32]:
        top, left = self._top + 1 + offset[0], self._left + 1 + offset[1]
        return self._padded[top : top + self._height : 2, left : left + self._width : 2]

    def mean(self, *offsets: tuple[int, int]) -> NDArray[np.uint32]:
        total = sum((self.at(offset) for offset in offsets[1:]), self.at(offsets[0]))
        return (total + len(offsets) // 2) // len(offsets)

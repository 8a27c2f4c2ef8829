"""The stride of a feature map, from its size and that of the image."""

from __future__ import annotations

import math
from collections.abc import Sequence

WANTED = (8, 16)
"""Strides of the maps that are compared."""


def stride_of(shape: Sequence[int], size: tuple[int, int]) -> int | None:
    """Return the stride of a map (1, C, h, w) of an image (H, W), a power of two; None if it is no map."""
    if len(shape) != 4 or min(shape) < 1 or max(shape[2:]) == 1:
        return None
    found = _strides(shape, size)
    return found.pop() if len(found) == 1 else None


def coarseness(shape: Sequence[int], size: tuple[int, int]) -> int:
    """Return the larger stride along both axes; 1 for what is no map, such as a mean over all positions."""
    if len(shape) != 4 or min(shape) < 1 or max(shape[2:]) == 1:
        return 1
    return max(_strides(shape, size))


def _strides(shape: Sequence[int], size: tuple[int, int]) -> set[int]:
    pairs = zip(size, shape[2:], strict=True)
    return {2 ** round(math.log2(max(1, side / there))) for side, there in pairs}

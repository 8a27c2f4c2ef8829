"""Recognises an image that was turned, mirrored or inverted: undone, it is like training images."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from excision.method.fitness.norm import Comparison

Working = NDArray[np.uint16]

_MUCH = 0.5
"""Share of the image's own deviation that must be left at most."""

_SQUARE = 1.2
"""Ratio of the sides up to which a working image can be turned by a quarter."""

_UNDONE: tuple[tuple[str, bool, Callable[[Working], Working]], ...] = (
    ("inverted (a negative)", False, lambda image: 65535 - image),
    ("upside down (turned by 180 degrees)", False, lambda image: image[::-1, ::-1]),
    ("mirrored left to right", False, lambda image: image[:, ::-1]),
    ("mirrored top to bottom", False, lambda image: image[::-1]),
    ("turned by 90 degrees to the right", True, lambda image: np.rot90(image, 1)),
    ("turned by 90 degrees to the left", True, lambda image: np.rot90(image, -1)),
)


def turned_back(working: Working, limit: float, compare: Callable[[Working], Comparison]) -> tuple[str, ...]:
    """Return a reason if undoing one of these makes an unfit image fit, and nothing otherwise.

    Args:
        working: unfit image (H, W, C).
        limit: largest deviation of a fit image.
        compare: compares an image with training images.
    """
    before = compare(working).largest
    height, width = working.shape[:2]
    is_square = max(height, width) <= _SQUARE * min(height, width)
    best: tuple[float, str] | None = None
    for words, quarter, undo in _UNDONE:
        if quarter and not is_square:
            continue
        left = compare(np.ascontiguousarray(undo(working))).largest
        if left <= min(limit, _MUCH * before) and (best is None or left < best[0]):
            best = left, words
    if best is None:
        return ()
    return (
        f"the image is {best[1]}: undone, it looks like the training images. Check the settings of the "
        "camera and how the part lies",
    )

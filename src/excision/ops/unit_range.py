"""The one conversion between working images, uint16 with 65535 for white, and the unit range."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_WHITE = np.float32(65535)


def to_unit(working: NDArray[np.uint16]) -> NDArray[np.float32]:
    """Convert working images of any shape, uint16 in [0, 65535], to float32 in [0, 1]."""
    unit: NDArray[np.float32] = working.astype(np.float32) / _WHITE
    return unit


def from_unit(image: NDArray[np.float32]) -> NDArray[np.uint16]:
    """Convert images of any shape, float32 in [0, 1], to uint16 in [0, 65535]; halves are rounded to even."""
    scaled: NDArray[np.float32] = np.rint(image * _WHITE)
    return scaled.astype(np.uint16)

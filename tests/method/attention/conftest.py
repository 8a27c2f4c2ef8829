"""Digits to draw with, real where they are at hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

MNIST = Path(__file__).parents[3].parent / "shared" / "data" / "mnist"


def real_mnist() -> Path:
    """The folder of MNIST's files; the test is skipped where it is absent."""
    if not MNIST.is_dir():
        pytest.skip(f"MNIST is not in {MNIST}")
    return MNIST


@pytest.fixture(scope="session")
def strokes() -> NDArray[np.uint8]:
    """Ten shapes that pass for digits: bars, crosses and rings, bright on black."""
    y, x = np.mgrid[-14:14, -14:14] + 0.5
    radius = np.hypot(y, x)
    shapes = [
        np.exp(-((x / 2) ** 4)) * (abs(y) < 10),
        np.exp(-(((x - y) / 3) ** 4)) * (radius < 11),
        np.exp(-(((radius - 7) / 2) ** 4)),
        np.maximum(np.exp(-((x / 2) ** 4)), np.exp(-((y / 2) ** 4))) * (radius < 10),
        np.exp(-(((radius - 9) / 2) ** 4)) * (x > -3),
    ]
    turned = [shape.T for shape in shapes]
    digits: NDArray[np.uint8] = (255 * np.array(shapes + turned)).astype(np.uint8)
    return digits

"""Poisson blending: an image that has given differences between neighbours, and a given border.

Pérez, Gangnet, Blake, "Poisson image editing", ACM Transactions on Graphics 22, 2003. On a rectangle the
equation is solved exactly by two sine transforms (Buzbee, Golub, Nielson, "On direct methods for solving
Poisson's equations", SIAM Journal on Numerical Analysis 7, 1970).
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

FloatImage = NDArray[np.float32]
Floats = NDArray[np.float64]


def poisson_blend(target: FloatImage, source: FloatImage, inside: NDArray[np.bool_]) -> FloatImage:
    """Give an image that varies as `source` does inside a region, and as `target` does outside it.

    Differences between neighbours are those of the source where both pixels lie inside, else those of the
    target. The border of the picture is that of the target, so that no seam shows.

    Args:
        target: (H, W) brightness, H and W of at least 3 pixels.
        source: (H, W) brightness; only its differences count.
        inside: (H, W) bool, the region.

    Returns:
        (H, W) brightness, not limited to [0, 1].
    """
    divergence = np.zeros(target.shape)
    for axis in (0, 1):
        low, high = (np.s_[:-1, :], np.s_[1:, :]) if axis == 0 else (np.s_[:, :-1], np.s_[:, 1:])
        both = inside[low] & inside[high]
        steps = np.where(both, np.diff(source, axis=axis), np.diff(target, axis=axis)).astype(np.float64)
        divergence[low] += steps
        divergence[high] -= steps
    return solve_poisson(divergence, target)


def solve_poisson(divergence: Floats, border: FloatImage) -> FloatImage:
    """Solve the discrete Poisson equation on a rectangle.

    Args:
        divergence: (H, W); for each pixel, the wanted sum of the differences to its four neighbours. That of
            the border is not used.
        border: (H, W), whose outermost pixels are kept.

    Returns:
        (H, W), H and W of at least 3 pixels.
    """
    solved = border.astype(np.float64)
    wanted = divergence[1:-1, 1:-1].copy()
    wanted[0] -= solved[0, 1:-1]
    wanted[-1] -= solved[-1, 1:-1]
    wanted[:, 0] -= solved[1:-1, 0]
    wanted[:, -1] -= solved[1:-1, -1]
    (rows, down), (columns, across) = (_sines(side) for side in wanted.shape)
    spectrum = rows @ wanted @ columns / (down[:, None] + across)
    solved[1:-1, 1:-1] = rows @ spectrum @ columns
    return solved.astype(np.float32)


@lru_cache(maxsize=256)
def _sines(count: int) -> tuple[Floats, Floats]:
    """Give the orthonormal sine transform of `count` points, its own inverse, and the Laplacian's values."""
    places = np.arange(1, count + 1)
    waves = np.sqrt(2 / (count + 1)) * np.sin(np.pi * np.outer(places, places) / (count + 1))
    return waves, 2 * np.cos(np.pi * places / (count + 1)) - 2

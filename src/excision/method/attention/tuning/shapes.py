"""Shapes of drawn defects other than strokes: blobs, spots, bands and edges."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from excision.method.attention.digits import smooth_fields

FloatImage = NDArray[np.float32]


class Region(NamedTuple):
    """The region of a drawn defect.

    Attributes:
        share: (S, S) in [0, 1], the share of each pixel that belongs to it.
        seam: True if it divides the picture in two, so that only its border shows that something is wrong.
    """

    share: FloatImage
    seam: bool


def random_region(rng: np.random.Generator, size: int) -> Region:
    """Draw a blob, a spot, a band across the picture, or one side of an edge, with a sharp or soft rim."""
    draw = rng.choice(4, p=(0.35, 0.25, 0.2, 0.2))
    shapes = (_blob, _spot, _band, _side)
    inside = shapes[draw](rng, size).astype(np.float32)
    softness = int(rng.choice((0, 1, 2, 4), p=(0.35, 0.3, 0.2, 0.15)))
    return Region(box_blur(inside, softness), seam=draw >= 2)


def box_blur(plane: FloatImage, radius: int) -> FloatImage:
    """Average (H, W) twice over a square window of side 2 * `radius` + 1."""
    if radius == 0:
        return plane
    down, across = (_averaging(side, radius) for side in plane.shape)
    blurred = down @ torch.from_numpy(plane) @ across.T
    result: FloatImage = blurred.numpy().clip(plane.min(), plane.max())
    return result


@lru_cache(maxsize=64)
def _averaging(side: int, radius: int) -> Tensor:
    """Return the matrix (side, side) that averages twice over the pixels up to `radius` away."""
    place = torch.arange(side)
    near = ((place[:, None] - place).abs() <= radius).double()
    once = near / near.sum(dim=1, keepdim=True)
    return (once @ once).float()


def _blob(rng: np.random.Generator, size: int) -> NDArray[np.bool_]:
    field = smooth_fields(rng, 1, size, int(rng.integers(3, 9)))[0]
    high = field > np.quantile(field, rng.uniform(0.6, 0.97))
    y, x = _pixels(size)
    centre, radius = rng.uniform(0, size, size=2).tolist(), size * rng.uniform(0.1, 0.5)
    near = (y - centre[0]) ** 2 + (x - centre[1]) ** 2 < radius**2
    blob: NDArray[np.bool_] = high & near
    return blob


def _spot(rng: np.random.Generator, size: int) -> NDArray[np.bool_]:
    radius = size * math.exp(rng.uniform(math.log(0.02), math.log(0.35)))
    stretch, angle = math.exp(rng.uniform(-1, 1)), rng.uniform(0, np.pi)
    centre = rng.uniform(0, size, size=2).tolist()
    y, x = _pixels(size)
    dy, dx = y - centre[0], x - centre[1]
    u = (math.cos(angle) * dx + math.sin(angle) * dy) / stretch
    v = (math.cos(angle) * dy - math.sin(angle) * dx) * stretch
    uneven = 0.6 * rng.random() * radius**2 * smooth_fields(rng, 1, size, 8)[0]
    inside: NDArray[np.bool_] = u**2 + v**2 + uneven < radius**2
    return inside


def _side(rng: np.random.Generator, size: int) -> NDArray[np.bool_]:
    inside: NDArray[np.bool_] = _across(rng, size) > 0
    return inside


def _band(rng: np.random.Generator, size: int) -> NDArray[np.bool_]:
    across = _across(rng, size)
    inside: NDArray[np.bool_] = (across > 0) & (across < size * rng.uniform(0.08, 0.5))
    return inside


def _across(rng: np.random.Generator, size: int) -> FloatImage:
    """Signed distance in pixels from a wavy line through the picture, most often along a side of it."""
    along_side = rng.random() < 0.6
    angle = float(rng.choice((0.0, np.pi / 2))) + rng.normal(0, 0.2) if along_side else rng.uniform(0, np.pi)
    y, x = (plane - size / 2 for plane in _pixels(size))
    wave = 0.05 * size * rng.random() * smooth_fields(rng, 1, size, 5)[0]
    offset = rng.uniform(-0.4, 0.4) * size
    distance: FloatImage = math.cos(angle) * x + math.sin(angle) * y + (wave - offset)
    return distance


def _pixels(size: int) -> tuple[FloatImage, FloatImage]:
    """Return the position of each row, (size, 1), and of each column, (1, size), in pixels."""
    along = np.arange(size, dtype=np.float32)
    return along[:, None], along[None, :]

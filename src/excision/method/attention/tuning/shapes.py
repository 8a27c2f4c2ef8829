"""Shapes of drawn defects other than strokes: blobs, spots, bands and edges."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

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
    blurred = torch.from_numpy(plane)[None, None]
    for _ in range(2):
        blurred = functional.avg_pool2d(blurred, 2 * radius + 1, 1, radius, count_include_pad=False)
    result: FloatImage = blurred[0, 0].numpy()
    return result


def _blob(rng: np.random.Generator, size: int) -> NDArray[np.bool_]:
    field = smooth_fields(rng, 1, size, int(rng.integers(3, 9)))[0]
    high = field > np.quantile(field, rng.uniform(0.6, 0.97))
    y, x = np.mgrid[:size, :size]
    centre, radius = rng.uniform(0, size, size=2), size * rng.uniform(0.1, 0.5)
    near = (y - centre[0]) ** 2 + (x - centre[1]) ** 2 < radius**2
    blob: NDArray[np.bool_] = high & near
    return blob


def _spot(rng: np.random.Generator, size: int) -> NDArray[np.bool_]:
    radius = size * np.exp(rng.uniform(np.log(0.02), np.log(0.35)))
    stretch, angle = np.exp(rng.uniform(-1, 1)), rng.uniform(0, np.pi)
    centre = rng.uniform(0, size, size=2)
    y, x = np.mgrid[:size, :size]
    dy, dx = y - centre[0], x - centre[1]
    u = (np.cos(angle) * dx + np.sin(angle) * dy) / stretch
    v = (np.cos(angle) * dy - np.sin(angle) * dx) * stretch
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
    angle = rng.choice((0.0, np.pi / 2)) + rng.normal(0, 0.2) if along_side else rng.uniform(0, np.pi)
    y, x = np.mgrid[:size, :size].astype(np.float32) - size / 2
    wave = 0.05 * size * rng.random() * smooth_fields(rng, 1, size, 5)[0]
    distance: FloatImage = np.cos(angle) * x + np.sin(angle) * y + wave - rng.uniform(-0.4, 0.4) * size
    return distance

"""A procedural machined part: the same part in every image, displaced by a few pixels and a degree."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from excision.synthetic.surfaces import FloatImage, Size, photographed

MACHINED_CONTRAST = 0.045
"""Standard deviation of the brightness of a face of the part, without holes and outline."""

_LIGHT = 0.8  # radians; where it comes from
_RADIUS, _HUB, _BORE = 105, 39, 22  # of a picture of 256 pixels, as all lengths here
_HOLES, _HOLE, _RING = 6, 9.6, 74


def machined_part(
    rng: np.random.Generator, size: Size, aside: float = 1.6, turned: float | None = 0.02
) -> FloatImage:
    """Draw a turned flange with a hub, a bore and a ring of holes, as seen by a camera.

    Args:
        rng: draws its pose and the marks of the tool.
        size: (H, W) of the image.
        aside: standard deviation of its position along either axis, in pixels of an image of 256.
        turned: standard deviation of its angle in radians; None for a uniformly random rotation.

    Returns:
        (H, W) float32 in [0, 1].
    """
    x, y, pixel = _lying(rng, size, aside, turned)
    radius, angle = np.hypot(x, y), np.arctan2(y, x)
    # A turned face reflects across its grooves, in two sectors.
    sheen = 0.16 * np.cos(2 * (angle - 0.6 - rng.normal(0, 0.05))) ** 2 * np.clip(radius / 96, 0, 1)
    part = 0.42 + _grooves(rng, radius) + sheen
    hub = 0.3 + 0.03 * np.sin(1.4 * radius) + 0.08 * np.cos(angle + 1)
    part = _cut(part, hub, x, y, _HUB, pixel)
    part = _cut(part, 0.06, x, y, _BORE, pixel)
    for turn in 0.3 + np.arange(_HOLES) * 2 * np.pi / _HOLES:
        part = _cut(part, 0.07, x - _RING * np.cos(turn), y - _RING * np.sin(turn), _HOLE, pixel)
    backdrop = np.full_like(part, 0.15)
    return photographed(rng, _cut(backdrop, part, x, y, _RADIUS, pixel))


def _lying(
    rng: np.random.Generator, size: Size, aside: float, turned: float | None
) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
    """Give the coordinates x and y of each pixel on the part, (H, W), and the size of a pixel on it."""
    height, width = size
    pixel = 256 / min(size)
    angle = rng.uniform(-np.pi, np.pi) if turned is None else rng.normal(0, turned)
    right, down = rng.normal(0, aside, 2)
    rows, columns = np.mgrid[:height, :width]
    across = (columns - (width - 1) / 2) * pixel - right
    along = (rows - (height - 1) / 2) * pixel - down
    cos, sin = np.cos(angle), np.sin(angle)
    return cos * across + sin * along, cos * along - sin * across, pixel


def _grooves(rng: np.random.Generator, radius: NDArray[np.float64]) -> NDArray[np.float64]:
    """Grooves of the tool around the centre, with a fine pitch and irregularities of the material."""
    uneven = np.convolve(rng.standard_normal(1200), [0.25, 0.5, 0.25], mode="same")
    rings = np.interp(4 * radius, np.arange(len(uneven)), uneven)
    pitch = np.sin(2 * np.pi * radius / 4.1 + rng.uniform(0, 2 * np.pi))
    grooves: NDArray[np.float64] = 0.04 * rings + 0.02 * pitch
    return grooves


def _cut(
    outside: NDArray[np.float64],
    inside: NDArray[np.float64] | float,
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    radius: float,
    pixel: float,
) -> NDArray[np.float64]:
    """Add a disc to an image, with a rim that is bright towards the light and dark on the other side."""
    distance = np.hypot(x, y) - radius
    covered = np.clip(0.5 - distance / pixel, 0, 1)
    towards = np.cos(np.arctan2(y, x) - _LIGHT)
    rim = 0.22 * towards * np.exp(-(((distance - 1.2) / 1.3) ** 2))
    cut: NDArray[np.float64] = covered * inside + (1 - covered) * outside + rim
    return cut

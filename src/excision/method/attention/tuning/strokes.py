"""Pen strokes like handwriting, which replace MNIST digits where MNIST is not available."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

SIDE = 28  # pixels, as a MNIST digit has
_FINER = 4  # drawn this many times larger, then averaged, for smooth edges
_MARGIN = 4

Points = NDArray[np.float64]


def pen_stroke(rng: np.random.Generator) -> NDArray[np.uint8]:
    """Draw one to three joined pen strokes, 255 on 0; (28, 28)."""
    picture = Image.new("L", (SIDE * _FINER, SIDE * _FINER))
    pen = ImageDraw.Draw(picture)
    radius = rng.uniform(0.75, 1.75) * _FINER
    start = rng.uniform(_MARGIN + 1, SIDE - _MARGIN - 1, size=2)
    for _ in range(rng.choice([1, 2, 3], p=[0.5, 0.35, 0.15])):
        path = _smooth(_wander(rng, start))
        points = (path * _FINER)[:, ::-1]
        pen.line(points.ravel().tolist(), fill=255, width=round(2 * radius))
        _dot(pen, points[1:-1], radius - 1)  # joints; those that `line` draws take most of its time
        _dot(pen, points[[0, -1]], radius)
        start = path[rng.integers(len(path))]
    return np.asarray(picture.resize((SIDE, SIDE), Image.Resampling.BOX))


def _dot(pen: ImageDraw.ImageDraw, points: Points, radius: float) -> None:
    """Draw a disc around each point (x, y) of (N, 2)."""
    for corners in np.concatenate((points - radius, points + radius), axis=1).tolist():
        pen.ellipse(corners, fill=255)


def _wander(rng: np.random.Generator, start: Points) -> Points:
    """Walk a few steps from `start`, turning at random and staying on the paper; (N, 2)."""
    points = [start]
    heading = rng.uniform(0, 2 * np.pi)
    for _ in range(rng.integers(2, 6)):
        heading += rng.normal()
        step = rng.uniform(4, 9) * np.array([np.sin(heading), np.cos(heading)])
        if not (np.abs(points[-1] + step - SIDE / 2) < SIDE / 2 - _MARGIN).all():
            to_middle = SIDE / 2 - points[-1]
            heading = np.arctan2(to_middle[0], to_middle[1]) + rng.normal(0, 0.5)
            step = 5 * np.array([np.sin(heading), np.cos(heading)])
        points.append(np.clip(points[-1] + step, _MARGIN, SIDE - _MARGIN))
    return np.array(points)


def _smooth(points: Points) -> Points:
    """Cut the corners three times (Chaikin, "An algorithm for high-speed curve generation", 1974)."""
    for _ in range(3):
        before, after = points[:-1], points[1:]
        cut = np.stack((0.75 * before + 0.25 * after, 0.25 * before + 0.75 * after), axis=1)
        points = np.concatenate((points[:1], cut.reshape(-1, 2), points[-1:]))
    return points

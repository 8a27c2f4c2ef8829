"""Drawing defects on a good image: scratches, pits, stains, cracks and burrs, each with its mask.

Every function takes an image (H, W) float32 in [0, 1] and the standard deviation of its surface, and gives
the image with the defect and its mask (H, W) bool. The contrast of a defect is random, in units of that
deviation, from barely visible to obvious.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from excision.synthetic.surfaces import FloatImage, smooth_noise

Defective = tuple[FloatImage, NDArray[np.bool_]]
Point = tuple[float, float]
Line = tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]
"""Rows, columns and widths along a line, in pixels."""

_FINE = 4
"""Strokes are drawn this many times larger and then averaged, for smooth edges."""


def scratch(rng: np.random.Generator, image: FloatImage, deviation: float) -> Defective:
    """Draw a scratch: a long, thin, slightly bent line, bright where metal is bare and dark in its shadow."""
    unit = _unit(image)
    length, angle = unit * rng.uniform(50, 150), rng.uniform(0, np.pi)
    start = _inside(rng, image, margin=0.2)
    along = np.linspace(-0.5, 0.5, 40)
    bend = unit * rng.normal(0, 12) * (along**2 - 0.08)
    y = start[0] + length * along * np.sin(angle) + bend * np.cos(angle)
    x = start[1] + length * along * np.cos(angle) - bend * np.sin(angle)
    width = unit * rng.uniform(1.1, 2.4) * (0.35 + np.sqrt(np.clip(1 - (2 * along) ** 2, 0, 1)))
    core = _strokes(image, [(y, x, width)])
    shadow = np.roll(core, (1, 1), axis=(0, 1)) * (1 - core)
    sign = rng.choice((1.0, 1.0, -1.0))
    contrast = _contrast(rng, deviation, 2.5, 7.0)
    return _with(image, sign * contrast * (core - 0.5 * shadow), core)


def pit(rng: np.random.Generator, image: FloatImage, deviation: float) -> Defective:
    """Draw pits: one to four small craters, dark inside, with a rim that is bright towards the light."""
    height, width = image.shape
    y, x = np.mgrid[:height, :width].astype(np.float32)
    depth = np.zeros_like(image)
    for _ in range(rng.integers(1, 5)):
        centre = _inside(rng, image, margin=0.08)
        radius = _unit(image) * rng.uniform(2.8, 7)
        dy, dx = y - centre[0], x - centre[1]
        turn = np.arctan2(dy, dx)
        outline = radius * (
            1 + 0.18 * np.cos(2 * turn + rng.uniform(0, 6.3)) + 0.1 * np.cos(3 * turn + rng.uniform(0, 6.3))
        )
        depth = np.maximum(depth, np.clip(1.4 * (1 - (np.hypot(dy, dx) / outline) ** 2), 0, 1))
    slope_y, slope_x = np.gradient(depth)
    relief = -0.8 * depth + 1.2 * (slope_y + slope_x)
    return _with(image, _contrast(rng, deviation, 2.0, 6.0) * relief, depth, edge=0.15)


def stain(rng: np.random.Generator, image: FloatImage, deviation: float) -> Defective:
    """Draw a stain: a dried patch of liquid, darker or brighter with a stronger rim; the texture remains."""
    height, width = image.shape
    y, x = np.mgrid[:height, :width].astype(np.float32)
    centre = _inside(rng, image, margin=0.15)
    unit = _unit(image)
    radius, stretch = unit * rng.uniform(14, 38), rng.uniform(0.7, 1.4)
    distance = np.hypot((y - centre[0]) * stretch, (x - centre[1]) / stretch) / radius
    uneven = distance + 0.22 * smooth_noise(rng, image.shape, 9 * unit, 9 * unit)
    inside = 1 / (1 + np.exp(np.clip((uneven - 1) / 0.06, -40, 40)))
    rim = np.exp(-(((uneven - 0.93) / 0.09) ** 2))
    body = 0.75 + 0.12 * smooth_noise(rng, image.shape, 6 * unit, 6 * unit)
    sign = rng.choice((-1.0, -1.0, 1.0))
    contrast = min(_contrast(rng, deviation, 1.0, 3.5), 0.3)
    # Liquid soaks in: it changes brightness in proportion, so that the texture shows through.
    change = sign * contrast * (inside * body + 0.45 * rim) * (0.4 + 0.6 * image / max(image.mean(), 1e-6))
    return _with(image, change, inside, edge=0.5)


def crack(rng: np.random.Generator, image: FloatImage, deviation: float) -> Defective:
    """Draw a crack: a dark line that wanders, thins out and may branch."""
    unit = _unit(image)
    start, heading = _inside(rng, image, margin=0.15), rng.uniform(0, 2 * np.pi)
    width, steps = unit * rng.uniform(1.4, 2.6), int(rng.integers(30, 70))
    main = _walk(rng, start, heading, width=width, steps=steps, unit=unit)
    branches = []
    for _ in range(rng.integers(0, 3)):
        at = int(rng.integers(steps // 4, 3 * steps // 4))
        turn = rng.choice((-1, 1)) * rng.uniform(0.4, 1.0)
        origin = (main[0][at], main[1][at])
        branches.append(
            _walk(rng, origin, heading + turn, width=0.7 * main[2][at], steps=steps // 2, unit=unit)
        )
    core = _strokes(image, [main, *branches])
    return _with(image, -_contrast(rng, deviation, 2.5, 7.0) * core, core)


def burr(rng: np.random.Generator, image: FloatImage, deviation: float) -> Defective:
    """Draw burrs: one to three bright bumps of metal at an edge in the image."""
    height, width = image.shape
    y, x = np.mgrid[:height, :width].astype(np.float32)
    unit = _unit(image)
    slope = np.hypot(*np.gradient(image))
    steep = np.argwhere(slope > np.quantile(slope, 0.98))
    place = steep[rng.integers(len(steep))]
    height_of = np.zeros_like(image)
    for _ in range(rng.integers(1, 4)):
        dy, dx = y - place[0] - unit * rng.normal(0, 3), x - place[1] - unit * rng.normal(0, 3)
        turn, long, short = rng.uniform(0, np.pi), unit * rng.uniform(3, 6), unit * rng.uniform(2, 3)
        along, across = np.cos(turn) * dx + np.sin(turn) * dy, np.cos(turn) * dy - np.sin(turn) * dx
        height_of = np.maximum(height_of, np.exp(-0.5 * ((along / long) ** 2 + (across / short) ** 2)))
    return _with(image, _contrast(rng, deviation, 3.0, 8.0) * height_of, height_of)


def _walk(
    rng: np.random.Generator, start: Point, heading: float, *, width: float, steps: int, unit: float
) -> Line:
    """Give a line that keeps its heading on average and thins towards its end."""
    headings = heading + 0.45 * rng.standard_normal(steps) + 0.08 * np.cumsum(rng.standard_normal(steps))
    y = start[0] + 2.2 * unit * np.cumsum(np.sin(headings))
    x = start[1] + 2.2 * unit * np.cumsum(np.cos(headings))
    return y, x, width * np.linspace(1, 0.35, steps) * rng.uniform(0.75, 1.25, steps)


def _strokes(image: FloatImage, lines: list[Line]) -> FloatImage:
    """Draw lines of varying width; give the coverage of each pixel, (H, W) in [0, 1]."""
    height, width = image.shape
    canvas = Image.new("L", (width * _FINE, height * _FINE))
    pen = ImageDraw.Draw(canvas)
    for ys, xs, widths in lines:
        for i in range(len(ys)):
            y, x, r = ys[i] * _FINE, xs[i] * _FINE, max(widths[i] * _FINE / 2, 0.5)
            pen.ellipse((x - r, y - r, x + r, y + r), fill=255)
            if i:
                pen.line((xs[i - 1] * _FINE, ys[i - 1] * _FINE, x, y), fill=255, width=max(1, round(2 * r)))
    covered = canvas.resize((width, height), Image.Resampling.BOX)
    share: FloatImage = np.asarray(covered, dtype=np.float32) / np.float32(255)
    return share


def _with(
    image: FloatImage, change: NDArray[np.floating], cover: NDArray[np.floating], edge: float = 0.3
) -> Defective:
    """Add a change to the image; the mask is True where the defect covers more than `edge` of a pixel."""
    return np.clip(image + change, 0, 1).astype(np.float32), cover > edge


def _contrast(rng: np.random.Generator, deviation: float, low: float, high: float) -> float:
    """Draw a random contrast between `low` and `high` deviations of the surface, on a logarithmic scale."""
    deviations: float = low * (high / low) ** rng.random()
    return float(min(max(deviations * deviation, 0.05), 0.5))


def _unit(image: FloatImage) -> float:
    """Give the length of one pixel of an image with 256 pixels."""
    shorter: int = min(image.shape)
    return shorter / 256


def _inside(rng: np.random.Generator, image: FloatImage, margin: float) -> Point:
    """Draw a random point that is at least the share `margin` of the image away from its border."""
    height, width = image.shape
    return height * rng.uniform(margin, 1 - margin), width * rng.uniform(margin, 1 - margin)


Draw = Callable[[np.random.Generator, FloatImage, float], Defective]

DEFECTS: dict[str, Draw] = {"scratch": scratch, "pit": pit, "stain": stain, "crack": crack}
"""The defects of all surfaces, by the name of their folder."""

PART_DEFECTS: dict[str, Draw] = {**DEFECTS, "burr": burr}
"""The defects of a part, which also has edges."""

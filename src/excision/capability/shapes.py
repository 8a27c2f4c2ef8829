"""The geometry of drawn defects: lines that wander, and blobs with an uneven outline.

Every shape is drawn on a small square of pixels around its middle. Edges are averaged over the pixel, so that
a line may be thinner than a pixel. None of this is shared with the shapes that the attention is tuned on.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_BRANCHES = 3


@dataclass(frozen=True, slots=True)
class Path:
    """A line.

    Attributes:
        points: (N, 2) rows and columns relative to its middle, in pixels.
        widths: (N,) in pixels.
    """

    points: Floats
    widths: Floats


def scratch_path(rng: np.random.Generator, length: float, width: float, direction: float) -> Path:
    """Give a line of a length that keeps its direction but for a slow drift, and ends in points."""
    steps = max(6, min(40, round(length / max(width, 1.0))))
    drift = np.cumsum(rng.normal(0, 0.35 / math.sqrt(steps), steps))
    points = _walk(direction + drift - drift.mean(), length / steps)
    along = np.linspace(-1, 1, steps + 1)
    return Path(points, width * np.sqrt(np.clip(1 - along**4, 0.15, 1)))


def crack_paths(rng: np.random.Generator, length: float, width: float, direction: float) -> list[Path]:
    """Give a jagged line with this distance between its ends, and up to three branches that thin out."""
    steps = max(8, min(48, round(length / max(2 * width, 2.0))))
    headings = (
        direction + rng.normal(0, 0.55, steps) + np.cumsum(rng.normal(0, 0.3 / math.sqrt(steps), steps))
    )
    walk = _walk(headings, 1.0)
    ends = walk[-1] - walk[0]
    # Turned and scaled, so that the ends are where they are said to be.
    turn = direction - math.atan2(float(ends[0]), float(ends[1]))
    rotation = np.array([[math.cos(turn), math.sin(turn)], [-math.sin(turn), math.cos(turn)]])
    scale = length / max(float(np.hypot(*ends)), 1e-9)
    main = (walk - (walk[0] + walk[-1]) / 2) @ rotation.T * scale
    paths = [Path(main, width * np.linspace(1.25, 0.5, steps + 1))]
    for _ in range(int(rng.integers(0, _BRANCHES + 1))):
        at = int(rng.integers(steps // 5, steps - steps // 5))
        count = max(3, steps // 5)
        side = rng.choice((-1.0, 1.0)) * rng.uniform(0.4, 1.0)
        branch = _walk(direction + side + rng.normal(0, 0.5, count), length / steps)
        branch = branch - branch[0] + main[at]
        paths.append(Path(branch, 0.7 * width * np.linspace(1, 0.4, count + 1)))
    return paths


def _walk(headings: Floats, step: float) -> Floats:
    """Give the points (N + 1, 2) of a walk with N headings, centred on its middle."""
    moves = step * np.stack([np.sin(headings), np.cos(headings)], axis=1)
    points = np.concatenate([np.zeros((1, 2)), np.cumsum(moves, axis=0)])
    centred: Floats = points - (points.min(axis=0) + points.max(axis=0)) / 2
    return centred


def reach(paths: list[Path]) -> int:
    """Give the half side in pixels of a square that holds lines with their edges."""
    most = max(float(np.abs(path.points).max() + 1.5 * path.widths.max()) for path in paths)
    return math.ceil(most) + 2


def stroke(paths: list[Path], half: int, inner: float = 0.0, outer: float = 0.5) -> Floats:
    """Give the share of each pixel between two distances from a line.

    Args:
        paths: lines.
        half: half side of the square in pixels.
        inner: distance from the middle of the line at which the band begins, as a share of its width.
        outer: distance at which it ends; 0.5 is the edge of the line.

    Returns:
        (2 half + 1, 2 half + 1) in [0, 1].
    """
    covered = np.zeros((2 * half + 1, 2 * half + 1))
    for path in paths:
        for number in range(len(path.points) - 1):
            _segment(covered, path, number, half, (inner, outer))
    return covered


def _segment(covered: Floats, path: Path, number: int, half: int, band: tuple[float, float]) -> None:
    (y0, x0), (y1, x1) = path.points[number] + half, path.points[number + 1] + half
    width = (path.widths[number] + path.widths[number + 1]) / 2
    margin = band[1] * width + 1.5
    top, left = max(0, math.floor(min(y0, y1) - margin)), max(0, math.floor(min(x0, x1) - margin))
    bottom = min(len(covered), math.ceil(max(y0, y1) + margin) + 1)
    right = min(len(covered), math.ceil(max(x0, x1) + margin) + 1)
    y, x = np.mgrid[top:bottom, left:right].astype(np.float64)
    dy, dx = y1 - y0, x1 - x0
    along = np.clip(((y - y0) * dy + (x - x0) * dx) / max(dy * dy + dx * dx, 1e-12), 0, 1)
    distance = np.hypot(y - y0 - along * dy, x - x0 - along * dx)
    share = _overlap(distance, band[0] * width, band[1] * width)
    place = covered[top:bottom, left:right]
    np.maximum(place, share, out=place)


def _overlap(distance: Floats, inner: float, outer: float) -> Floats:
    """Give the share of a pixel at a distance from a line whose distances lie in [inner, outer]."""

    def inside(edge: float) -> Floats:
        share = np.minimum(distance + 0.5, edge) - np.maximum(distance - 0.5, -edge)
        return np.asarray(np.clip(share, 0, 1))

    return inside(outer) if inner <= 0 else np.asarray(np.clip(inside(outer) - inside(inner), 0, 1))


@dataclass(frozen=True, slots=True)
class Blob:
    """A compact shape.

    Attributes:
        radius: (S, S) distance from the middle, 1 at the outline.
        share: (S, S) share of each pixel inside, in [0, 1].
        down: (S, S) place along the direction, -1 at one end and 1 at the other.
    """

    radius: Floats
    share: Floats
    down: Floats


def blob(
    rng: np.random.Generator, axes: tuple[float, float], direction: float, *, uneven: float, corners: int = 0
) -> Blob:
    """Give a shape with an uneven outline.

    Args:
        rng: source of the outline.
        axes: length and width in pixels, from outline to outline.
        direction: of its length, in radians from the columns.
        uneven: how much the outline swings, as a share of the radius; the area stays that of the ellipse.
        corners: of a polygon; 0 for a smooth outline.
    """
    half = math.ceil(max(axes) / 2 * (1 + uneven) * 1.15) + 2
    y, x = np.mgrid[-half : half + 1, -half : half + 1].astype(np.float64)
    along = (x * math.cos(direction) + y * math.sin(direction)) / (max(axes[0], 0.2) / 2)
    across = (y * math.cos(direction) - x * math.sin(direction)) / (max(axes[1], 0.2) / 2)
    angle = np.arctan2(across, along)
    outline = _polygon(rng, angle, corners, uneven) if corners else _waves(rng, angle, uneven)
    radius = np.hypot(along, across) / outline
    # The distance to the outline in pixels is about that along the radius.
    step = np.hypot(*np.gradient(radius)) + 1e-9
    share = np.clip(0.5 + (1 - radius) / step, 0, 1)
    # A shape smaller than a pixel fills a share of it.
    area = math.pi * axes[0] * axes[1] / 4
    total = float(share.sum())
    if area < 12 and total > 0:
        share = np.clip(share * area / total, 0, 1)
    return Blob(radius, share, along)


def _waves(rng: np.random.Generator, angle: Floats, uneven: float) -> Floats:
    swing = np.zeros_like(angle)
    for order in (2, 3, 5):
        swing += rng.uniform(0.3, 1) / order * np.cos(order * angle + rng.uniform(0, 2 * math.pi))
    outline = 1 + uneven * swing
    return np.asarray(outline / math.sqrt(float((outline**2).mean())))


def _polygon(rng: np.random.Generator, angle: Floats, corners: int, uneven: float) -> Floats:
    """Give the distance of a polygon's outline from its middle in each direction."""
    turns = (np.arange(corners) + rng.uniform(-0.25, 0.25, corners)) * 2 * math.pi / corners
    radii = 1 + uneven * rng.uniform(-1, 1, corners)
    corner = np.stack([radii * np.cos(turns), radii * np.sin(turns)], axis=1)
    order = np.argsort(turns)
    corner, turns = corner[order], turns[order]
    after = np.roll(corner, -1, axis=0)
    place = (
        np.searchsorted(turns, np.mod(angle - turns[0], 2 * math.pi) + turns[0], side="right") - 1
    ) % corners
    first, second = corner[place], after[place]
    edge = second - first
    cross = first[..., 0] * edge[..., 1] - first[..., 1] * edge[..., 0]
    outline = np.abs(cross / (np.cos(angle) * edge[..., 1] - np.sin(angle) * edge[..., 0] + 1e-9))
    area = 0.5 * abs(float((corner[:, 0] * after[:, 1] - corner[:, 1] * after[:, 0]).sum()))
    return np.asarray(np.clip(outline, 0.3, 2) * math.sqrt(math.pi / area))

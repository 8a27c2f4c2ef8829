"""Parts for `harder_sets.py`: a figure that reaches the border of the image, and a board with components."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from excision.synthetic.surfaces import photographed, smooth_noise

Array = NDArray[np.floating]
Mask = NDArray[np.bool_]

SIZE = (256, 256)
Y, X = (plane - 127.5 for plane in np.mgrid[: SIZE[0], : SIZE[1]].astype(np.float64))

# Ends (x, y) and radius of the rounded bars that make up the figure.
_BARS = (
    ((0, -30), (0, 45), 34),
    ((0, -80), (0, -78), 24),
    ((-22, -22), (-104, -52), 12),
    ((22, -22), (104, 4), 12),
    ((-15, 50), (-28, 98), 14),
    ((15, 50), (28, 98), 14),
)


def figure(rng: np.random.Generator) -> Array:
    """Draw a moulded figure that lies so far aside that a hand is cut off by the border in some images."""
    x, y = _lying(rng, aside=8, turned=0.04)
    height = np.full(SIZE, -np.inf)
    for begin, end, radius in _BARS:
        height = np.maximum(height, radius - _distance(x, y, begin, end))
    inside = 1 / (1 + np.exp(-np.clip(height / 0.7, -40, 40)))
    dome = np.sqrt(np.clip(height, 0, 20) / 20)
    slope_y, slope_x = np.gradient(dome)
    shade = 0.45 + 0.15 * dome - 0.9 * (slope_x + slope_y) + 0.02 * smooth_noise(rng, SIZE, 2, 2)
    for place in ((-9, -84), (9, -84), (0, -40), (0, -15), (0, 10)):
        shade -= 0.25 * np.exp(-(((x - place[0]) ** 2 + (y - place[1]) ** 2) / 14))
    backdrop = 0.2 + 0.01 * smooth_noise(rng, SIZE, 3, 3)
    return photographed(rng, inside * shade + (1 - inside) * backdrop)


@dataclass(frozen=True)
class Component:
    """A component on a board, or an empty site for one.

    Attributes:
        kind: "resistor", "capacitor", "chip" or "empty".
        x: its centre from that of the board, in pixels.
        y: as `x`, downwards.
    """

    kind: str
    x: float
    y: float


KINDS = ("resistor", "capacitor", "chip", "empty")
HALF = {"resistor": (15, 6), "capacitor": (10, 10), "chip": (17, 13), "empty": (0, 0)}

_LAYOUT = "rrce/chrc/ecrh/rehc"
_LETTERS = {"r": "resistor", "c": "capacitor", "h": "chip", "e": "empty"}
BOARD = tuple(
    Component(_LETTERS[letter], 56 * column - 84, 56 * row - 84)
    for row, line in enumerate(_LAYOUT.split("/"))
    for column, letter in enumerate(line)
)


def board(rng: np.random.Generator, components: tuple[Component, ...] = BOARD) -> tuple[Array, Array, Array]:
    """Draw a board; return it with the coordinates x and y of each pixel on it, all (H, W)."""
    x, y = _lying(rng, aside=2, turned=0.01)
    shade = 0.3 + 0.01 * smooth_noise(rng, SIZE, 1, 1) + 0.05 * (np.abs(np.mod(x + 3, 28) - 14) < 1.2)
    for each in components:
        across = x - each.x - rng.normal(0, 0.7)
        down = y - each.y - rng.normal(0, 0.7)
        shade = _placed(shade, each.kind, across, down)
    return photographed(rng, np.where((np.abs(x) < 120) & (np.abs(y) < 120), shade, 0.1)), x, y


def missing(rng: np.random.Generator) -> tuple[Array, Mask]:
    """Leave one component out."""
    at = int(rng.choice([place for place, each in enumerate(BOARD) if each.kind != "empty"]))
    return _changed(rng, {at: "empty"})


def twice(rng: np.random.Generator) -> tuple[Array, Mask]:
    """Put one component more on an empty site."""
    at = int(rng.choice([place for place, each in enumerate(BOARD) if each.kind == "empty"]))
    return _changed(rng, {at: str(rng.choice(KINDS[:3]))})


def swapped(rng: np.random.Generator) -> tuple[Array, Mask]:
    """Exchange two components of different kinds."""
    while True:
        one, other = rng.choice(len(BOARD), 2, replace=False)
        kinds = BOARD[one].kind, BOARD[other].kind
        if kinds[0] != kinds[1] and "empty" not in kinds:
            return _changed(rng, {int(one): kinds[1], int(other): kinds[0]})


BOARD_DEFECTS = {"missing": missing, "twice": twice, "swapped": swapped}


def _changed(rng: np.random.Generator, changes: dict[int, str]) -> tuple[Array, Mask]:
    """Draw a board with other kinds of components at some places; the mask is where they are and were."""
    parts = tuple(
        Component(changes.get(place, each.kind), each.x, each.y) for place, each in enumerate(BOARD)
    )
    image, x, y = board(rng, parts)
    mask = np.zeros(SIZE, dtype=bool)
    for place, kind in changes.items():
        for half_x, half_y in (HALF[kind], HALF[BOARD[place].kind]):
            mask |= (np.abs(x - BOARD[place].x) <= half_x) & (np.abs(y - BOARD[place].y) <= half_y)
    return image, mask


def _placed(shade: Array, kind: str, x: Array, y: Array) -> Array:
    """Put a component on the board; x and y are relative to its centre."""
    half_x, half_y = HALF[kind]
    # Solder pads are on the board whether there is a component or not.
    pads = (np.abs(np.abs(x) - 14) < 4) & (np.abs(y) < 5)
    shade = np.where(pads, 0.65, shade)
    box = (np.abs(x) < half_x) & (np.abs(y) < half_y)
    if kind == "resistor":
        bands = 0.35 + 0.25 * (np.mod(x + 12, 8) < 3)
        return np.where(box, np.where(np.abs(x) < 11, bands, 0.7), shade)
    if kind == "capacitor":
        radius = np.hypot(x, y)
        return np.where(radius < half_x, 0.75 - 0.2 * (radius > 7) - 0.3 * ((x > 4) & (radius < 7)), shade)
    if kind == "chip":
        pins = (np.abs(x) > 13) & (np.mod(y + 2, 6) < 3)
        body = np.where(np.hypot(x + 9, y + 8) < 2.5, 0.3, 0.12)
        return np.where(box, np.where(np.abs(x) < 13, body, np.where(pins, 0.7, shade)), shade)
    return shade


def _lying(rng: np.random.Generator, aside: float, turned: float) -> tuple[Array, Array]:
    """Return the coordinates x and y of each pixel on a part, (H, W), which lies a little aside."""
    angle = rng.normal(0, turned)
    right, down = rng.normal(0, aside, 2)
    cos, sin = np.cos(angle), np.sin(angle)
    return cos * (X - right) + sin * (Y - down), cos * (Y - down) - sin * (X - right)


def _distance(x: Array, y: Array, begin: tuple[float, float], end: tuple[float, float]) -> Array:
    """Distance of points from a line segment."""
    run, rise = end[0] - begin[0], end[1] - begin[1]
    along = np.clip(((x - begin[0]) * run + (y - begin[1]) * rise) / (run**2 + rise**2), 0, 1)
    return np.hypot(x - begin[0] - along * run, y - begin[1] - along * rise)

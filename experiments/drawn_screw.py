"""A screw for `harder_sets.py`, sound or misshapen: a defect of its shape is a change of its geometry."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from excision.synthetic.surfaces import photographed, smooth_noise

Array = NDArray[np.floating]
Mask = NDArray[np.bool_]

SIDE = 1024
"""Side of a picture of the screw in pixels."""

_TIP, _HEAD, _HEAD_TOP = 400.0, -300.0, -420.0  # along the axis, pixels
_HEAD_RADIUS, _SHAFT_RADIUS = 165, 80
_VISIBLE = 0.03  # brightness; a smaller change is no part of a mask

SHAPES = {
    "bent": ((10, 30), (2, 8)),
    "worn": ((0.4, 0.9), (0.1, 0.35)),
    "shifted": ((0.8, 2.5), (0.15, 0.6)),
    "blunt": ((15, 50), (3, 12)),
    "chipped": ((9, 24), (2, 8)),
}
"""Smallest and largest amount of each kind, and of a slight one: pixels at the end of the bent shaft, share
of the thread that is worn off, phase of the thread in radians, pixels of the tip, radius of a chip."""


@dataclass(frozen=True)
class Screw:
    """The coordinates of each pixel, and what is wrong with the screw.

    Attributes:
        along: (H, W), coordinate along the axis in pixels, towards the tip.
        across: (H, W), coordinate across it.
        wear: (H, W), share of the thread that is worn off.
        turn: (H, W), phase by which the thread is shifted, in radians.
        end: where the tip ends, along the axis.
        missing: (H, W), what is chipped off.
    """

    along: Array
    across: Array
    wear: Array | float = 0.0
    turn: Array | float = 0.0
    end: float = _TIP
    missing: Mask | bool = False

    def picture(self, grain: Array) -> tuple[Array, Mask]:
        """Draw the screw with this grain (H, W) of its metal: brightness (H, W), and where it is."""
        along, across = self.along, self.across
        turns = 2 * np.pi * (along + 0.12 * across * np.sign(along)) / 34 + 0.2 + self.turn
        radius = np.clip((_TIP - along) / 80, 0, 1) * 78 + 8 * np.sin(turns) * (1 - self.wear)
        shaft = (np.abs(across) < radius) & (along > _HEAD) & (along < self.end)
        head = (np.abs(across) < _HEAD_RADIUS) & (along > _HEAD_TOP) & (along <= _HEAD)
        shaft, head = shaft & ~np.asarray(self.missing), head & ~np.asarray(self.missing)
        round_ = np.sqrt(np.clip(1 - (across / np.where(head, 175, 92)) ** 2, 0, 1))
        thread = np.where(shaft, 0.13 * np.sin(turns + 0.9) * (1 - self.wear), 0.02 * np.sin(across / 3))
        metal = 0.25 + 0.32 * round_ + thread + grain
        return gaussian_filter(np.where(shaft | head, metal, 0.1), 0.8), shaft | head


def drawn_screw(rng: np.random.Generator, side: int = SIDE) -> tuple[Array, Mask]:
    """Draw a screw with head, thread and tip in any rotation, (H, W) in [0, 1], and where it is."""
    picture, metal = _lying(rng, side).picture(_grain(rng, side))
    return photographed(rng, picture), metal


def misshapen_screw(
    rng: np.random.Generator, kind: str, slight: bool = False, side: int = SIDE
) -> tuple[Array, Mask]:
    """Draw a screw with a defect of its shape, (H, W) in [0, 1], and where it differs from a sound one."""
    while True:
        sound = _lying(rng, side)
        wrong = _misshapen(rng, sound, kind, *SHAPES[kind][slight])
        grain = _grain(rng, side)
        picture = wrong.picture(grain)[0]
        mask = np.abs(picture - sound.picture(grain)[0]) > _VISIBLE
        if mask.any():  # else the defect lies where the screw already ends
            return photographed(rng, picture), mask


def _lying(rng: np.random.Generator, side: int) -> Screw:
    angle, (down, right) = rng.uniform(-np.pi, np.pi), rng.normal(0, 8, 2)
    rows, columns = ((np.mgrid[:side, :side] - (side - 1) / 2) * (SIDE / side)).astype(np.float32)
    along = np.cos(angle) * (columns - right) + np.sin(angle) * (rows - down)
    across = np.cos(angle) * (rows - down) - np.sin(angle) * (columns - right)
    return Screw(along, across)


def _grain(rng: np.random.Generator, side: int) -> Array:
    return 0.012 * smooth_noise(rng, (side, side), 1.5, 1.5)


def _misshapen(rng: np.random.Generator, sound: Screw, kind: str, least: float, most: float) -> Screw:
    along, across, sign = sound.along, sound.across, rng.choice((-1, 1))
    if kind == "bent":
        aside = sign * rng.uniform(least, most) * (np.clip(along + 100, 0, None) / 500) ** 2
        return replace(sound, across=across + aside)
    if kind == "worn":
        at, half = rng.uniform(-220, 250), rng.uniform(25, 60)
        return replace(sound, wear=rng.uniform(least, most) * _between(along, at, half, 4))
    if kind == "shifted":
        at, half = rng.uniform(-200, 200), rng.uniform(30, 80)
        return replace(sound, turn=sign * rng.uniform(least, most) * _between(along, at, half, 2))
    if kind == "blunt":
        return replace(sound, end=_TIP - rng.uniform(least, most))
    if rng.random() < 0.5:
        place = rng.choice((_HEAD_TOP, _HEAD)), sign * _HEAD_RADIUS
    else:
        place = rng.uniform(-280, 300), sign * _SHAFT_RADIUS
    uneven = 5 * smooth_noise(rng, along.shape, 4, 4)
    far = np.hypot(along - place[0], across - place[1]) + uneven
    return replace(sound, missing=far < rng.uniform(least, most))


def _between(along: Array, at: float, half: float, soft: float) -> Array:
    """Return 1 within `half` pixels of a place on the axis and 0 elsewhere, with soft ends."""
    inside: Array = 1 / (1 + np.exp(-np.clip((half - np.abs(along - at)) / soft, -30, 30)))
    return inside

"""Parts for `harder_sets.py` that vary by themselves: pliers, a label of cloth, a lid loose on its box.

Good ones vary within a stated range. Defects of texture (a scratch, a stain, a chip) may lie anywhere on the
part. Those of shape: bent, beyond the range of good ones, a piece missing, a notch.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_erosion, gaussian_filter

from excision.synthetic.defects import scratch, stain
from excision.synthetic.parts import MACHINED_CONTRAST
from excision.synthetic.surfaces import photographed, smooth_noise

Array = NDArray[np.floating]
Mask = NDArray[np.bool_]

SIZE = (256, 256)
Y, X = (plane - 127.5 for plane in np.mgrid[: SIZE[0], : SIZE[1]].astype(np.float64))

OPENING = np.deg2rad(20)
"""By which the opening of good pliers differs from the mean one at most, in radians."""
WARP = 4.0
"""Largest standard deviation of the warp of a good label in pixels; its largest displacement is about 10."""
PLAY = 6.0
"""By which a good lid is shifted on its box at most, along either axis, in pixels."""
_TWIST = np.deg2rad(2)  # and by which it is turned
_VISIBLE = 0.03  # brightness; a smaller change is no part of a mask
_BACKDROP = 0.18


class Varying(Protocol):
    """A part that varies. `wrong` gives it with a defect of its shape, and the same part without it."""

    @classmethod
    def drawn(cls, rng: np.random.Generator) -> Self: ...
    def wrong(self, rng: np.random.Generator, kind: str) -> tuple[Self, Self]: ...
    def surface(self) -> tuple[Array, Mask]: ...


@dataclass(frozen=True)
class Pliers:
    """Two halves that turn about a pivot, in any rotation.

    Attributes:
        x: (H, W), coordinate of each pixel across the pliers.
        y: towards the handles.
        opening: between the halves in radians, relative to the mean one.
        bent: by how many pixels the end of each handle is bent aside.
        jaw: length of each jaw in pixels.
        screw: whether there is a screw in the pivot.
    """

    x: Array
    y: Array
    opening: float
    bent: tuple[float, float] = (0.0, 0.0)
    jaw: tuple[float, float] = (74.0, 74.0)
    screw: bool = True

    @classmethod
    def drawn(cls, rng: np.random.Generator) -> Pliers:
        return cls(*_lying(rng, None, 5), rng.uniform(-OPENING, OPENING))

    def wrong(self, rng: np.random.Generator, kind: str) -> tuple[Pliers, Pliers]:
        side, sign = int(rng.integers(2)), float(rng.choice((-1, 1)))
        if kind == "beyond":
            # Closed any further, one half would hide the other.
            return replace(self, opening=OPENING * rng.uniform(1.25, 1.7)), replace(self, opening=OPENING)
        if kind == "bent":
            aside = sign * rng.uniform(6, 18)
            return replace(self, bent=(aside, 0.0) if side else (0.0, aside)), self
        if rng.random() < 0.4:
            return replace(self, screw=False), self
        left = rng.uniform(30, 62)
        return replace(self, jaw=(left, 74.0) if side else (74.0, left)), self

    def surface(self) -> tuple[Array, Mask]:
        shade, covered = np.full(SIZE, _BACKDROP), np.zeros(SIZE, bool)
        for half, sign in enumerate((-1, 1)):
            angle = sign * (np.deg2rad(30) + self.opening) / 2
            across = np.cos(angle) * self.x + np.sin(angle) * self.y
            along = np.cos(angle) * self.y - np.sin(angle) * self.x
            across = across - self.bent[half] * (np.clip(along - 25, 0, None) / 75) ** 2
            height = np.maximum(
                _bar(across, along, (0, 0), (-5 * sign, -self.jaw[half]), 12 + 0.08 * np.clip(along, -74, 0)),
                np.maximum(_bar(across, along, (0, 0), (3 * sign, 98), 11), 20 - np.hypot(across, along)),
            )
            metal = 0.42 + 0.16 * np.sqrt(np.clip(height, 0, 9) / 9) + 0.02 * np.sin(across / 1.3)
            teeth = 0.07 * np.sign(np.sin(2 * np.pi * along / 6)) * (along < -30) * (across * sign < -5)
            grip = 0.3 + 0.07 * np.sin(2 * np.pi * along / 9) + 0.08 * np.sqrt(np.clip(height, 0, 9) / 9)
            print_ = 0.2 * ((np.abs(across) < 4) & (np.abs(along - 31) < 5) & (np.mod(along, 4) < 2))
            own = np.where(along > 40, grip, metal + teeth - print_ * (half == 1))
            shade = np.where(height > 0, own - 0.15 * (height < 1.5), shade)
            covered |= height > 0
        if self.screw:
            radius = np.hypot(self.x, self.y)
            slot = (np.abs(across) < 1.5) & (radius < 9)
            shade = np.where(radius < 10, 0.68 - 0.35 * slot - 0.2 * (radius > 8.5), shade)
        return shade, covered


@dataclass(frozen=True)
class Label:
    """A label of cloth that is never quite flat.

    Attributes:
        x: (H, W), coordinate of each pixel on the label, to the right.
        y: downwards.
        warp: (2, H, W), smooth noise of unit standard deviation, by which it is warped.
        amount: of this warp, in pixels.
        fold: (2, H, W), a further warp in pixels.
        missing: which of its printed elements is missing; none if negative.
    """

    x: Array
    y: Array
    warp: Array
    amount: float
    fold: Array | float = 0.0
    missing: int = -1

    @classmethod
    def drawn(cls, rng: np.random.Generator) -> Label:
        warp = np.stack([smooth_noise(rng, SIZE, 32, 32) for _ in range(2)])
        return cls(*_lying(rng, 0.06, 4), warp, rng.uniform(1, WARP))

    def wrong(self, rng: np.random.Generator, kind: str) -> tuple[Label, Label]:
        if kind == "beyond":
            return replace(self, amount=WARP * rng.uniform(1.6, 2.4)), replace(self, amount=WARP)
        if kind == "bent":
            far = np.hypot(self.x - rng.uniform(-60, 60), self.y - rng.uniform(-40, 40)) / rng.uniform(13, 20)
            angle = rng.uniform(-np.pi, np.pi)
            aside = rng.uniform(7, 14) * np.exp(-(far**2) / 2)
            return replace(self, fold=np.stack((np.cos(angle) * aside, np.sin(angle) * aside))), self
        return replace(self, missing=int(rng.integers(len(_PRINT)))), self

    def surface(self) -> tuple[Array, Mask]:
        moved = self.warp * self.amount + self.fold
        x, y = self.x + moved[0], self.y + moved[1]
        weave = 0.03 * (np.sin(2 * np.pi * x / 3.7) + np.sin(2 * np.pi * y / 3.9))
        shade = 0.62 + weave
        for number, (left, top, width, height) in enumerate(_PRINT):
            if number != self.missing:
                ink = (x >= left) & (x < left + width) & (y >= top) & (y < top + height)
                shade = np.where(ink, 0.25 + weave, shade)
        covered = (np.abs(x) < 94) & (np.abs(y) < 68)
        seam = np.maximum(np.abs(x) - 94, np.abs(y) - 68)
        stitch = (np.abs(seam + 7) < 1.2) & (np.mod(x + y, 8) < 5)
        return np.where(covered, np.where(stitch, 0.4, shade), _BACKDROP), covered


def _printed() -> list[tuple[float, float, float, float]]:
    """Give left, top, width and height of what is printed on the label: four lines of blocks and a mark."""
    rng, found = np.random.default_rng(5), [(44.0, -50.0, 34.0, 34.0)]
    for line in range(4):
        left, most = -78.0, 34 if line < 2 else 74
        while left < most:
            width = float(rng.integers(4, 13))
            found.append((left, -48.0 + 26 * line, width, 13.0))
            left += width + 4
    return found


_PRINT = _printed()


@dataclass(frozen=True)
class Box:
    """A box whose lid has some play.

    Attributes:
        x: (H, W), coordinate of each pixel on the box, to the right.
        y: downwards.
        aside: shift of the lid to the right and down, in pixels.
        turned: rotation of the lid in radians.
        bent: by how many pixels the right end of the lid is bent down.
        missing: which fitting is missing: one of four screws, or the latch; none if negative.
    """

    x: Array
    y: Array
    aside: tuple[float, float]
    turned: float
    bent: float = 0.0
    missing: int = -1

    @classmethod
    def drawn(cls, rng: np.random.Generator) -> Box:
        across, down = rng.uniform(-PLAY, PLAY, 2)
        return cls(*_lying(rng, 0.04, 4), (across, down), rng.uniform(-_TWIST, _TWIST))

    def wrong(self, rng: np.random.Generator, kind: str) -> tuple[Box, Box]:
        sign = float(rng.choice((-1, 1)))
        if kind == "beyond":
            far, free = PLAY * rng.uniform(1.6, 2.4), self.aside[0]
            if rng.random() < 0.5:
                return replace(self, aside=(free, sign * far)), replace(self, aside=(free, sign * PLAY))
            return replace(self, aside=(sign * far, free)), replace(self, aside=(sign * PLAY, free))
        if kind == "bent":
            return replace(self, bent=sign * rng.uniform(5, 12)), self
        return replace(self, missing=int(rng.integers(5))), self

    def surface(self) -> tuple[Array, Mask]:
        covered = _rounded(self.x, self.y, 106, 90) > 0
        ticks = (np.mod(self.x + 100, 14) < 2) & (np.abs(np.abs(self.y) - 85) < 3)
        shade = np.where(covered, 0.36 - 0.15 * ticks, _BACKDROP)
        x, y = self.x - self.aside[0], self.y - self.aside[1]
        x, y = (
            np.cos(self.turned) * x + np.sin(self.turned) * y,
            np.cos(self.turned) * y - np.sin(self.turned) * x,
        )
        y = y - self.bent * (np.clip(x, 0, None) / 82) ** 2
        height = _rounded(x, y, 82, 64)
        ribs = 0.05 * np.sin(2 * np.pi * y / 12) * (np.abs(x) < 50) * (np.abs(y) < 36)
        lid = 0.55 + ribs - 0.2 * ((np.hypot(x, y) < 20) & (np.hypot(x, y) > 15)) - 0.12 * (height < 2)
        shade = np.where(height > 0, lid, shade)
        shade = np.where((height > -3) & (height <= 0), 0.22, shade)
        for number, (right, below) in enumerate(((-68, -50), (68, -50), (-68, 50), (68, 50))):
            radius = np.hypot(x - right, y - below)
            head = 0.72 - 0.35 * (np.abs(x - right + (y - below)) < 2) if number != self.missing else 0.12
            shade = np.where(radius < 7, head, shade)
        if self.missing != 4:
            shade = np.where((np.abs(x) < 14) & (np.abs(y - 64) < 6), 0.75 - 0.3 * (np.abs(x) < 3), shade)
        return shade, covered


VARYING: dict[str, type[Pliers] | type[Label] | type[Box]] = {"pliers": Pliers, "label": Label, "lid": Box}
TEXTURE = ("scratch", "stain", "chip")
SHAPE = ("bent", "beyond", "missing", "notch")


def varying_part(rng: np.random.Generator, name: str) -> Array:
    """Draw a good part, (H, W) in [0, 1]."""
    return _seen(rng, VARYING[name].drawn(rng).surface()[0], _grain(rng))


def defective_part(rng: np.random.Generator, name: str, kind: str) -> tuple[Array, Mask]:
    """Draw a part with a defect, (H, W) in [0, 1], and where it differs from a good one."""
    while True:
        part, grain = VARYING[name].drawn(rng), _grain(rng)
        surface, covered = part.surface()
        if kind in ("scratch", "stain"):
            picture = _seen(rng, surface, grain)
            changed, mask = (scratch if kind == "scratch" else stain)(rng, picture, MACHINED_CONTRAST)
            if mask.sum() * 0.8 <= (mask & covered).sum() and mask.any():
                return changed, mask
            continue
        if kind in ("chip", "notch"):
            wrong = _bitten(rng, surface, covered, kind)
        else:
            made, sound = part.wrong(rng, kind)
            wrong, surface = made.surface()[0], sound.surface()[0]
        mask = np.abs(gaussian_filter(wrong, 0.7) - gaussian_filter(surface, 0.7)) > _VISIBLE
        if mask.sum() >= 12:
            return _seen(rng, wrong, grain), mask


def _bitten(rng: np.random.Generator, surface: Array, covered: Mask, kind: str) -> Array:
    """Break a chip out of the outline of a part, which leaves a rough place, or cut a notch into it."""
    outline = np.argwhere(covered & ~binary_erosion(covered))
    row, column = outline[rng.integers(len(outline))]
    slopes = [slope[row, column] for slope in np.gradient(gaussian_filter(covered.astype(float), 4))]
    down, right = np.array(slopes) / max(np.hypot(*slopes), 1e-9)
    y, x = Y + 127.5 - row, X + 127.5 - column
    into, beside = x * right + y * down, y * right - x * down
    if kind == "notch":
        cut = (np.abs(beside) < rng.uniform(1.5, 3.5)) & (np.abs(into) < rng.uniform(6, 14))
        return np.where(cut & covered, _BACKDROP, surface)
    rough = np.hypot(x, y) + 1.2 * smooth_noise(rng, SIZE, 2, 2) < rng.uniform(4, 10)
    return np.where(rough & covered, 0.33 + 0.07 * smooth_noise(rng, SIZE, 1.2, 1.2), surface)


def _lying(rng: np.random.Generator, turned: float | None, aside: float) -> tuple[Array, Array]:
    """Return the coordinates x and y of each pixel on a part that lies a little aside.

    Args:
        rng: draws how it lies.
        turned: standard deviation of its rotation in radians; None for any rotation.
        aside: standard deviation of its shift along either axis, in pixels.
    """
    angle = rng.uniform(-np.pi, np.pi) if turned is None else rng.normal(0, turned)
    right, down = rng.normal(0, aside, 2)
    cos, sin = np.cos(angle), np.sin(angle)
    return cos * (X - right) + sin * (Y - down), cos * (Y - down) - sin * (X - right)


def _bar(
    x: Array, y: Array, begin: tuple[float, float], end: tuple[float, float], radius: Array | float
) -> Array:
    """Return how deep points lie inside a rounded bar, in pixels; negative outside."""
    run, rise = end[0] - begin[0], end[1] - begin[1]
    along = np.clip(((x - begin[0]) * run + (y - begin[1]) * rise) / (run**2 + rise**2), 0, 1)
    return radius - np.hypot(x - begin[0] - along * run, y - begin[1] - along * rise)


def _rounded(x: Array, y: Array, right: float, down: float, corner: float = 12) -> Array:
    """Return how deep points lie inside a rectangle with round corners, in pixels; negative outside."""
    beyond = np.abs(x) - right + corner, np.abs(y) - down + corner
    outside = np.hypot(*(np.clip(each, 0, None) for each in beyond))
    return corner - outside - np.minimum(np.maximum(*beyond), 0)


def _grain(rng: np.random.Generator) -> Array:
    return 0.012 * smooth_noise(rng, SIZE, 1, 1)


def _seen(rng: np.random.Generator, surface: Array, grain: Array) -> Array:
    return photographed(rng, gaussian_filter(surface, 0.7) + grain)

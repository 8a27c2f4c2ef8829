"""Drawing one defect of a stated kind, size, contrast and direction on a good part.

The defects imitate how each kind comes about, and share nothing with the defects that the attention is tuned
on (strokes of a pen, and regions from elsewhere at a random contrast).

scratch: a line that hardly bends, with a core and, where material is pushed up, an edge of the other sign
pit: a dark crater whose wall towards the light is in shadow and whose far wall is lit
stain: a patch with a soft edge; the surface shows through
crack: a dark, jagged line that branches and thins out
missing: an angular break-out with a smooth, darker floor, a shadow on one side and a lit edge on the other
foreign: a patch with the texture of another place, turned, brighter or darker than its surroundings
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from excision.capability.kinds import HABITS, Kind
from excision.capability.shapes import Blob, Floats, blob, crack_paths, reach, scratch_path, stroke

Image = NDArray[np.uint16]
_TOP = 65535.0
_EDGE = 0.3
"""Share of a pixel that a defect covers at least where the pixel belongs to its mask."""


@dataclass(frozen=True, slots=True)
class Defect:
    """What is to be drawn.

    Attributes:
        kind: kind of defect.
        size: length of a line or diameter, in pixels of the image as given.
        width: width of a line, or the smaller diameter, in pixels.
        contrast: difference in brightness between its core and its surroundings, as a share of the range
            from black to white, in (0, 1].
        direction: of its length, in radians from the columns, clockwise.
        centre: row and column in the image.
        seed: of everything else about it.
    """

    kind: Kind
    size: float
    width: float
    contrast: float
    direction: float
    centre: tuple[float, float]
    seed: int


@dataclass(frozen=True, slots=True)
class Drawn:
    """A good part with a drawn defect.

    Attributes:
        image: (H, W, C) uint16, 65535 for 1; a copy.
        place: rows and columns of the square that holds the defect.
        mask: (h, w) bool, the pixels of the defect in that square.
        cut: share of the defect that lies outside the part and was therefore not drawn, 0 to 1.
    """

    image: Image
    place: tuple[slice, slice]
    mask: NDArray[np.bool_]
    cut: float


@dataclass(frozen=True, slots=True)
class _Look:
    """A defect as it is laid over a patch.

    Attributes:
        change: (S, S) added brightness, in units of the contrast: 1 in the core.
        share: (S, S) share of each pixel that belongs to the defect.
        floor: whether the texture of the surface is gone inside: "smooth", "elsewhere", or None.
    """

    change: Floats
    share: Floats
    floor: str | None = None


def draw(image: Image, defect: Defect, part: NDArray[np.bool_] | None = None) -> Drawn:
    """Draw a defect on a copy of an image.

    Args:
        image: (H, W, C) uint16, 65535 for 1.
        defect: what to draw; its centre lies in the image.
        part: (H, W), where the part is; nothing is drawn elsewhere. None for the whole image.
    """
    rng = np.random.default_rng(defect.seed)
    look = _look(rng, defect)
    half = len(look.share) // 2
    place, inside = _places(image.shape[:2], defect.centre, half)
    share, change = look.share[inside], look.change[inside]
    whole = float(look.share.sum())
    if part is not None:
        change, share = np.where(part[place], change, 0), np.where(part[place], share, 0)
    pixels = image[place].astype(np.float64) / _TOP
    around = _around(pixels, share)
    sign = _sign(rng, defect, around)
    content = pixels
    if look.floor == "smooth":
        content = around + 0.25 * (pixels - around)
    elif look.floor == "elsewhere":
        content = around + _texture(rng, image, pixels.shape)
    changed = pixels + share[..., None] * (content - pixels) + sign * defect.contrast * change[..., None]
    copy = image.copy()
    copy[place] = np.rint(np.clip(changed, 0, 1) * _TOP).astype(np.uint16)
    cut = 1 - float(share.sum()) / whole if whole > 0 else 0.0
    return Drawn(copy, place, share > min(_EDGE, 0.5 * float(look.share.max())), max(cut, 0.0))


def _look(rng: np.random.Generator, defect: Defect) -> _Look:
    axes = (defect.size, defect.width)
    match defect.kind:
        case "scratch":
            paths = [scratch_path(rng, defect.size, defect.width, defect.direction)]
            half = reach(paths)
            core = stroke(paths, half)
            lips = stroke(paths, half, 0.5, 1.0) * (1 - core)
            return _Look(core - 0.5 * lips, core)
        case "crack":
            paths = crack_paths(rng, defect.size, defect.width, defect.direction)
            core = stroke(paths, reach(paths))
            return _Look(core, core)
        case "pit":
            shape = blob(rng, axes, defect.direction, uneven=0.1)
            return _Look(shape.share * (1 + 0.6 * _shade(rng, shape)), shape.share)
        case "stain":
            shape = blob(rng, axes, defect.direction, uneven=0.2)
            soft = 1 / (1 + np.exp(np.clip((shape.radius - 1) / 0.12, -40, 40)))
            small = min(1.0, max(axes) / 6)  # a soft edge needs pixels
            cover = small * soft + (1 - small) * shape.share
            return _Look(cover, cover)
        case "missing":
            shape = blob(rng, axes, defect.direction, uneven=0.25, corners=int(rng.integers(4, 8)))
            wall = shape.share * np.clip((shape.radius - 0.75) / 0.25, 0, 1)
            return _Look(shape.share + 0.5 * wall * _shade(rng, shape), shape.share, "smooth")
        case "foreign":
            shape = blob(rng, axes, defect.direction, uneven=0.3)
            return _Look(shape.share, shape.share, "elsewhere")


def _shade(rng: np.random.Generator, shape: Blob) -> Floats:
    """Give the slope towards the light over a blob, from -1 to 1, zero on average."""
    slope = np.clip(shape.down * np.clip(shape.radius, 0, 1), -1, 1) * rng.choice((-1.0, 1.0))
    mean = float((slope * shape.share).sum()) / max(float(shape.share.sum()), 1e-9)
    return np.asarray(slope - mean)


def _places(
    size: tuple[int, ...], centre: tuple[float, float], half: int
) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """Give the part of an image that a square around a point covers, and the same part of the square."""
    place, inside = [], []
    for length, middle in zip(size, centre, strict=False):
        start = round(middle) - half
        first = max(0, start)
        last = max(first, min(length, start + 2 * half + 1))
        place.append(slice(first, last))
        inside.append(slice(first - start, last - start))
    return (place[0], place[1]), (inside[0], inside[1])


def _around(pixels: Floats, share: Floats) -> Floats:
    """Give the mean brightness (C,) beside a defect, where the patch shows its surroundings."""
    beside = share <= 0
    if not beside.any():
        return np.asarray(pixels.mean(axis=(0, 1)))
    return np.asarray(pixels[beside].mean(axis=0))


def _sign(rng: np.random.Generator, defect: Defect, around: Floats) -> float:
    """Choose darker or brighter as the kind has it, unless the brightness there leaves no room for it."""
    bright = rng.random() < HABITS[defect.kind].bright
    level = float(around.mean())
    room = {True: 1 - level, False: level}
    if room[bright] < defect.contrast and room[not bright] > room[bright]:
        bright = not bright
    return 1.0 if bright else -1.0


def _texture(rng: np.random.Generator, image: Image, shape: tuple[int, ...]) -> Floats:
    """Give the texture of another place of the image, turned by a quarter, without its mean."""
    side = max(shape[:2])
    height, width = image.shape[:2]
    top = int(rng.integers(0, max(1, height - side + 1)))
    left = int(rng.integers(0, max(1, width - side + 1)))
    piece = image[top : top + side, left : left + side].astype(np.float64) / _TOP
    turned = np.rot90(piece, int(rng.integers(1, 4)))
    missing = [(0, max(0, want - have)) for want, have in zip(shape[:2], turned.shape[:2], strict=True)]
    whole = np.pad(turned, [*missing, (0, 0)], mode="wrap")[: shape[0], : shape[1]]
    return np.asarray(whole - whole.mean(axis=(0, 1)))


def measured_contrast(image: Image, mask: NDArray[np.bool_], reach: int = 6) -> float:
    """Measure how strongly a marked region differs from its surroundings, as a share of the range.

    It is the root mean square of the difference between the pixels inside and the mean of a ring around
    them: the same measure for drawn and for real defects, and for those darker and brighter in turns.

    Args:
        image: (h, w, C) uint16, 65535 for 1; the region with its surroundings.
        mask: (h, w) bool, not empty.
        reach: width of the ring in pixels.
    """
    grey = image.astype(np.float64).mean(axis=2) / _TOP
    wide = mask.copy()
    for _ in range(reach):
        grown = wide.copy()
        grown[1:] |= wide[:-1]
        grown[:-1] |= wide[1:]
        grown[:, 1:] |= wide[:, :-1]
        grown[:, :-1] |= wide[:, 1:]
        wide = grown
    ring = wide & ~mask
    level = float(grey[ring].mean()) if ring.any() else float(grey.mean())
    return math.sqrt(float(((grey[mask] - level) ** 2).mean()))

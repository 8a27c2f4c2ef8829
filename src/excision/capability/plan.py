"""What is drawn: defect number n, on which part and where, follows from the seed and n alone.

So a longer study continues a shorter one, and an interrupted one goes on where it stopped.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from excision.capability.drawing import Defect
from excision.capability.kinds import HABITS, Kind, usual_width
from excision.capability.part import REGIONS, Part
from excision.capability.requirement import Requirement

_GOLDEN = (math.sqrt(5) - 1) / 2
_TRIES = 12
_THIRDS = (3, 3)
"""Grid of the regions."""

_CELLS = 36
"""Cells of the grid that places are spread over, at most."""


def region_of_number(number: int) -> int:
    """Give the region, in the order of `REGIONS`, that a drawing of a requirement was meant for."""
    return number % len(REGIONS)


@dataclass(frozen=True, slots=True)
class Order:
    """One drawing before its place is known.

    Attributes:
        number: of the drawing in its study.
        part: index of the good part.
        kind: kind of defect.
        size: length or diameter in pixels of the image as given.
        width: width in pixels.
        contrast: share of the range.
        cell: row and column of the cell in `grid`.
        grid: rows and columns of the grid of cells.
        requirement: index of the requirement that it belongs to; None for the curves.
    """

    number: int
    part: int
    kind: Kind
    size: float
    width: float
    contrast: float
    cell: tuple[int, int]
    grid: tuple[int, int]
    requirement: int | None


@dataclass(frozen=True, slots=True)
class Design:
    """The plan of a study.

    Attributes:
        seed: of everything random.
        kinds: kinds to draw.
        contrasts: contrasts to draw each at.
        sizes: smallest and largest size in pixels, by kind.
        requirements: each drawn at exactly its size, in every region of the part.
        per_region: drawings of a requirement in each region.
        grid: rows and columns of the cells that places are spread over.
        groups: group of each part.
    """

    seed: int
    kinds: tuple[Kind, ...]
    contrasts: tuple[float, ...]
    sizes: dict[Kind, tuple[float, float]]
    requirements: tuple[Requirement, ...]
    per_region: int
    grid: tuple[int, int]
    groups: tuple[str, ...]

    @property
    def required(self) -> int:
        """Number of drawings that all requirements take; they come first."""
        return len(self.requirements) * self.per_region * len(REGIONS)

    def order(self, number: int) -> Order:
        """Give the drawing of a number, from 0 on: first those of the requirements, then the curves."""
        return self._required(number) if number < self.required else self._curve(number - self.required)

    def _required(self, number: int) -> Order:
        # Regions change fastest, so that each meets every part once before any part comes again.
        turn, region = divmod(number, len(REGIONS))
        turn, index = divmod(turn, len(self.requirements))
        wanted = self.requirements[index]
        middle = self.contrasts[len(self.contrasts) // 2]
        row, column = divmod(region, _THIRDS[1])
        part = self._part(2, turn, index * len(REGIONS) + region)
        contrast = middle if wanted.contrast is None else wanted.contrast
        cell = (row, column)
        return Order(number, part, wanted.kind, wanted.size, wanted.width, contrast, cell, _THIRDS, index)

    def _curve(self, number: int) -> Order:
        strata = len(self.kinds) * len(self.contrasts)
        turn, stratum = divmod(number, strata)
        level, place = divmod(stratum, len(self.kinds))
        kind, contrast = self.kinds[place], self.contrasts[level]
        low, high = self.sizes[kind]
        shift = np.random.default_rng((self.seed, 3, stratum)).random()
        share = (shift + turn * _GOLDEN) % 1  # evenly spread, whatever the number of drawings
        size = low * (high / low) ** share
        cells = self.grid[0] * self.grid[1]
        cycle, step = divmod(turn, cells)
        cell = int(np.random.default_rng((self.seed, 4, stratum, cycle)).permutation(cells)[step])
        part = self._part(5, number, 0)
        return Order(
            self.required + number,
            part,
            kind,
            size,
            usual_width(kind, size),
            contrast,
            divmod(cell, self.grid[1]),
            self.grid,
            None,
        )

    def _part(self, purpose: int, turn: int, stream: int) -> int:
        """Choose a part: every group once before any comes again, and within a group every part."""
        names = sorted(set(self.groups))
        cycle, step = divmod(turn, len(names))
        order = np.random.default_rng((self.seed, purpose, stream, cycle)).permutation(len(names))
        members = [index for index, group in enumerate(self.groups) if group == names[order[step]]]
        return members[cycle % len(members)]

    def defect(self, order: Order, part: Part) -> Defect:
        """Give a drawing its place: in its cell, with as much of it on the part as a few tries find."""
        rng = np.random.default_rng((self.seed, 6, order.number))
        place = part.cell(*order.cell, order.grid)
        inside = np.argwhere(part.mask[place])
        if not len(inside):
            inside, place = _nearest(part, place), (slice(0, 1), slice(0, 1))
        best: tuple[float, Defect] | None = None
        for _ in range(_TRIES):
            y, x = inside[rng.integers(len(inside))]
            defect = Defect(
                order.kind,
                order.size,
                order.width,
                order.contrast,
                float(rng.uniform(0, math.pi)),
                (float(y + place[0].start), float(x + place[1].start)),
                int(rng.integers(2**32)),
            )
            held = _held(part, defect)
            if best is None or held > best[0]:
                best = (held, defect)
            if held == 1:
                break
        assert best is not None  # there is a first try
        return best[1]


def _nearest(part: Part, place: tuple[slice, slice]) -> np.ndarray:
    """Give the pixel of the part that is nearest to a cell without any, as (1, 2)."""
    pixels = np.argwhere(part.mask)
    middle = [(side.start + side.stop) / 2 for side in place]
    distance = ((pixels - middle) ** 2).sum(axis=1)
    return np.asarray(pixels[[int(distance.argmin())]])


def _held(part: Part, defect: Defect) -> float:
    """Give the share of a defect's ends and sides that lie on the part."""
    height, width = part.mask.shape
    along = (math.sin(defect.direction), math.cos(defect.direction))
    half, side = defect.size / 2, (defect.size if not HABITS[defect.kind].line else 4 * defect.width) / 2
    on = 0
    for length, (dy, dx) in (
        (half, along),
        (-half, along),
        (side, (along[1], -along[0])),
        (-side, (along[1], -along[0])),
    ):
        y, x = round(defect.centre[0] + length * dy), round(defect.centre[1] + length * dx)
        on += 0 <= y < height and 0 <= x < width and bool(part.mask[y, x])
    return on / 4


def choose_grid(height: int, width: int) -> tuple[int, int]:
    """Give rows and columns of about square cells over a box, at most `_CELLS` in all."""
    ratio = height / width
    rows = min(12, max(2, round(math.sqrt(_CELLS * ratio))))
    return rows, min(12, max(2, _CELLS // rows))


def choose_sizes(
    kinds: Sequence[Kind], size: tuple[int, int], reduction: float, given: tuple[float, float] | None
) -> dict[Kind, tuple[float, float]]:
    """Give the smallest and the largest size of each kind in pixels of the image as given.

    Args:
        kinds: to draw.
        size: height and width of the box around the part, in pixels.
        reduction: pixels of the image as given for one that the model sees.
        given: smallest and largest size for all kinds; None for the usual ones.
    """
    if given is not None:
        return dict.fromkeys(kinds, given)
    shorter = min(size)
    found: dict[Kind, tuple[float, float]] = {}
    for kind in kinds:
        low = (3.0 if HABITS[kind].line else 1.5) * max(1.0, reduction)
        high = max(4 * low, shorter * (0.8 if HABITS[kind].line else 0.25))
        found[kind] = (low, high)
    return found

"""Masks: which pixels of a mask file are the defect, and what is uncertain about it.

`docs/data.md` states the rule for users.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from excision.data.annotations.base import Annotation
from excision.data.decode import decoded, read_palette
from excision.data.mask_shapes import dark_regions, is_soft
from excision.errors import ImageError

Levels = NDArray[np.uint16]
"""(H, W) strongest colour value of each pixel, with 65535 for 1."""

TOP = 65535
HALF = TOP // 2
"""A level above this is above half of the range: from 128 of 255 on."""

_PER_BYTE = TOP // 255

_MOST_MARKED = 0.5
"""A mask that marks more than this, and most of its border, looks inverted."""

INVERTED = "it looks inverted"
"""How a doubt says that defect and background may be exchanged."""

_IGNORED = 255
"""Many programs write this value on pixels that are neither defect nor background."""

_MOST_NUMBERS = 100
"""Beside numbers up to this, the value 255 may stand for pixels to ignore."""


@dataclass(frozen=True, slots=True)
class Mask:
    """A mask as it was read.

    Attributes:
        marked: (H, W) bool, True on the defect.
        doubts: why it may have been read in another way than it was meant, one clause each.
    """

    marked: NDArray[np.bool_]
    doubts: tuple[str, ...] = ()

    @property
    def share(self) -> float:
        """Share of the pixels that are marked, 0 to 1."""
        return float(self.marked.mean())


def read_mask(mask: str | Path | Annotation, size: tuple[int, int]) -> NDArray[np.bool_]:
    """Decode a defect mask.

    In a mask with flat areas every pixel that is not background is defective; the background is 0, or black.
    In a mask with soft edges, every pixel above half of the range (127 of 255).

    Args:
        mask: mask file, or an annotation, which is drawn.
        size: (H, W) of the image that the mask belongs to.

    Returns:
        (H, W) bool, True on the defect.

    Raises:
        ImageError: the mask cannot be read, or its size differs from the image's.
    """
    return examine_mask(mask, size).marked


def examine_mask(mask: str | Path | Annotation, size: tuple[int, int]) -> Mask:
    """Decode a defect mask as `read_mask` does, and tell what is uncertain about it.

    Args:
        mask: mask file, or an annotation, which is drawn.
        size: (H, W) of the image that the mask belongs to.

    Raises:
        ImageError: as `read_mask`.
    """
    if isinstance(mask, Annotation):
        return Mask(mask.read(size))
    return _read(Path(mask), size)


def marks_defect(path: str | Path) -> bool:
    """Tell whether a mask marks any pixel as defective.

    Raises:
        ImageError: the mask cannot be read.
    """
    return bool(_read(Path(path)).marked.any())


def _read(path: Path, size: tuple[int, int] | None = None) -> Mask:
    values = _Values(path, size)
    marked, doubts = _with_background(values) if values.has_background else _without_background(values)
    return Mask(marked, (*doubts, *_inverted(marked)))


class _Values:
    """The values of a mask file.

    Attributes:
        levels: strongest colour value of each pixel.
        present: the levels that occur, in rising order.
        numbers: number of each pixel in its palette; None if the file has none, or one of greys.
        background: the number of the background in the palette.
        lossy: True if the compression changes values, as in JPEG.
    """

    def __init__(self, path: Path, size: tuple[int, int] | None) -> None:
        self._path = path
        counts = np.zeros(TOP + 1, np.int64)
        with decoded(path) as image:
            if size is not None and image.upright != size:
                raise ImageError(f"{path}: the mask is {_by(image.upright)} pixels, its image {_by(size)}")
            self.levels: Levels = np.empty(image.upright, np.uint16)
            for rows, band in image.bands():
                self.levels[rows] = _levels(band)
                counts += np.bincount(self.levels[rows].ravel(), minlength=TOP + 1)
        with path.open("rb") as stream:
            self.lossy = stream.read(2) == b"\xff\xd8"
        self.present = np.flatnonzero(counts)
        self.numbers, self.background = _palette_numbers(path, self.levels.shape)

    @property
    def has_background(self) -> bool:
        """Tell whether a pixel has the value 0 or is black, or has the first number of a palette."""
        if self.numbers is None:
            return bool(self.present[0] == 0)
        return bool((self.numbers == self.background).any())

    @cached_property
    def soft(self) -> bool:
        """Tell whether the edges of the marked regions are soft."""
        return len(self.present) > 2 and (self.lossy or is_soft(self.levels, len(self.present)))

    @cached_property
    def colours(self) -> NDArray[np.uint64]:
        """One number (H, W) for each colour, or each number of the palette."""
        if self.numbers is not None:
            return self.numbers.astype(np.uint64)
        numbers = np.empty(self.levels.shape, np.uint64)
        with decoded(self._path) as image:
            for rows, band in image.bands():
                colours = np.rint(band * TOP).astype(np.uint64)
                shifts = np.arange(band.shape[2], dtype=np.uint64) * np.uint64(16)
                numbers[rows] = (colours << shifts).sum(axis=2, dtype=np.uint64)
        return numbers


def _levels(band: NDArray[np.float32]) -> Levels:
    strongest = band.max(axis=2)
    levels: Levels = np.rint(strongest * TOP).astype(np.uint16)
    # A float file may hold values that round to 0.
    levels[(strongest > 0) & (levels == 0)] = 1
    return levels


def _palette_numbers(path: Path, size: tuple[int, ...]) -> tuple[NDArray[np.uint8] | None, int]:
    """Give the palette numbers of a mask of colours, and that of the background: black, otherwise 0."""
    found = read_palette(path)
    if found is None or found[0].shape != size:
        return None, 0
    numbers, palette = found
    used = np.flatnonzero(np.bincount(numbers.ravel(), minlength=256))
    colours = [tuple(palette[number]) for number in used]
    if all(red == green == blue for red, green, blue in colours) and len(set(colours)) == len(colours):
        # A palette of greys says no more than the greys: programs write any image with few of them so.
        return None, 0
    black = [int(number) for number, colour in zip(used, colours, strict=True) if not any(colour)]
    return numbers, black[0] if len(black) == 1 else 0


def _with_background(values: _Values) -> tuple[NDArray[np.bool_], list[str]]:
    levels = values.levels
    if values.numbers is not None and not values.soft:
        return values.numbers != values.background, list(_ignored(np.unique(values.numbers)))
    if values.soft:
        # In a mask that reaches no more than half of the range, half of what it reaches takes its place.
        top = int(values.present[-1])
        limit = HALF if top > HALF else top // 2
        return levels > limit, list(_lost(levels, limit))
    return levels > 0, list(_ignored(values.present / _PER_BYTE if len(values.present) > 2 else ()))


def _without_background(values: _Values) -> tuple[NDArray[np.bool_], list[str]]:
    """Read a mask without a pixel of 0, in which the background has to be guessed."""
    lowest, top = int(values.present[0]), int(values.present[-1])
    if top > HALF and values.soft and lowest < HALF:
        marked = values.levels > HALF
        # A little noise in the background is usual after lossy compression.
        return marked, [] if lowest < TOP // 10 else [
            f"no pixel of it is 0; the lowest value is {_of(lowest)}"
        ]
    colours = values.colours
    kinds, counts = np.unique(colours, return_counts=True)
    if len(kinds) == 1:
        return np.ones(colours.shape, np.bool_), ["every pixel of it has the same value, which is not 0"]
    edge_kinds, edge_counts = np.unique(_border(colours), return_counts=True)
    common = kinds[counts.argmax()]
    if edge_kinds[edge_counts.argmax()] == common:
        return colours != common, [
            "no pixel of it is 0 or black; its most common value is taken as background"
        ]
    return np.ones(colours.shape, np.bool_), [
        "no pixel of it is 0 or black and no value is clearly the background; all of it counts as defect"
    ]


def _ignored(numbers: NDArray[np.generic] | tuple[()]) -> Iterator[str]:
    """Give a doubt if 255 may mean pixels to ignore, as in a mask of 0, 1 and 255."""
    whole = [float(number) for number in numbers if number > 0]
    if len(whole) > 1 and whole[-1] == _IGNORED and whole[-2] <= _MOST_NUMBERS:
        yield (
            f"it contains {_IGNORED} beside smaller numbers; {_IGNORED} counts as defect here, but often "
            "marks pixels to ignore"
        )


def _lost(levels: Levels, limit: int) -> Iterator[str]:
    regions = dark_regions(levels, limit)
    if regions:
        yield (
            f"it has soft edges, so pixels up to half of the range do not count; {len(regions)} darker "
            f"region{'s' if len(regions) > 1 else ''} (value {_of(max(regions))}) "
            f"{'are' if len(regions) > 1 else 'is'} lost"
        )


def _inverted(marked: NDArray[np.bool_]) -> Iterator[str]:
    share = float(marked.mean())
    if share > _MOST_MARKED and _border(marked).mean() > _MOST_MARKED:
        yield f"it marks {percent(share)} of the image and most of its border, so {INVERTED}"


def _border(values: NDArray[np.generic]) -> NDArray[np.generic]:
    return np.concatenate([values[0], values[-1], values[1:-1, 0], values[1:-1, -1]])


def percent(share: float) -> str:
    """Write a share in percent; what is not all is never written as 100 %, and what is not nothing as 0 %."""
    if 0.99 < share < 1:
        return f"{min(share, 0.999):.1%}"
    return f"{share:.0%}" if share >= 0.1 else f"{100 * share:.2g}%"


def _of(level: int) -> str:
    return f"{level / _PER_BYTE:.3g} of 255"


def _by(size: tuple[int, ...]) -> str:
    return f"{size[1]} x {size[0]}"

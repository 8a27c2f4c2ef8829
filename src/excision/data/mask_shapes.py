"""The shapes in a mask: whether their edges are soft, and whether a picture is a mask at all."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from excision.data.decode import decoded
from excision.ops.bands import band_rows
from excision.ops.connected_components import find_runs

Levels = NDArray[np.uint16]

_SLOPING = 0.5
"""Edges are soft if more than this share of the values in between lie between a lower and a higher one."""

_MANY = 16
"""More values than this, with the lowest ones beside the background, are a smooth transition."""

_FAINT = 0.1
"""Next to the background a wide transition reaches no more than this share of the largest level."""

_NOISE = 65536 // 8
"""A region that reaches no more than this level is noise of the compression."""

_LEAST_DARK = 16
"""Pixels of a darker region that is worth a word; smaller ones are remains of soft edges."""

_FEW = 32
"""A photograph has more values than this, unless it shows nothing."""

_AT_THE_ENDS = 0.97
"""Share of the pixels of a mask that are nearly black or nearly white; the rest are its edges."""


def is_soft(levels: Levels, kinds: int) -> bool:
    """Tell whether the edges of a mask are soft, by antialiasing, blurring or lossy compression.

    Between background and defect, a soft edge has values in between, each beside a lower and a higher one. A
    class or a number of its own forms flat areas instead.

    Args:
        levels: (H, W) uint16, 0 for the background if there is one.
        kinds: number of different levels.
    """
    top = levels.max()
    between, sloping = 0, 0
    beside = np.zeros(65536, np.int64)
    for here, low, high in _neighbourhoods(_cropped(levels)):
        middle = (here > 0) & (here < top)
        between += int(middle.sum())
        sloping += int((middle & (low < here) & (high > here)).sum())
        beside += np.bincount(here[(here > 0) & (low == 0)], minlength=65536)
    if between and sloping >= _SLOPING * between:
        return True
    # In a wide transition of few steps a value fills areas too, but the lowest ones are at the outside.
    outside = int(beside.sum())
    if kinds <= _MANY or outside == 0:
        return False
    median = int(np.searchsorted(np.cumsum(beside), outside / 2))
    return median <= _FAINT * int(top)


def dark_regions(levels: Levels, limit: int) -> list[int]:
    """Give the peak of each connected region of a soft mask that nowhere exceeds `limit`, strongest first."""
    inside = _cropped(levels)
    visible = inside > _NOISE
    runs = find_runs(visible)
    if runs.total == 0:
        return []
    peaks = np.zeros(runs.total, np.uint16)
    np.maximum.at(peaks, runs.numbers(), inside[visible])
    dark = (peaks <= limit) & (runs.areas() >= _LEAST_DARK)
    return sorted((int(peak) for peak in peaks[dark]), reverse=True)


def kind_of_picture(path: Path) -> Literal["mask", "blank", "picture"]:
    """Tell from its values what an image file is: a mask, one value everywhere, or a picture.

    A mask has few values, most of them 0, or is nearly black and nearly white except at its edges.

    Raises:
        ImageError: the file cannot be read as an image.
    """
    counts = np.zeros(65536, np.int64)
    with decoded(path) as image:
        for _, band in image.bands():
            levels = np.rint(band.max(axis=2) * 65535).astype(np.uint16)
            counts += np.bincount(levels.ravel(), minlength=65536)
    kinds = int(np.count_nonzero(counts))
    if kinds == 1:
        return "blank"
    end = 65536 // 16
    dark, light, total = counts[:end].sum(), counts[-end:].sum(), counts.sum()
    both = bool(dark and light and dark + light >= _AT_THE_ENDS * total)
    few = kinds <= _FEW and bool(counts[0] > total / 2)
    return "mask" if few or both else "picture"


def _cropped(levels: Levels) -> Levels:
    """Give the part that is not 0, with a margin: most masks mark little of an image."""
    rows, columns = np.flatnonzero(levels.any(axis=1)), np.flatnonzero(levels.any(axis=0))
    if not rows.size:
        return levels[:1, :1]
    return levels[max(rows[0] - 1, 0) : rows[-1] + 2, max(columns[0] - 1, 0) : columns[-1] + 2]


def _neighbourhoods(levels: Levels) -> Iterator[tuple[Levels, Levels, Levels]]:
    """Give the levels band by band, with the smallest and the largest of the 3 x 3 pixels around each."""
    height, width = levels.shape
    for top, bottom in band_rows(height, width):
        wide = levels[max(top - 1, 0) : bottom + 1]
        above, below = int(top > 0), int(bottom < height)
        padded = np.pad(wide, ((1 - above, 1 - below), (1, 1)), mode="edge")
        columns = padded[:, :-2], padded[:, 1:-1], padded[:, 2:]
        low, high = np.minimum.reduce(columns), np.maximum.reduce(columns)
        yield (
            levels[top:bottom],
            np.minimum.reduce((low[:-2], low[1:-1], low[2:])),
            np.maximum.reduce((high[:-2], high[1:-1], high[2:])),
        )

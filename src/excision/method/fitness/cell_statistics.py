"""Statistics of each cell of an image: how bright it is, and how much neighbouring pixels differ.

Differences are whole numbers, and so are their sums; only the last step is in floating point.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from excision.method.fitness.cells import Whole

Floats = NDArray[np.float64]

WHITE = 65535.0

_NOISE = np.sqrt(np.pi / 2) / 6 / WHITE

FINEST = 0.125 / 255
"""Added to a difference between neighbouring pixels before its logarithm is taken: an eighth of a step of 8
bits."""


def of_each_cell(octaves: list[Whole]) -> dict[str, Floats]:
    """Compute the statistics of each cell, (K,) each, by name.

    Args:
        octaves: (h, K, w), (h / 2, K, w / 2) and (h / 4, K, w / 4): the cells as they were cut, and twice
            `halved`.
    """
    # The sums of 2 x 2 pixels have the same total as those of 4 x 4, and are four times as many.
    deviations = _deviations(octaves[1], means(octaves[2], 4.0))
    found: dict[str, Floats] = {"mean": means(octaves[2], 4.0**2 * WHITE)}
    amounts, bends = [deviations + FINEST], []
    for power, octave in enumerate(octaves):
        unit = 4.0**-power
        sizes, ridge = _sizes(octave, finest=power == 0)
        down, across = sizes[:2] * (unit / WHITE)
        amounts.append((down + across) / 2 + FINEST)
        if power < 2:
            bends.append((sizes[2] + sizes[3]) * (unit / 2 / WHITE) + FINEST / 2)
        if ridge is None:
            found["noise"] = sizes[4] * _NOISE
        else:
            found[f"direction_{power}"] = _balance(across, down)
            found[f"slant_{power}"] = _balance(*(sizes[4:] * (unit / WHITE)))
            found[f"asymmetry_{power}"] = _asymmetry(ridge)
    rows = np.log2(np.concatenate(amounts + bends)).reshape(-1, len(deviations))
    deviation, fine, coarse, broad, bend, bend_coarse = rows
    return found | {
        "deviation": deviation,
        "fine": fine,
        "coarse": coarse,
        "broad": broad,
        "fineness": fine - coarse,
        "coarseness": coarse - broad,
        "crispness_0": bend - fine,
        "crispness_1": bend_coarse - coarse,
    }


def noise_of(grey: Whole) -> float:
    """Estimate the standard deviation of the noise, in [0, 1], in cells (h, K, w)."""
    return quietest(np.sort(_sizes(grey, finest=True)[0][4]) * _NOISE)


def quietest(noise: Floats) -> float:
    """Return the noise of the quietest quarter of the cells, from that of all in ascending order."""
    return float(noise[len(noise) // 4])


def means(cells: Whole, unit: float) -> Floats:
    """Return the mean of each cell (h, K, w), (K,), in units of `unit`."""
    mean: Floats = _rows(cells).sum(axis=1, dtype=np.int64) / (cells.shape[0] * cells.shape[2] * unit)
    return mean


def _sizes(octave: Whole, *, finest: bool) -> tuple[Floats, Whole | None]:
    """Return how large differences between neighbouring pixels are, and how far pixels stand out.

    Args:
        octave: (h, K, w).
        finest: measure noise instead of diagonal differences.

    Returns:
        The mean absolute values of each cell, (5 or 6, K): of differences down and across, of second
        differences down and across, and of noise, or of differences along the falling and the rising
        diagonal. With the diagonals also, of each pixel but the outermost, four times its brightness less
        that of its neighbours, (h - 2, K, w); the last two columns mean nothing.
    """
    down, across = octave[1:] - octave[:-1], _beside(octave)
    bent_down, bent_across = down[1:] - down[:-1], _beside(across)
    if finest:
        # Immerkaer, "Fast Noise Variance Estimation", 1996: a mask to which smooth content and straight edges
        # are invisible.
        ridge, others = None, [_beside(_beside(bent_down))]
    else:
        ridge, others = _ridge(bent_down, bent_across), [across[1:] + down, down - across[:-1]]
    sizes = [np.abs(each, out=each) for each in (down, across, bent_down, bent_across, *others)]
    total = np.concatenate([_rows(each) for each in sizes]).reshape(len(sizes), *octave.shape[1:])
    columns, counts = _counted(octave.shape[0], octave.shape[2], finest)
    total *= columns
    return total.sum(axis=2, dtype=np.int32) / counts, ridge


def _ridge(bent_down: Whole, bent_across: Whole) -> Whole:
    """Return `_sizes`' second result from second differences down (h - 2, K, w) and across (h, K, w)."""
    ridge = np.zeros_like(bent_down)
    # The second difference down stands a column further on than the one across with the same middle.
    down, across = bent_down.reshape(-1)[1:], bent_across[1:-1].reshape(-1)[:-1]
    np.add(down, across, out=ridge.reshape(-1)[:-1])
    return np.negative(ridge, out=ridge)


@lru_cache(maxsize=16)
def _counted(tall: int, wide: int, finest: bool) -> tuple[Whole, Whole]:
    """Return which columns of a cell count for each of `_sizes`, (5 or 6, 1, w), and of how many pixels."""
    lost = [(1, 0), (0, 1), (2, 0), (0, 2), *([(2, 2)] if finest else [(1, 1), (1, 1)])]
    columns = [np.arange(wide) < wide - across for _, across in lost]
    counts = [max(tall - down, 0) * max(wide - across, 0) for down, across in lost]
    return np.array(columns, np.int32)[:, None], np.maximum(counts, 1)[:, None].astype(np.int32)


def _beside(cells: Whole) -> Whole:
    """Subtract each pixel from the one to its right; what then stands in the last column means nothing.

    Computed beyond the borders of cells: one run over all numbers takes a quarter of the time of many.
    """
    found, flat = np.empty_like(cells), cells.reshape(-1)
    np.subtract(flat[1:], flat[:-1], out=found.reshape(-1)[:-1])
    found[-1:, -1:, -1:] = 0
    return found


def _rows(cells: Whole) -> Whole:
    """Add up the rows of each cell: (h, K, w) to (K, w)."""
    # No sum exceeds 8 x 65535 x 32 x 32, so that 32 bits hold it.
    total: Whole = np.add.reduce(cells, axis=0, dtype=np.int32)
    return total


def _deviations(octave: Whole, mean: Floats) -> Floats:
    """Return the standard deviation of each cell, in [0, 1], from sums of 2 x 2 pixels and their mean."""
    values = octave.astype(np.float64)
    squares = np.multiply(values, values, out=values).sum(axis=0).sum(axis=1)
    variance = np.maximum(squares / (octave.shape[0] * octave.shape[2]) - mean * mean, 0)
    deviation: Floats = np.sqrt(variance) / (4 * WHITE)
    return deviation


def _balance(one: Floats, other: Floats) -> Floats:
    balance: Floats = (one - other) / (one + other + FINEST)
    return balance


def _asymmetry(ridge: Whole) -> Floats:
    """Return how much stronger bright lines and spots are than dark ones, in [-1, 1], for each cell.

    The sign changes if the image is inverted.
    """
    tall, count, wide = ridge.shape
    if tall < 1 or wide < 3:
        return np.zeros(count)
    exact = ridge.astype(np.float64)
    squares = exact * exact
    energy, signed = (
        each.sum(axis=0)[:, : wide - 2].sum(axis=1) for each in (squares, np.copysign(squares, exact))
    )
    quiet = tall * (wide - 2) * (4 * WHITE * FINEST) ** 2
    asymmetry: Floats = signed / (energy + quiet)
    return asymmetry

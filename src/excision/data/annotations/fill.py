"""Filling shapes: which pixels belong to a polygon, a line or a disc.

Coordinates are continuous: pixel (row, column) covers [column, column + 1] x [row, row + 1]. A pixel belongs
to a shape if its centre lies inside; a polygon is filled by the even-odd rule. A shape that holds no centre,
because it is too thin, marks the pixels that its outline passes through, so that no defect is lost.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from excision.errors import DatasetError
from excision.ops.bands import band_rows

Runs = NDArray[np.int64]
"""(M, 3): row, first column, and the column after the last, of M runs of marked pixels."""

Points = NDArray[np.float64]
"""(N, 2): x and y of N points in pixels."""

MOST_CROSSINGS = 5_000_000
"""Rows that the edges of one shape may cross together; a drawing by hand stays far below."""

_NO_RUNS: Runs = np.empty((0, 3), np.int64)


def polygon_runs(points: Points, size: tuple[int, int]) -> Runs:
    """Give the pixels of a polygon within an image of a size (H, W).

    Raises:
        DatasetError: its edges cross far more rows than those of any drawing do.
    """
    runs = _interior(points, size)
    return runs if len(runs) else _outline(points, size)


def disc_runs(x: float, y: float, radius: float, size: tuple[int, int]) -> Runs:
    """Give the pixels of a disc; its rim belongs to it."""
    height, width = size
    first, last = _rows(np.array([y - radius]), np.array([y + radius]), height)
    rows = np.arange(first[0], max(first[0], last[0]))
    half = np.sqrt(np.maximum(radius**2 - (rows + 0.5 - y) ** 2, 0))
    start = np.clip(np.ceil(x - half - 0.5), 0, width).astype(np.int64)
    end = np.clip(np.floor(x + half - 0.5) + 1, 0, width).astype(np.int64)
    runs = np.column_stack([rows, start, end])[end > start]
    return runs if len(runs) else _outline(np.array([[x, y]]), size)


def line_runs(points: Points, line_width: float, size: tuple[int, int]) -> Runs:
    """Give the pixels of a line through the points, with round ends and corners."""
    found = [disc_runs(x, y, line_width / 2, size) for x, y in points.tolist()]
    for start, end in pairwise(points):
        along = end - start
        length = float(np.hypot(*along))
        if length:
            side = np.array([-along[1], along[0]]) / length * line_width / 2
            found.append(_interior(np.array([start + side, end + side, end - side, start - side]), size))
    return np.concatenate(found)


def paint(mask: NDArray[np.bool_], runs: Runs) -> None:
    """Mark the runs in a mask (H, W), in bands of rows so that little memory is needed besides."""
    runs = runs[np.argsort(runs[:, 0], kind="stable")]
    for top, bottom in band_rows(*mask.shape):
        row, start, end = runs[slice(*np.searchsorted(runs[:, 0], [top, bottom]))].T
        if len(row):
            steps = np.zeros((bottom - top, mask.shape[1] + 1), np.int32)
            np.add.at(steps, (row - top, start), 1)
            np.add.at(steps, (row - top, end), -1)
            mask[top:bottom] |= steps.cumsum(axis=1)[:, :-1] > 0


def _rows(low: Points, high: Points, height: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Give the first row, and the row after the last, whose centre lies in [low, high)."""
    first, last = (np.clip(np.ceil(limit - 0.5), 0, height).astype(np.int64) for limit in (low, high))
    return first, last


def _interior(points: Points, size: tuple[int, int]) -> Runs:
    """Pair the columns at which the edges cross the centre line of each row."""
    height, width = size
    x0, y0 = points.T
    x1, y1 = np.roll(points, -1, axis=0).T
    first, last = _rows(np.minimum(y0, y1), np.maximum(y0, y1), height)
    counts = last - first
    _check_work(int(counts.sum()))
    edge = np.repeat(np.arange(len(points)), counts)
    rows = np.arange(len(edge)) - np.repeat(np.cumsum(counts) - counts, counts) + first[edge]
    slope = np.divide(x1 - x0, y1 - y0, out=np.zeros_like(x0), where=y1 != y0)
    crossing = x0[edge] + (rows + 0.5 - y0[edge]) * slope[edge]
    columns = np.clip(np.ceil(crossing - 0.5), 0, width).astype(np.int64)
    order = np.lexsort((columns, rows))
    # A closed outline crosses each row an even number of times, so neighbours in this order are pairs.
    rows, start, end = rows[order][::2], columns[order][::2], columns[order][1::2]
    paired: Runs = np.column_stack([rows, start, end])[end > start]
    return paired


def _outline(points: Points, size: tuple[int, int]) -> Runs:
    """Give the pixels that the outline passes through; none if all of it lies outside of the image."""
    height, width = size
    low, high = points.min(axis=0), points.max(axis=0)
    if high[0] < 0 or high[1] < 0 or low[0] > width or low[1] > height:
        return _NO_RUNS
    start = np.clip(points, 0, [width, height])
    end = np.roll(start, -1, axis=0)
    steps = 2 * np.ceil(np.abs(end - start).max(axis=1)).astype(np.int64) + 1
    _check_work(int(steps.sum()))
    edge = np.repeat(np.arange(len(points)), steps)
    share = (np.arange(len(edge)) - np.repeat(np.cumsum(steps) - steps, steps)) / steps[edge]
    x, y = (start[edge] + (end - start)[edge] * share[:, np.newaxis]).astype(np.int64).T
    x, y = np.minimum(x, width - 1), np.minimum(y, height - 1)
    return np.unique(np.column_stack([y, x, x + 1]), axis=0)


def _check_work(crossings: int) -> None:
    if crossings > MOST_CROSSINGS:
        raise DatasetError(
            f"a shape crosses rows of the image {crossings} times, more than {MOST_CROSSINGS}; simplify it"
        )

"""Connected regions of a mask: their number, boxes, areas and peaks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from excision.ops.bands import band_rows

Integers = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Region:
    """One connected region.

    Attributes:
        box: (x, y, width, height) in pixels, the smallest box around it.
        area: number of pixels.
        peak: largest value of the anomaly map in it; 0 if no map was given.
    """

    box: tuple[int, int, int, int]
    area: int
    peak: float


class Runs(NamedTuple):
    """The horizontal runs of a mask in reading order, each with the index of its region.

    Attributes:
        rows: (N,) row of each run.
        starts: (N,) its first column.
        ends: (N,) the column after its last.
        regions: (N,) its region, counted from 0 in reading order of their first pixel.
        total: number of regions.
    """

    rows: Integers
    starts: Integers
    ends: Integers
    regions: Integers
    total: int

    def areas(self) -> Integers:
        """Give the pixels of each region, (total,)."""
        areas = np.bincount(self.regions, weights=self.ends - self.starts, minlength=self.total)
        return areas.astype(np.int64)

    def numbers(self) -> Integers:
        """Give the region of each pixel of the mask in reading order, as `array[mask]` lists them."""
        return np.repeat(self.regions, self.ends - self.starts)


def find_runs(mask: NDArray[np.bool_]) -> Runs:
    """Find the runs of a mask (H, W); pixels that touch, also diagonally, belong to one region.

    Memory is needed for the runs only, whatever the size of the mask.
    """
    rows, starts, ends = _runs(mask)
    roots = _joined(len(rows), _touching(rows, starts, ends, mask.shape[1]))
    _, regions = np.unique(roots, return_inverse=True)
    return Runs(rows, starts, ends, regions, int(regions.max(initial=-1)) + 1)


def find_regions(mask: NDArray[np.bool_], anomaly_map: NDArray[np.float32] | None = None) -> list[Region]:
    """Describe the regions of a mask, the strongest first; ties by area, the largest first.

    Args:
        mask: (H, W).
        anomaly_map: (H, W), for the peaks.
    """
    rows, starts, ends, numbers, count = runs = find_runs(mask)
    low = np.full((count, 2), np.iinfo(np.int64).max)
    high, peaks = np.zeros((count, 2), dtype=np.int64), np.zeros(count)
    for axis, (first, last) in enumerate(((starts, ends - 1), (rows, rows))):
        np.minimum.at(low[:, axis], numbers, first)
        np.maximum.at(high[:, axis], numbers, last)
    if anomaly_map is not None:
        peaks[:] = -np.inf
        np.maximum.at(peaks, runs.numbers(), anomaly_map[mask])
    regions = [
        Region((int(a[0]), int(a[1]), int(b[0] - a[0] + 1), int(b[1] - a[1] + 1)), int(area), float(peak))
        for a, b, area, peak in zip(low, high, runs.areas(), peaks, strict=True)
    ]
    return sorted(regions, key=lambda region: (-region.peak, -region.area, region.box))


def _runs(mask: NDArray[np.bool_]) -> tuple[Integers, Integers, Integers]:
    """Give row, first column and column after the last of each horizontal run, in reading order."""
    parts = []
    for top, bottom in band_rows(*mask.shape):
        padded = np.zeros((bottom - top, mask.shape[1] + 2), dtype=np.int8)
        padded[:, 1:-1] = mask[top:bottom]
        edges = np.diff(padded, axis=1)
        rows, starts = np.nonzero(edges == 1)
        parts.append((rows + top, starts, np.nonzero(edges == -1)[1]))
    rows, starts, ends = (np.concatenate(part) for part in zip(*parts, strict=True))
    return rows, starts, ends


def _touching(
    rows: NDArray[np.int64], starts: NDArray[np.int64], ends: NDArray[np.int64], width: int
) -> NDArray[np.int64]:
    """Give the pairs (N, 2) of runs in neighbouring rows that touch, corners included."""
    # Runs are ordered by row, then column, so one number for both allows a search in a sorted array.
    stride = width + 2
    first = np.searchsorted(rows * stride + ends, (rows + 1) * stride + starts, side="left")
    behind = np.searchsorted(rows * stride + starts, (rows + 1) * stride + ends, side="right")
    counts = behind - first
    upper = np.repeat(np.arange(len(rows)), counts)
    offsets = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    return np.stack((upper, np.repeat(first, counts) + offsets), axis=1)


def _joined(count: int, pairs: NDArray[np.int64]) -> NDArray[np.int64]:
    """Give for each run the first run that it is connected with, by union-find with path halving."""
    parent = list(range(count))

    def root(run: int) -> int:
        while parent[run] != run:
            parent[run] = parent[parent[run]]
            run = parent[run]
        return run

    for one, other in pairs.tolist():
        a, b = root(one), root(other)
        # The earlier run stays the root, so that labels follow reading order.
        parent[max(a, b)] = min(a, b)
    return np.array([root(run) for run in range(count)], dtype=np.int64)

"""Connected regions of a mask: how many, where, and how strong."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Region:
    """One connected region.

    Attributes:
        box: (x, y, width, height) in pixels, the smallest box around it.
        area: number of its pixels.
        peak: largest value of the anomaly map in it; 0 where no map was given.
    """

    box: tuple[int, int, int, int]
    area: int
    peak: float


def label_regions(mask: NDArray[np.bool_]) -> tuple[NDArray[np.int32], int]:
    """Label the regions of a mask; pixels that touch, diagonally too, belong to one region.

    Args:
        mask: (H, W).

    Returns:
        (H, W) labels: 0 outside, regions from 1 in reading order of their first pixel; and their number.
    """
    rows, starts, ends = _runs(mask)
    roots = _joined(len(rows), _touching(rows, starts, ends, mask.shape[1]))
    _, numbers = np.unique(roots, return_inverse=True)
    # Each run adds its number where it starts and takes it away where it ends.
    steps = np.zeros((mask.shape[0], mask.shape[1] + 1), dtype=np.int32)
    np.add.at(steps, (rows, starts), (numbers + 1).astype(np.int32))
    np.add.at(steps, (rows, ends), -(numbers + 1).astype(np.int32))
    labels: NDArray[np.int32] = np.cumsum(steps, axis=1, dtype=np.int32)[:, :-1]
    return labels, int(numbers.max(initial=-1)) + 1


def find_regions(mask: NDArray[np.bool_], anomaly_map: NDArray[np.float32] | None = None) -> list[Region]:
    """Describe the regions of a mask, the strongest first, and of equal ones the largest.

    Args:
        mask: (H, W).
        anomaly_map: (H, W), for the peaks.
    """
    labels, count = label_regions(mask)
    y, x = np.nonzero(labels)
    number = labels[y, x] - 1
    low = np.full((count, 2), np.iinfo(np.int64).max)
    high, peaks = np.zeros((count, 2), dtype=np.int64), np.zeros(count)
    for axis, place in enumerate((x, y)):
        np.minimum.at(low[:, axis], number, place)
        np.maximum.at(high[:, axis], number, place)
    if anomaly_map is not None:
        peaks[:] = -np.inf
        np.maximum.at(peaks, number, anomaly_map[y, x])
    areas = np.bincount(number, minlength=count)
    regions = [
        Region((int(a[0]), int(a[1]), int(b[0] - a[0] + 1), int(b[1] - a[1] + 1)), int(area), float(peak))
        for a, b, area, peak in zip(low, high, areas, peaks, strict=True)
    ]
    return sorted(regions, key=lambda region: (-region.peak, -region.area, region.box))


def _runs(mask: NDArray[np.bool_]) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Give row, first column and column after the last of each horizontal run, in reading order."""
    padded = np.zeros((mask.shape[0], mask.shape[1] + 2), dtype=np.int8)
    padded[:, 1:-1] = mask
    edges = np.diff(padded, axis=1)
    rows, starts = np.nonzero(edges == 1)
    _, ends = np.nonzero(edges == -1)
    return rows, starts, ends


def _touching(
    rows: NDArray[np.int64], starts: NDArray[np.int64], ends: NDArray[np.int64], width: int
) -> NDArray[np.int64]:
    """Give the pairs (N, 2) of runs in neighbouring rows that touch, corners included."""
    # Runs are ordered by row, then column, so one number for both keeps searching in a sorted array.
    stride = width + 2
    first = np.searchsorted(rows * stride + ends, (rows + 1) * stride + starts, side="left")
    behind = np.searchsorted(rows * stride + starts, (rows + 1) * stride + ends, side="right")
    counts = behind - first
    upper = np.repeat(np.arange(len(rows)), counts)
    offsets = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    return np.stack((upper, np.repeat(first, counts) + offsets), axis=1)


def _joined(count: int, pairs: NDArray[np.int64]) -> NDArray[np.int64]:
    """Give each run the first run that it is connected with, by union-find with path halving."""
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

"""The statistics of each cell, beside those computed cell by cell from their definitions."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import correlate

from excision.method.fitness.cell_statistics import FINEST, of_each_cell
from excision.method.fitness.cells import cut_cells, halved

_WHITE = 65535.0
_BEND = [[1, -2, 1]]
_RIDGE = [[0, -1, 0], [-1, 4, -1], [0, -1, 0]]
_NOISE = np.outer(_BEND, _BEND)


def drawn(size: tuple[int, int, int]) -> NDArray[np.uint16]:
    rng = np.random.default_rng(3)
    smooth = rng.normal(0, 6000, size).cumsum(axis=0) + rng.normal(0, 4000, size).cumsum(axis=1) + 30000
    image: NDArray[np.uint16] = smooth.clip(0, 65535).astype(np.uint16)
    return image


def inner(cell: NDArray[np.float64], mask: object) -> NDArray[np.float64]:
    """Filter a cell, without what reaches beyond its border."""
    weights = np.array(mask, dtype=np.float64)
    down, across = (side // 2 for side in weights.shape)
    filtered = correlate(cell, weights, mode="constant")
    inside: NDArray[np.float64] = filtered[down : cell.shape[0] - down, across : cell.shape[1] - across]
    return inside


def size(values: NDArray[np.float64]) -> float:
    return float(np.abs(values).mean())


def balance(one: float, other: float) -> float:
    return (one - other) / (one + other + FINEST)


def of_one_cell(grey: NDArray[np.float64]) -> dict[str, float]:
    """Compute the same from one cell (h, w) in [0, 1], by means of squares instead of their sums."""
    found = {"mean": grey.mean(), "noise": np.sqrt(np.pi / 2) / 6 * size(inner(grey, _NOISE))}
    sizes, bends, cell = [], [], grey
    for power in range(3):
        down, across = size(np.diff(cell, axis=0)), size(np.diff(cell, axis=1))
        sizes.append(np.log2((down + across) / 2 + FINEST))
        bend = (size(inner(cell, np.transpose(_BEND))) + size(inner(cell, _BEND))) / 2
        bends.append(np.log2(bend + FINEST / 2))
        if power:
            falling, rising = size(cell[1:, 1:] - cell[:-1, :-1]), size(cell[1:, :-1] - cell[:-1, 1:])
            found[f"direction_{power}"] = balance(across, down)
            found[f"slant_{power}"] = balance(falling, rising)
            ridge = inner(cell, _RIDGE)
            # Sums of pixels, and not their means, are compared with the faintest difference.
            quiet = (4 * FINEST / 4**power) ** 2
            found[f"asymmetry_{power}"] = (ridge * abs(ridge)).mean() / ((ridge**2).mean() + quiet)
        if power == 1:
            found["deviation"] = np.log2(cell.std() + FINEST)
        if power < 2:
            cell = cell.reshape(cell.shape[0] // 2, 2, cell.shape[1] // 2, 2).mean(axis=(1, 3))
    fine, coarse, broad = sizes
    return found | {
        "fine": fine,
        "coarse": coarse,
        "broad": broad,
        "fineness": fine - coarse,
        "coarseness": coarse - broad,
        "crispness_0": bends[0] - fine,
        "crispness_1": bends[1] - coarse,
    }


@pytest.mark.parametrize(
    ("shape", "grid", "cell"),
    [((64, 96, 1), (2, 3), (32, 32)), ((61, 83, 1), (3, 4), (20, 20)), ((58, 70, 3), (3, 2), (16, 32))],
)
def test_each_cell_is_measured_by_its_own_pixels(
    shape: tuple[int, int, int], grid: tuple[int, int], cell: tuple[int, int]
) -> None:
    image = drawn(shape)
    cells = cut_cells(image, grid).grey
    found = of_each_cell([cells, halved(cells), halved(halved(cells))])
    for place in range(grid[0] * grid[1]):
        # A cell lies in the middle of its share of the image.
        (row, column), spans = divmod(place, grid[1]), []
        for number, count, length, side in zip((row, column), grid, shape, cell, strict=False):
            start = number * length // count + (length // count - side) // 2
            spans.append(slice(start, start + side))
        pixels = image[spans[0], spans[1]].astype(np.int64)
        luma = pixels[..., 0] if shape[2] == 1 else (pixels @ [77, 150, 29]) // 256
        expected = of_one_cell(luma / _WHITE)
        assert {*found} == {*expected}
        for name, value in expected.items():
            assert found[name][place] == pytest.approx(value, rel=1e-9, abs=1e-12), name

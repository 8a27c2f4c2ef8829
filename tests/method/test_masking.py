"""Attention map to mask, and mask to masked_image image, against slow and obvious versions."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from excision.method.masking import cells_to_mask, excise, patch_attention, select_cells
from excision.ops.resampling import enlarge
from excision.settings import Fill

FloatArray = NDArray[np.float32]


def cell_means(plane: NDArray[np.floating], patch: int) -> NDArray[np.float64]:
    """Mean of each cell of the patch grid, those at the border cut short."""
    rows = range(0, plane.shape[0], patch)
    columns = range(0, plane.shape[1], patch)
    return np.array(
        [[plane[y : y + patch, x : x + patch].mean(dtype=float) for x in columns] for y in rows], dtype=float
    )


def slow_select(cells: FloatArray, threshold: float, cap: float) -> NDArray[np.bool_]:
    """Pick one cell after another: the strongest left, the first in reading order among equals."""
    chosen = np.zeros(cells.shape, bool)
    for _ in range(int(cap * cells.size)):
        best = None
        for place in np.ndindex(cells.shape):
            if chosen[place] or cells[place] <= threshold:
                continue
            if best is None or cells[place] > cells[best]:
                best = place
        if best is None:
            break
        chosen[best] = True
    return chosen


@pytest.mark.parametrize("size", [(32, 48), (33, 47), (9, 64), (5, 7), (8, 8), (1, 1)])
@pytest.mark.parametrize("patch", [1, 4, 8])
def test_patch_attention_is_the_mean_of_each_cell(size: tuple[int, int], patch: int) -> None:
    attention = np.random.default_rng(0).normal(size=size).astype(np.float32)
    cells = patch_attention(torch.from_numpy(attention)[None, None], patch)[0, 0].numpy()
    np.testing.assert_allclose(cells, cell_means(attention, patch), atol=1e-5)


@given(
    cells=arrays(np.float32, st.tuples(st.integers(1, 6), st.integers(1, 6)), elements=st.integers(-3, 3)),
    threshold=st.integers(-4, 3).map(lambda n: n + 0.5) | st.integers(-3, 3).map(float),
    cap=st.floats(0, 1),
)
def test_select_cells_agrees_with_the_slow_version(cells: FloatArray, threshold: float, cap: float) -> None:
    # Whole numbers make ties the rule.
    chosen = select_cells(torch.from_numpy(cells)[None, None], threshold, cap)[0, 0].numpy()
    np.testing.assert_array_equal(chosen, slow_select(cells, threshold, cap))
    assert chosen.sum() <= cap * cells.size


@given(
    batch=arrays(np.float32, (4, 1, 5, 6), elements=st.integers(-3, 3)),
    threshold=st.integers(-3, 3),
)
def test_cells_of_an_image_do_not_depend_on_the_batch(batch: FloatArray, threshold: int) -> None:
    together = select_cells(torch.from_numpy(batch), threshold, 0.3)
    alone = [select_cells(torch.from_numpy(image[None]), threshold, 0.3) for image in batch]
    assert torch.equal(together, torch.cat(alone))


def test_a_higher_threshold_or_a_lower_cap_only_removes_cells() -> None:
    cells = torch.randn(1, 1, 9, 11, generator=torch.Generator().manual_seed(0))
    wide = select_cells(cells, 0.0, 0.5)
    assert not (select_cells(cells, 0.7, 0.5) & ~wide).any()
    assert not (select_cells(cells, 0.0, 0.1) & ~wide).any()
    assert select_cells(cells, 0.0, 0.1).sum() == int(0.1 * 99)


@pytest.mark.parametrize("size", [(16, 24), (15, 17), (8, 1)])
def test_cells_to_mask_paints_whole_cells(size: tuple[int, int]) -> None:
    shape = (-(-size[0] // 8), -(-size[1] // 8))
    cells = np.random.default_rng(1).random(shape) < 0.5
    mask = cells_to_mask(torch.from_numpy(cells)[None, None], 8, size)
    assert mask.dtype == torch.bool and mask.shape == (1, 1, *size)
    for y, x in np.ndindex(size):
        assert mask[0, 0, y, x] == cells[y // 8, x // 8]


def masked_image(fill: Fill, image: FloatArray, mask: NDArray[np.bool_], patch: int = 4) -> FloatArray:
    result: FloatArray = excise(
        torch.from_numpy(image)[None], torch.from_numpy(mask)[None, None], fill, patch
    )[0].numpy()
    return result


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [(16, 12), (13, 10)])
@pytest.mark.parametrize("fill", get_args(Fill))
def test_excise_against_numpy(fill: Fill, size: tuple[int, int], channels: int) -> None:
    rng = np.random.default_rng(2)
    image = rng.random((channels, *size), dtype=np.float32)
    grid = rng.random((-(-size[0] // 4), -(-size[1] // 4))) < 0.4
    mask = np.kron(grid, np.ones((4, 4), bool))[: size[0], : size[1]].astype(bool)
    expected = image.copy()
    for plane in expected:
        if fill == "zero":
            plane[mask] = 0
        elif fill == "mean":
            plane[mask] = plane[~mask].mean()
        else:
            blown_up = np.kron(cell_means(plane, 4), np.ones((4, 4)))[: size[0], : size[1]]
            plane[mask] = blown_up[mask]
    result = masked_image(fill, image, mask)
    np.testing.assert_allclose(result, expected, atol=1e-6)
    np.testing.assert_array_equal(result[:, ~mask], image[:, ~mask])


@pytest.mark.parametrize("fill", get_args(Fill))
def test_excise_keeps_the_range_and_an_image_without_a_hole(fill: Fill) -> None:
    image = np.random.default_rng(3).integers(0, 2, (1, 9, 9)).astype(np.float32)
    nothing = np.zeros((9, 9), bool)
    np.testing.assert_array_equal(masked_image(fill, image, nothing), image)
    everything = masked_image(fill, image, ~nothing)
    assert everything.min() >= 0 and everything.max() <= 1


def test_mean_of_an_image_that_is_all_hole_is_grey() -> None:
    result = masked_image("mean", np.ones((3, 8, 8), np.float32), np.ones((8, 8), bool))
    assert (result == 0.5).all()


def test_nothing_of_a_hole_is_left_by_zero_and_mean() -> None:
    rng = np.random.default_rng(4)
    image, mask = rng.random((1, 16, 16), dtype=np.float32), np.zeros((16, 16), bool)
    mask[4:8, 8:12] = True
    other = np.where(mask, 1 - image, image)
    for fill in ("zero", "mean"):
        np.testing.assert_array_equal(masked_image(fill, image, mask), masked_image(fill, other, mask))


@pytest.mark.parametrize("size", [(32, 40), (30, 33)])
def test_enlarged_cells_are_right_in_their_middles_and_between_them(size: tuple[int, int]) -> None:
    patch = 8
    rows, columns = np.mgrid[: -(-size[0] // patch), : -(-size[1] // patch)]
    cells = torch.from_numpy((2.0 * rows - 3.0 * columns) * patch)[None, None]
    full = enlarge(cells, patch, size)[0, 0].numpy()
    assert full.shape == size
    y, x = np.mgrid[: size[0], : size[1]]
    slope = 2 * (y - 3.5) - 3 * (x - 3.5)
    inner = (slice(4, size[0] // 8 * 8 - 4), slice(4, size[1] // 8 * 8 - 4))
    np.testing.assert_allclose(full[inner], slope[inner], atol=1e-6)

"""Coarser and finer grids against numpy and torch's own interpolation."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional

from excision.ops.resampling import enlarge, repeat, shrink

SIZES = [(1, 1), (1, 7), (5, 3), (8, 8), (13, 10), (100, 3)]


def planes(size: tuple[int, int], channels: int = 2) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(0).normal(size=(3, channels, *size)))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("factor", [1, 2, 3, 8])
def test_shrink_averages_over_blocks_and_over_what_there_is_of_them(
    factor: int, size: tuple[int, int]
) -> None:
    full = planes(size)
    small = shrink(full, factor)
    assert small.shape == (3, 2, -(-size[0] // factor), -(-size[1] // factor))
    for y, x in np.ndindex(small.shape[2:]):
        block = full[:, :, y * factor : (y + 1) * factor, x * factor : (x + 1) * factor]
        torch.testing.assert_close(small[:, :, y, x], block.mean(dim=(2, 3)))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("factor", [1, 2, 3, 4, 8])
@pytest.mark.parametrize("channels", [1, 2, 5])
def test_enlarge_is_bilinear_interpolation(channels: int, factor: int, size: tuple[int, int]) -> None:
    small = planes(size, channels)
    expected = functional.interpolate(small, scale_factor=factor, mode="bilinear", align_corners=False)
    torch.testing.assert_close(enlarge(small, factor), expected)
    torch.testing.assert_close(enlarge(small.float(), factor), expected.float(), atol=2e-6, rtol=0)
    height, width = size[0] * factor - factor // 2, size[1] * factor - factor // 3
    cut = enlarge(small, factor, (height, width))
    torch.testing.assert_close(cut, expected[:, :, :height, :width])


@pytest.mark.parametrize("size", [(5, 7), (30, 9), (100, 7), (6, 130)])
@pytest.mark.parametrize("factor", [1, 2, 3])
@pytest.mark.parametrize("reach", [1, 4])
def test_enlarge_with_a_reach_interpolates_between_means(
    reach: int, factor: int, size: tuple[int, int]
) -> None:
    small = planes(size)
    means = torch.empty_like(small)
    for y, x in np.ndindex(size):
        top, left = max(0, y - reach), max(0, x - reach)
        window = small[:, :, top : y + reach + 1, left : x + reach + 1]
        means[:, :, y, x] = window.mean(dim=(2, 3))
    expected = functional.interpolate(means, scale_factor=factor, mode="bilinear", align_corners=False)
    torch.testing.assert_close(enlarge(small, factor, reach=reach), expected)


@pytest.mark.parametrize("factor", [2, 3, 8])
def test_an_enlarged_plane_stays_within_its_values(factor: int) -> None:
    small = planes((6, 9)).float()
    large = enlarge(small, factor)
    assert large.min() >= small.min() - 1e-6 and large.max() <= small.max() + 1e-6
    torch.testing.assert_close(
        enlarge(torch.ones(1, 1, 4, 5), factor), torch.ones(1, 1, 4 * factor, 5 * factor)
    )


@pytest.mark.parametrize("factor", [1, 2, 5])
def test_repeat_gives_every_pixel_the_value_of_its_block(factor: int) -> None:
    small = planes((3, 4))
    size = (3 * factor, 4 * factor - (factor > 1))
    full = repeat(small, factor, size)
    assert full.shape[2:] == size
    for y, x in np.ndindex(size):
        assert torch.equal(full[:, :, y, x], small[:, :, y // factor, x // factor])


@pytest.mark.parametrize("factor", [2, 8])
def test_an_image_of_a_batch_is_treated_as_it_is_alone(factor: int) -> None:
    small = planes((6, 9), 1).float()
    for together, alone in zip(enlarge(small, factor), small, strict=True):
        torch.testing.assert_close(together[None], enlarge(alone[None], factor), atol=1e-6, rtol=0)

"""Digits drawn on procedural surfaces."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy import ndimage

from excision.method.attention.digits import draw_lesson, warp_digit
from excision.method.attention.pretrain import grid_target
from excision.synthetic.textures import random_texture

Digits = NDArray[np.uint8]


def test_same_state_same_lesson(strokes: Digits) -> None:
    first, second, other = (draw_lesson(strokes, 4, 48, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert torch.equal(first.images, second.images) and torch.equal(first.strokes, second.strokes)
    assert not torch.equal(first.images, other.images)


def test_ranges_and_shapes(strokes: Digits) -> None:
    for part in draw_lesson(strokes, 24, 64, np.random.default_rng(0)):
        assert part.shape == (24, 1, 64, 64) and part.dtype == torch.float32
        assert torch.isfinite(part).all() and part.min() >= 0 and part.max() <= 1


def test_some_surfaces_have_no_digit(strokes: Digits) -> None:
    counts = []
    for share in (0.0, 0.15, 1.0):
        lesson = draw_lesson(strokes, 120, 32, np.random.default_rng(3), empty_share=share)
        counts.append(int((lesson.strokes.amax(dim=(1, 2, 3)) == 0).sum()))
    assert counts[2] == 120
    # A digit may also fall outside the field, though rarely.
    assert counts[0] <= 6 and 8 <= counts[1] <= 35


@pytest.mark.parametrize("seed", range(8))
def test_warped_digit_is_one_place_of_full_strength(strokes: Digits, seed: int) -> None:
    placed = warp_digit(strokes[seed], 96, np.random.default_rng(seed))
    assert placed.shape == (96, 96) and placed.dtype == np.float32
    assert placed.min() >= 0 and placed.max() == pytest.approx(1, abs=1e-3)
    assert 0 < (placed > 0.5).mean() < 0.6
    # A bar stays in one piece however it is warped.
    if seed in (0, 1, 5, 6):
        assert ndimage.label(placed > 0.2, np.ones((3, 3)))[1] == 1


@pytest.mark.parametrize("size", [(8, 8), (32, 48)])
@pytest.mark.parametrize("stride", [4, 8])
def test_grid_target_counts_a_cell_that_a_stroke_crosses(size: tuple[int, int], stride: int) -> None:
    fields = np.random.default_rng(0).random((2, 1, *size)).astype(np.float32)
    fields[fields < 0.95] = 0
    cells = fields.reshape(2, 1, size[0] // stride, stride, size[1] // stride, stride)
    np.testing.assert_array_equal(grid_target(torch.from_numpy(fields), stride), cells.max(axis=(3, 5)))


def test_textures_are_finite_varied_and_seeded() -> None:
    drawn = [random_texture(np.random.default_rng(seed), 64) for seed in range(40)]
    for texture in drawn:
        assert texture.shape == (64, 64) and texture.dtype == np.float32
        assert np.isfinite(texture).all() and 0.3 < texture.std() < 30
    np.testing.assert_array_equal(drawn[7], random_texture(np.random.default_rng(7), 64))
    grain = [np.abs(np.diff(texture, axis=0)).mean() / texture.std() for texture in drawn]
    assert max(grain) > 5 * min(grain)

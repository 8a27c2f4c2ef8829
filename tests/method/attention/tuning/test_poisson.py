"""Poisson blending against a dense solution of the same equations."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from excision.method.attention.tuning.poisson import poisson_blend, solve_poisson

FloatImage = NDArray[np.float32]
NEIGHBOURS = ((-1, 0), (1, 0), (0, -1), (0, 1))


def slow_blend(target: FloatImage, source: FloatImage, inside: NDArray[np.bool_]) -> NDArray[np.float64]:
    """One equation for each pixel, solved at once."""
    height, width = target.shape
    system, wanted = np.eye(height * width), target.astype(np.float64).ravel()
    for y in range(1, height - 1):
        for x in range(1, width - 1):
            row = y * width + x
            system[row], wanted[row] = 0, 0
            for dy, dx in NEIGHBOURS:
                other = source if inside[y, x] and inside[y + dy, x + dx] else target
                system[row, row] += 1
                system[row, (y + dy) * width + x + dx] -= 1
                wanted[row] += float(other[y, x]) - float(other[y + dy, x + dx])
    solved: NDArray[np.float64] = np.linalg.solve(system, wanted).astype(np.float64)
    return solved.reshape(height, width)


@given(st.integers(3, 14), st.integers(3, 14), st.integers(0, 2**32 - 1))
def test_agrees_with_a_dense_solution(height: int, width: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    target, source = rng.random((2, height, width), dtype=np.float32)
    inside = rng.random((height, width)) < rng.uniform(0.1, 0.9)
    blended = poisson_blend(target, source, inside)
    np.testing.assert_allclose(blended, slow_blend(target, source, inside), atol=2e-6)


def test_only_differences_of_the_source_count_and_the_border_stays() -> None:
    rng = np.random.default_rng(0)
    target, source = rng.random((2, 20, 31), dtype=np.float32)
    inside = np.zeros((20, 31), np.bool_)
    inside[5:12, 8:20] = True
    blended = poisson_blend(target, source, inside)
    np.testing.assert_allclose(poisson_blend(target, source + 0.25, inside), blended, atol=1e-5)
    border = np.ones((20, 31), np.bool_)
    border[1:-1, 1:-1] = False
    np.testing.assert_array_equal(blended[border], target[border])
    np.testing.assert_allclose(poisson_blend(target, target + 0.5, inside), target, atol=1e-5)


@pytest.mark.parametrize("size", [(3, 3), (128, 5), (64, 64)])
def test_what_is_harmonic_is_given_back(size: tuple[int, int]) -> None:
    y, x = np.mgrid[: size[0], : size[1]].astype(np.float32)
    harmonic = (y**2 - x**2 + 2 * y * x) / 1e4
    solved = solve_poisson(np.zeros(size), harmonic)
    np.testing.assert_allclose(solved, harmonic, atol=1e-4)

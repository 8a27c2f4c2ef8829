"""Symmetric matrices as lower triangles."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from excision.ops.triangles import lower_triangle, symmetric


@pytest.mark.parametrize("side", [1, 2, 3, 40])
def test_a_symmetric_matrix_comes_back(side: int) -> None:
    some = torch.rand(2, 3, side, side, dtype=torch.float64)
    matrices = some + some.transpose(-1, -2)
    triangles = lower_triangle(matrices)
    assert triangles.shape == (2, 3, side * (side + 1) // 2)
    assert torch.equal(symmetric(triangles), matrices)


def test_of_other_matrices_the_lower_triangle_counts() -> None:
    matrix = torch.rand(5, 5)
    lower = np.tril(matrix.numpy())
    expected = lower + np.tril(lower, -1).T
    np.testing.assert_array_equal(symmetric(lower_triangle(matrix)).numpy(), expected)

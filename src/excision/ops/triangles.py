"""Symmetric matrices, stored as their lower triangles in half the memory."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def lower_triangle(matrices: Tensor) -> Tensor:
    """Return the lower triangles (..., C * (C + 1) / 2) of matrices (..., C, C), row by row."""
    side = matrices.shape[-1]
    rows, columns = _places(side, matrices.device)
    return matrices.flatten(-2).index_select(-1, rows * side + columns)


def symmetric(triangles: Tensor) -> Tensor:
    """Return the symmetric matrices (..., C, C) of lower triangles (..., C * (C + 1) / 2)."""
    side = (math.isqrt(8 * triangles.shape[-1] + 1) - 1) // 2
    rows, columns = _places(side, triangles.device)
    full = triangles.new_empty(*triangles.shape[:-1], side, side)
    full[..., rows, columns] = triangles
    full[..., columns, rows] = triangles
    return full


def _places(side: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Return the rows and the columns of the entries of a lower triangle."""
    rows, columns = torch.tril_indices(side, side, device=device)
    return rows, columns

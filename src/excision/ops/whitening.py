"""Whitening: the factor by which a covariance becomes the identity."""

from __future__ import annotations

import torch
from torch import Tensor


def identities(count: int, channels: int) -> Tensor:
    """Return the identity (count, C, C) as often as wanted.

    Where a model is only described, on the device "meta", `torch.eye` would import sympy and half of torch's
    compiler, which takes a second.
    """
    found = torch.zeros(count, channels, channels)
    found.diagonal(dim1=1, dim2=2).fill_(1)
    return found


def inverse_factor(covariance: Tensor) -> Tensor:
    """Return a lower triangular factor A of the inverse AᵀA of each covariance.

    Args:
        covariance: (..., C, C), symmetric and positive definite.

    Returns:
        (..., C, C).
    """
    factor = torch.linalg.cholesky(covariance)
    identity = torch.eye(factor.shape[-1], dtype=factor.dtype, device=factor.device)
    inverse: Tensor = torch.linalg.solve_triangular(factor, identity.expand_as(factor), upper=False)
    return inverse

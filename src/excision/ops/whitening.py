"""Whitening: the factor by which a covariance becomes the identity."""

from __future__ import annotations

import torch
from torch import Tensor

_LEAST_VARIANCE = 0.01  # share of each feature's variance that is added to it
_LEAST = 1e-6  # added to every variance as well; features are between -1 and 1


def identities(count: int, channels: int) -> Tensor:
    """Return the identity (count, C, C) as often as wanted.

    Where a model is only described, on the device "meta", `torch.eye` would import sympy and half of torch's
    compiler, which takes a second.
    """
    found = torch.zeros(count, channels, channels)
    found.diagonal(dim1=1, dim2=2).fill_(1)
    return found


def variance_floor(covariance: Tensor) -> Tensor:
    """Return what is added to a covariance before it is inverted, (C, C).

    Without it, rounding errors of a feature that never varies would be amplified to a defect.

    Args:
        covariance: (C, C), of the features over all positions.
    """
    return torch.diag(_LEAST_VARIANCE * covariance.diagonal() + _LEAST)


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

"""The features of edges in the form that the engines of exported graphs compute fastest.

Up to rounding, they are those of `excision.method.scoring.edge_features`. A response r saturates as
r / (|r| + s) = x / (|x| + 1) with x = r / s: one step, where the filters are divided by s.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from excision.method.scoring import edge_features as method


def edge_features(images: Tensor) -> Tensor:
    """Describe the edges and lines at each position, as `edge_features` of the method does."""
    return method.edge_features(images, _oriented_features)


def _oriented_features(seen: Tensor, side: int) -> list[Tensor]:
    filters = torch.from_numpy(method.FILTERS) / method.SATURATION
    padded = functional.pad(seen, (method.REACH,) * 4, mode="reflect")
    saturated = functional.softsign(functional.conv2d(padded, filters))
    return [method.pool(each, side) for each in (saturated, saturated.abs())]

"""From colour to grey."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

LUMA = (0.299, 0.587, 0.114)
"""Weights of red, green and blue in grey, after ITU-R BT.601."""


def to_grey(images: Tensor) -> Tensor:
    """Give the luma (B, 1, H, W) in [0, 1] of grey or RGB images (B, C, H, W) in [0, 1]."""
    if images.shape[1] == 1:
        return images
    weights = images.new_tensor(LUMA)
    return (images * weights.view(1, 3, 1, 1)).sum(dim=1, keepdim=True)

"""Attention map to one deterministic mask, and the mask to the masked_image image."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from excision.ops.resampling import repeat, shrink
from excision.settings import Fill


def patch_attention(attention: Tensor, patch: int) -> Tensor:
    """Average the attention map over the cells of the patch grid.

    Args:
        attention: (B, 1, H, W), any unit.
        patch: side of a cell in pixels; cells at the right and lower border may be cut short.

    Returns:
        (B, 1, ceil(H / patch), ceil(W / patch)) in the unit of `attention`.
    """
    return shrink(attention, patch)


def select_cells(cells: Tensor, threshold: float, cap: float) -> Tensor:
    """Choose the cells to excise: those above the threshold, and of these at most a share `cap`.

    Each image is judged by itself, so its mask is the same alone and in any batch. Where more cells pass
    than the cap allows, the strongest win, and of equal ones the first in reading order.

    Args:
        cells: (B, 1, h, w) attention of the patch grid.
        threshold: in the unit of `cells`.
        cap: largest share of cells, 0 to 1.

    Returns:
        (B, 1, h, w) bool.
    """
    flat = cells.flatten(1)
    allowed = int(cap * flat.shape[1])
    if allowed == 0:
        return torch.zeros_like(cells, dtype=torch.bool)
    least = flat.topk(allowed, dim=1).values[:, -1:]
    stronger, tied = flat > least, flat == least
    free = allowed - stronger.sum(dim=1, keepdim=True)
    strongest = stronger | (tied & (tied.cumsum(dim=1) <= free))
    return ((flat > threshold) & strongest).view_as(cells)


def cells_to_mask(cells: Tensor, patch: int, size: tuple[int, int]) -> Tensor:
    """Blow the chosen cells (B, 1, h, w), bool, up to a mask (B, 1, H, W) of the same type."""
    return repeat(cells.float(), patch, size) > 0


def excise(images: Tensor, mask: Tensor, fill: Fill, patch: int) -> Tensor:
    """Cut the masked region out and fill the hole.

    Args:
        images: (B, C, H, W) in [0, 1].
        mask: (B, 1, H, W) bool, True where the image is cut out.
        fill: "zero" leaves the hole black (the paper); "mean" fills it with the mean of each channel
            outside the hole; "mosaic" leaves the mean of each cell as a hint (Park et al., Scientific
            Reports 14:18872, 2024).
        patch: side of a cell in pixels, for "mosaic".

    Returns:
        (B, C, H, W) in [0, 1]: the masked_image image.
    """
    if fill == "zero":
        return images * ~mask
    return torch.where(mask, _filling(images, mask, fill, patch), images)


def _filling(images: Tensor, mask: Tensor, fill: Literal["mean", "mosaic"], patch: int) -> Tensor:
    if fill == "mean":
        kept = (~mask).to(images.dtype)
        # An image that is all hole has nothing outside it to average: grey is then as good as any.
        total = (images * kept).sum(dim=(2, 3), keepdim=True)
        count = kept.sum(dim=(2, 3), keepdim=True)
        return torch.where(count > 0, total / count.clamp_min(1), 0.5).expand_as(images)
    return repeat(shrink(images, patch), patch, (images.shape[2], images.shape[3]))

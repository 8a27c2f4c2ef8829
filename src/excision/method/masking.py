"""Turns the attention map into one deterministic mask, and the mask into the masked image."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from excision.ops.resampling import repeat, shrink
from excision.settings import Fill, MaskSettings


class Masking(nn.Module):
    """Selects the cells to excise and makes the mask and the masked image.

    Args:
        settings: settings of the mask.

    Attributes:
        threshold: (); cells of the patch grid with more attention than this are excised.
        least: (); nothing is excised from an image whose largest attention of a cell is below this; None if
            there is no early exit.
    """

    threshold: Tensor
    least: Tensor | None

    def __init__(self, settings: MaskSettings) -> None:
        super().__init__()
        self.settings = settings
        self.register_buffer("threshold", torch.tensor(float("inf")))
        self.register_buffer("least", torch.tensor(float("-inf")) if settings.early_exit > 0 else None)

    def forward(self, images: Tensor, cells: Tensor, *, spares: bool = False) -> tuple[Tensor, Tensor]:
        """Excise the cells with the most attention.

        Args:
            images: (B, C, H, W) in [0, 1].
            cells: (B, 1, h, w), attention of each cell of the patch grid.
            spares: excise nothing from images below `least`. What is normal is learnt without.

        Returns:
            The mask (B, 1, H, W), bool, and the masked image (B, C, H, W) in [0, 1].
        """
        if self.settings.enabled:
            selected = self.select(cells)
            if spares and self.least is not None:
                selected &= cells.amax(dim=(2, 3), keepdim=True) >= self.least
            mask = cells_to_mask(selected, self.settings.patch, (images.shape[2], images.shape[3]))
        else:
            mask = torch.zeros_like(images[:, :1], dtype=torch.bool)
        return mask, excise(images, mask, self.settings.fill, self.settings.patch)

    def select(self, cells: Tensor) -> Tensor:
        """Select the cells (B, 1, h, w) to excise; same shape, bool."""
        return select_cells(cells, self.threshold, self.settings.cap)

    def learn(self, normal: Iterable[Tensor]) -> None:
        """Set the threshold so that, on average, the share `budget` of a normal image is excised.

        With an early exit, `least` becomes that quantile of the largest attention of a normal image.

        Args:
            normal: attention of the patch grid of each normal image, (1, 1, h, w).
        """
        each = [cells.flatten().cpu().numpy() for cells in normal]
        self.threshold.fill_(float(np.quantile(np.concatenate(each), 1 - self.settings.budget)))
        if self.least is not None:
            largest = [float(values.max()) for values in each]
            self.least.fill_(float(np.quantile(largest, self.settings.early_exit)))


def patch_attention(attention: Tensor, patch: int) -> Tensor:
    """Average the attention map over the cells of the patch grid.

    Args:
        attention: (B, 1, H, W), any unit.
        patch: side of a cell in pixels; cells at the right and lower border may be smaller.

    Returns:
        (B, 1, ceil(H / patch), ceil(W / patch)) in the unit of `attention`.
    """
    return shrink(attention, patch)


def select_cells(cells: Tensor, threshold: Tensor | float, cap: float) -> Tensor:
    """Select the cells to excise: those above the threshold, but at most the share `cap` of all cells.

    Each image is treated separately, so its mask is the same alone and in any batch. If more cells pass than
    the cap allows, those with the most attention are taken; ties go to the first in reading order.

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
    """Enlarge the selected cells (B, 1, h, w), bool, to a mask (B, 1, H, W), bool."""
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
        (B, C, H, W) in [0, 1]: the masked image.
    """
    if fill == "zero":
        return images * ~mask
    return torch.where(mask, _filling(images, mask, fill, patch), images)


def _filling(images: Tensor, mask: Tensor, fill: Literal["mean", "mosaic"], patch: int) -> Tensor:
    if fill == "mean":
        kept = (~mask).to(images.dtype)
        # Nothing is left to average if the hole covers the whole image: fill with grey.
        total = (images * kept).sum(dim=(2, 3), keepdim=True)
        count = kept.sum(dim=(2, 3), keepdim=True)
        return torch.where(count > 0, total / count.clamp_min(1), 0.5).expand_as(images)
    return repeat(shrink(images, patch), patch, (images.shape[2], images.shape[3]))

"""The attention stage: takes an image of any size and returns an attention map of the same size."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from excision.method.attention.networks import PlainAttention, SurfaceAttention
from excision.method.attention.normalise import reflect_pad
from excision.method.attention.weights import SHIPPED, load_weights
from excision.method.masking import patch_attention
from excision.ops.colour import to_grey
from excision.ops.filters import gaussian_blur
from excision.ops.memory_format import lay_out
from excision.ops.resampling import enlarge, shrink
from excision.settings import AttentionChoice, AttentionVariant

_NEIGHBOURS = 1.0  # cells, standard deviation
_LEAST_DEVIATION = 0.3  # logits; keeps rounding errors from counting in a cell that never varies
LEAST = 32
"""Pixels a side; below this the coarsest grid has one position and nothing to compare it with."""


class Look(NamedTuple):
    """What an attention network found in images.

    Attributes:
        cells: (B, 1, h, w) logits, the mean attention of each cell of the patch grid.
        features: (B, C, h', w'), what the surface network saw at full size at each position of its grid; None
            for other networks, whose features are not compared.
    """

    cells: Tensor
    features: Tensor | None


class NormalAttention(nn.Module):
    """Mean and standard deviation of the attention of normal images, at each cell of the patch grid.

    Attributes:
        mean: (1, 1, h, w); zero until it is learnt.
        std: (1, 1, h, w) > 0; one until it is learnt.
    """

    mean: Tensor
    std: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(1, 1, 1, 1))
        self.register_buffer("std", torch.ones(1, 1, 1, 1))

    def reset(self, grid: tuple[int, ...]) -> None:
        """Forget what was learnt and set the grid to (h, w) cells: mean 0 and standard deviation 1."""
        self.mean = torch.zeros(1, 1, *grid, device=self.mean.device)
        self.std = torch.ones(1, 1, *grid, device=self.std.device)

    def forward(self, cells: Tensor) -> Tensor:
        """Return the attention (B, 1, h, w) in standard deviations from the mean."""
        return (cells - self.mean) / self.std

    @torch.no_grad()
    def learn(self, normal: Iterable[Tensor]) -> None:
        """Learn mean and standard deviation from the attention of normal images, each (1, 1, h, w).

        Each cell is pooled with its neighbours, since parts are never in exactly the same position.
        """
        total, squares = (torch.zeros_like(self.mean, dtype=torch.float64) for _ in range(2))
        count = 0
        for cells in normal:
            total += cells
            squares += cells.double().square()
            count += 1
        mean = total / count
        deviation = (squares / count - mean.square()).clamp_min(0).sqrt()
        self.mean.copy_(gaussian_blur(mean, _NEIGHBOURS))
        self.std.copy_(gaussian_blur(deviation, _NEIGHBOURS) + _LEAST_DEVIATION)


class Attention(nn.Module):
    """A frozen, pre-trained attention network that takes images of any size.

    Attributes:
        network: the network itself.
        normal: mean and standard deviation of the attention of normal images.
    """

    def __init__(self, variant: AttentionVariant = "surface") -> None:
        super().__init__()
        self.variant: AttentionChoice = variant
        self.network = SurfaceAttention() if variant == "surface" else PlainAttention()
        self.normal = NormalAttention()
        self.requires_grad_(False).eval()

    @classmethod
    def pretrained(cls, variant: AttentionVariant = "surface", folder: Path = SHIPPED) -> Attention:
        """Load the shipped weights, or those that `excision attention pretrain` wrote to `folder`.

        Raises:
            ModelError: the weights are missing or damaged.
        """
        attention = cls(variant)
        load_weights(attention.network, variant, folder)
        return attention

    @torch.no_grad()
    def forward(self, images: Tensor) -> Tensor:
        """Compute the attention map.

        Args:
            images: (B, C, H, W) in [0, 1], C of 1 or 3, any H and W.

        Returns:
            (B, 1, H, W) logits; larger is more defect-like. There is no softmax over the positions: it would
            make the values depend on the size of the image.
        """
        return enlarge(self.grid(images), self.network.stride, (images.shape[2], images.shape[3]))

    @torch.no_grad()
    def cells(self, images: Tensor, patch: int) -> Tensor:
        """Compute the mean attention of each cell of a patch grid.

        Args:
            images: (B, C, H, W) in [0, 1], C of 1 or 3, any H and W.
            patch: side of a cell in pixels.

        Returns:
            (B, 1, ceil(H / patch), ceil(W / patch)) logits.
        """
        return self.look(images, patch).cells

    @torch.no_grad()
    def look(self, images: Tensor, patch: int) -> Look:
        """Compute the attention of each cell of a patch grid, and the features that it comes from.

        Arguments as for `cells`.
        """
        logits, features = self._on_grid(images)
        if patch == self.network.stride:
            return Look(logits, features)
        size = (images.shape[2], images.shape[3])
        return Look(patch_attention(enlarge(logits, self.network.stride, size), patch), features)

    @torch.no_grad()
    def grid(self, images: Tensor) -> Tensor:
        """Compute the attention on the network's output grid.

        Args:
            images: (B, C, H, W) in [0, 1], C of 1 or 3, any H and W.

        Returns:
            (B, 1, ceil(H / stride), ceil(W / stride)) logits.
        """
        return self._on_grid(images)[0]

    def _on_grid(self, images: Tensor) -> Look:
        """Compute attention and features on the network's output grid."""
        grey = lay_out(to_grey(images))
        height, width = (-(-side // self.network.stride) for side in grey.shape[2:])
        scales = self.at_scales(grey)
        logits = torch.stack([each.cells[:, :, :height, :width] for each in scales]).mean(dim=0)
        features = scales[0].features
        return Look(logits, None if features is None else features[:, :, :height, :width])

    def at_scales(self, grey: Tensor) -> list[Look]:
        """Look at brightness (B, 1, H, W) at each scale, on the grid of full size."""
        return [self._at_scale(grey, factor) for factor in self.network.scales]

    def _at_scale(self, grey: Tensor, factor: int) -> Look:
        """Look at images (B, 1, H, W) at 1/`factor` size; the grid may exceed the image."""
        stride, margin = self.network.stride, self.network.margin
        padded = reflect_pad(shrink(grey, factor), margin)
        # Pad to a multiple of the stride, so that the positions of the grid and the pixels line up.
        bottom, right = (max(LEAST - side, -side % stride) for side in padded.shape[2:])
        padded = functional.pad(padded, (0, right, 0, bottom), mode="replicate")
        features = None
        if isinstance(self.network, SurfaceAttention):
            features = self.network.describe(padded)
            logits = self.network.judge(features)
        else:
            logits = self.network.locate(padded)
        outside = margin // stride * factor
        return Look(enlarge(logits, factor)[:, :, outside:, outside:], features)

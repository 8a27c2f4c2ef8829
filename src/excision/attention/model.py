"""Attention as the rest of the package sees it: image in, attention map of the same size out."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from excision.attention.networks import PlainAttention, Seen, SurfaceAttention
from excision.attention.normalise import reflect_pad, to_grey
from excision.attention.weights import SHIPPED, load_weights
from excision.masking import patch_attention
from excision.memory_format import lay_out
from excision.resampling import enlarge, shrink
from excision.settings import AttentionVariant

_LEAST = 32  # pixels a side; on less, the coarsest grid has a single place, and nothing to compare it with


class Attention(nn.Module):
    """A frozen, pre-trained attention network that takes images of any size."""

    def __init__(self, variant: AttentionVariant = "surface") -> None:
        super().__init__()
        self.variant = variant
        self.network = SurfaceAttention() if variant == "surface" else PlainAttention()
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
        """Give the attention map.

        Args:
            images: (B, C, H, W) in [0, 1], C of 1 or 3, any H and W.

        Returns:
            (B, 1, H, W) logits; larger is more defect-like. The unit is the network's own: a softmax over
            positions would make it depend on the size of the image.
        """
        return enlarge(self.grid(images), self.network.stride, (images.shape[2], images.shape[3]))

    @torch.no_grad()
    def cells(self, images: Tensor, patch: int) -> Tensor:
        """Give the mean attention of each cell of a patch grid.

        Args:
            images: (B, C, H, W) in [0, 1], C of 1 or 3, any H and W.
            patch: side of a cell in pixels.

        Returns:
            (B, 1, ceil(H / patch), ceil(W / patch)) logits.
        """
        return self.to_cells(self.grid(images), patch, (images.shape[2], images.shape[3]))

    def to_cells(self, grid: Tensor, patch: int, size: tuple[int, int]) -> Tensor:
        """Give the same of what `grid` gave of images of this size (H, W)."""
        if patch == self.network.stride:
            return grid
        return patch_attention(enlarge(grid, self.network.stride, size), patch)

    @torch.no_grad()
    def grid(self, images: Tensor) -> Tensor:
        """Give the attention on the network's own grid.

        Args:
            images: (B, C, H, W) in [0, 1], C of 1 or 3, any H and W.

        Returns:
            (B, 1, ceil(H / stride), ceil(W / stride)) logits.
        """
        return self.look(images).logits

    @torch.no_grad()
    def look(self, images: Tensor) -> Seen:
        """Give the attention on the network's own grid, with the features of the image at its own size.

        Args:
            images: (B, C, H, W) in [0, 1], C of 1 or 3, any H and W.

        Returns:
            (B, 1, h, w) logits and (B, `network.channels`, h, w) features, h = ceil(H / stride) and w alike.
        """
        grey = lay_out(to_grey(images))
        height, width = (-(-side // self.network.stride) for side in grey.shape[2:])
        seen = [self._at_scale(grey, factor) for factor in self.network.scales]
        logits = torch.stack([each.logits[:, :, :height, :width] for each in seen]).mean(dim=0)
        return Seen(logits, seen[0].features[:, :, :height, :width])

    def _at_scale(self, grey: Tensor, factor: int) -> Seen:
        """Look at an image (B, 1, H, W) seen `factor` times smaller; the logits enlarged to the grid again.

        Both reach a little beyond the grid.
        """
        stride, margin = self.network.stride, self.network.margin
        padded = reflect_pad(shrink(grey, factor), margin)
        # Up to a multiple of the grid, so that its places and the pixels line up.
        bottom, right = (max(_LEAST - side, -side % stride) for side in padded.shape[2:])
        seen = self.network.see(functional.pad(padded, (0, right, 0, bottom), mode="replicate"))
        outside = margin // stride
        logits, features = (plane[:, :, outside:, outside:] for plane in seen)
        return Seen(enlarge(logits, factor), features)

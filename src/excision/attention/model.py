"""Attention as the rest of the package sees it: image in, attention map of the same size out."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from excision.attention.networks import STRIDE, PlainAttention, SurfaceAttention
from excision.attention.normalise import reflect_pad, to_grey
from excision.attention.weights import SHIPPED, load_weights
from excision.settings import AttentionVariant

# The convolutions pad with zeros, which leaves a frame of false attention. It is pushed outside the image.
MARGIN = 16


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
        grey = to_grey(images)
        if self.variant == "plain":
            return self._at_full_scale(grey)
        # Half the size shows a stain as the crack it is taught to see; the mean of both sees either.
        half = functional.avg_pool2d(grey, 2, ceil_mode=True, count_include_pad=False)
        coarse = functional.interpolate(
            self._at_full_scale(half), scale_factor=2, mode="bilinear", align_corners=False
        )
        return (self._at_full_scale(grey) + coarse[:, :, : grey.shape[2], : grey.shape[3]]) / 2

    def _at_full_scale(self, grey: Tensor) -> Tensor:
        """Logits (B, 1, H, W) of one scale, from brightness (B, 1, H, W)."""
        height, width = grey.shape[2:]
        padded = reflect_pad(grey, MARGIN)
        # Up to a multiple of the grid, so that grid cells and pixels line up.
        extra = (0, -padded.shape[3] % STRIDE, 0, -padded.shape[2] % STRIDE)
        padded = functional.pad(padded, extra, mode="replicate")
        logits = self.network.locate(padded.contiguous(memory_format=torch.channels_last))
        full = functional.interpolate(logits, scale_factor=STRIDE, mode="bilinear", align_corners=False)
        return full[:, :, MARGIN : MARGIN + height, MARGIN : MARGIN + width]

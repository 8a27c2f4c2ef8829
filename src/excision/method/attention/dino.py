"""The attention of DINO: where the last layer of a vision transformer looks.

Park, Kang, Kim, Lee, Yi, "Excision and Recovery" in its later form, Scientific Reports 14:18872, 2024, takes
the attention of a network that was trained without labels (Caron et al., "Emerging properties in
self-supervised vision transformers", ICCV 2021): the mean over the heads of what the class token pays to each
patch.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from excision.errors import ModelError
from excision.features.dinov2 import DinoV2
from excision.features.network import FeatureNetwork
from excision.method.attention.model import Attention, Look, NormalAttention
from excision.settings import AttentionChoice


class DinoAttention(Attention):
    """The attention of the DINOv2 network whose features are compared; it is never tuned.

    Args:
        network: the network, which belongs to the feature network: its weights are stored once, there.
    """

    def __init__(self, network: DinoV2) -> None:
        nn.Module.__init__(self)
        self.variant: AttentionChoice = "dino"
        # Not an attribute that torch registers: the weights would be stored twice.
        self.__dict__["network"] = network
        self.normal = NormalAttention()

    @torch.no_grad()
    def forward(self, images: Tensor) -> Tensor:
        """Compute the attention map (B, 1, H, W) of images (B, C, H, W) in [0, 1]."""
        return self._resized(images, (images.shape[2], images.shape[3]))

    @torch.no_grad()
    def look(self, images: Tensor, patch: int) -> Look:
        """Compute the attention of each cell of a patch grid, (B, 1, ceil(H / patch), ceil(W / patch))."""
        grid = (-(-images.shape[2] // patch), -(-images.shape[3] // patch))
        return Look(self._resized(images, grid), None)

    def _resized(self, images: Tensor, size: tuple[int, int]) -> Tensor:
        network: DinoV2 = self.__dict__["network"]
        return functional.interpolate(network.attend(images), size, mode="bilinear", align_corners=False)


def new_attention(choice: AttentionChoice, features: FeatureNetwork | None) -> Attention:
    """Create an attention without trained weights, or that of the feature network.

    Args:
        choice: which attention.
        features: feature network; "dino" takes its attention.

    Raises:
        ModelError: the feature network is missing, or is no DINOv2.
    """
    if choice != "dino":
        return Attention(choice)
    if features is None or not isinstance(features.backbone, DinoV2):
        raise ModelError('attention.variant is "dino", and there is no DINOv2 network of features')
    return DinoAttention(features.backbone)

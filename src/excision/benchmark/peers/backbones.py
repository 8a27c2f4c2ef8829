"""The frozen networks of the methods, with random weights: their time does not depend on them."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from excision.features.dinov2 import WIDTHS, DinoV2
from excision.features.network import Normalise
from excision.features.resnet import VARIANTS, ResNet

_MEAN, _DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_LAYERS = (64, 128, 256)


class Layers(nn.Module):
    """The first three layers of a ResNet, of stride 4, 8 and 16."""

    def __init__(self, network: ResNet) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> list[Tensor]:
        """Turn images (B, 3, H, W) in [0, 1] into three maps (B, C, h, w)."""
        return self.network.layers(images)


def resnet(kind: str) -> tuple[Layers, tuple[int, ...]]:
    """Build a ResNet; gives it and the channels of its three maps."""
    network = ResNet(kind, Normalise(_MEAN, _DEVIATION))
    _draw(network)
    expansion = VARIANTS[kind].expansion
    return Layers(network), tuple(expansion * width for width in _LAYERS)


def dinov2(size: tuple[int, int]) -> tuple[DinoV2, int]:
    """Build DINOv2-S for images of (H, W); gives it and the channels of its map."""
    network = DinoV2("dinov2_vits14", Normalise(_MEAN, _DEVIATION), size)
    _draw(network)
    return network, WIDTHS["dinov2_vits14"]


@torch.no_grad()
def _draw(network: nn.Module) -> None:
    """Draw the weights that the network leaves at zero, so that no backend leaves a product out."""
    for parameter in network.parameters():
        if parameter.ndim > 1:
            nn.init.kaiming_normal_(parameter)

"""Methods that train a network on good images, as they are computed at inference: STFPM and FastFlow."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from excision.benchmark.peers.backbones import resnet
from excision.benchmark.peers.scored import Scored, scored

_STEPS = 8
_CLAMP = 2.0


class Stfpm(nn.Module):
    """Wang et al., "Student-teacher feature pyramid matching", BMVC 2021, with ResNet-18."""

    def __init__(self) -> None:
        super().__init__()
        self.teacher, _ = resnet("resnet18")
        self.student, _ = resnet("resnet18")

    def forward(self, images: Tensor) -> Scored:
        """Inspect images (B, 3, H, W) in [0, 1]."""
        product = torch.ones_like(images[:, :1])
        for taught, learnt in zip(self.teacher(images), self.student(images), strict=True):
            offsets = functional.normalize(taught, dim=1) - functional.normalize(learnt, dim=1)
            distances = 0.5 * offsets.square().sum(dim=1, keepdim=True)
            product = product * functional.interpolate(distances, images.shape[2:], mode="bilinear")
        return scored(product)


class FastFlow(nn.Module):
    """Yu et al., "FastFlow: unsupervised anomaly detection and localization via 2D normalizing flows", 2021.

    ResNet-18, and eight steps of the flow on each of its three layers. The fixed permutations between the
    steps are an indexing; common implementations spend a convolution on them.

    Args:
        size: (H, W) of the images.
    """

    def __init__(self, size: tuple[int, int]) -> None:
        super().__init__()
        self.backbone, channels = resnet("resnet18")
        self.norms = nn.ModuleList(
            nn.LayerNorm([width, size[0] // stride, size[1] // stride])
            for width, stride in zip(channels, (4, 8, 16), strict=True)
        )
        self.flows = nn.ModuleList(
            nn.Sequential(*(FlowStep(width, 3 if number % 2 == 0 else 1) for number in range(_STEPS)))
            for width in channels
        )

    def forward(self, images: Tensor) -> Scored:
        """Inspect images (B, 3, H, W) in [0, 1]."""
        maps = []
        for features, norm, flow in zip(self.backbone(images), self.norms, self.flows, strict=True):
            likelihood = (-0.5 * flow(norm(features)).square().mean(dim=1, keepdim=True)).exp()
            maps.append(functional.interpolate(-likelihood, images.shape[2:], mode="bilinear"))
        return scored(torch.stack(maps).mean(dim=0))


class FlowStep(nn.Module):
    """An affine coupling: a network of one half of the channels scales and shifts the other.

    Args:
        channels: of its input and output.
        kernel: side of its convolutions.
    """

    order: Tensor

    def __init__(self, channels: int, kernel: int) -> None:
        super().__init__()
        half = channels // 2
        self.inner = nn.Sequential(
            nn.Conv2d(half, half, kernel, padding="same"),
            nn.ReLU(),
            nn.Conv2d(half, 2 * half, kernel, padding="same"),
        )
        self.register_buffer("order", torch.randperm(channels))

    def forward(self, features: Tensor) -> Tensor:
        """Turn features (B, C, h, w) into as many."""
        kept, changed = features.chunk(2, dim=1)
        scale, shift = self.inner(kept).chunk(2, dim=1)
        scale = _CLAMP * torch.tanh(0.1 * scale)
        return torch.cat((kept, changed * scale.exp() + shift), dim=1)[:, self.order]

"""Methods that compare the features of a frozen network with those of good images."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from excision.benchmark.peers.backbones import dinov2, resnet
from excision.benchmark.peers.scored import Scored, scored, smoothed

_COUNTED = 9  # neighbours of equation 7
_TOP = 0.01  # share of the patches whose mean distance is the score of AnomalyDINO


class PatchCore(nn.Module):
    """Roth et al., "Towards total recall in industrial anomaly detection", CVPR 2022, with layers 2 and 3.

    Args:
        kind: "resnet18" or "wide_resnet50_2".
        bank: patches in memory.
    """

    bank: Tensor
    squares: Tensor

    def __init__(self, kind: str, bank: int) -> None:
        super().__init__()
        self.backbone, channels = resnet(kind)
        self.register_buffer("bank", torch.randn(bank, sum(channels[1:])))
        self.register_buffer("squares", self.bank.square().sum(dim=1))

    def forward(self, images: Tensor) -> Scored:
        """Inspect one image (1, 3, H, W) in [0, 1]."""
        fine, coarse = (functional.avg_pool2d(part, 3, 1, 1) for part in self.backbone(images)[1:])
        joined = torch.cat((fine, functional.interpolate(coarse, fine.shape[2:], mode="bilinear")), dim=1)
        queries = joined[0].flatten(1).T
        squares = torch.addmm(self.squares, queries, self.bank.T, alpha=-2) + queries.square().sum(1, True)
        least, places = squares.min(dim=1)
        distances = least.clamp_min(0).sqrt()
        maps = smoothed(distances.view(1, 1, *fine.shape[2:]), images)
        return Scored(maps, self._weighted(queries, distances, places).view(1))

    def _weighted(self, queries: Tensor, distances: Tensor, places: Tensor) -> Tensor:
        """Weigh the largest distance by equation 7."""
        farthest = distances.argmax()
        nearest = self.bank[places[farthest]]
        around = (self.bank - nearest).square().sum(dim=1)
        neighbours = self.bank[around.topk(_COUNTED, largest=False).indices]
        others = (neighbours - queries[farthest]).square().sum(dim=1).sqrt()
        return (1 - others.softmax(dim=0)[0]) * distances[farthest]


class PaDiM(nn.Module):
    """Defard et al., "PaDiM", ICPR 2020 workshops: a Gaussian of chosen features at each position.

    Args:
        kind: "resnet18" or "wide_resnet50_2".
        dimensions: number of features that are chosen; the paper takes 100 and 550.
        size: (H, W) of the images.
    """

    chosen: Tensor
    mean: Tensor
    inverse: Tensor

    def __init__(self, kind: str, dimensions: int, size: tuple[int, int]) -> None:
        super().__init__()
        self.backbone, channels = resnet(kind)
        positions = (size[0] // 4) * (size[1] // 4)
        self.register_buffer("chosen", torch.randperm(sum(channels))[:dimensions])
        self.register_buffer("mean", torch.zeros(positions, dimensions))
        self.register_buffer("inverse", torch.eye(dimensions).repeat(positions, 1, 1))

    def forward(self, images: Tensor) -> Scored:
        """Inspect images (B, 3, H, W) in [0, 1]."""
        fine, *coarser = self.backbone(images)
        enlarged = (functional.interpolate(part, fine.shape[2:], mode="nearest") for part in coarser)
        chosen = torch.cat((fine, *enlarged), dim=1)[:, self.chosen]
        offsets = (chosen.flatten(2).transpose(1, 2) - self.mean)[..., None]
        squares = (offsets * (self.inverse @ offsets)).sum(dim=(2, 3))
        distances = squares.clamp_min(0).sqrt().view(-1, 1, *fine.shape[2:])
        return scored(smoothed(distances, images))


class AnomalyDino(nn.Module):
    """A memory of DINOv2-S patches, in the manner of AnomalyDINO (Damm et al., WACV 2025).

    Args:
        bank: patches in memory.
        size: (H, W) of the images.
    """

    bank: Tensor

    def __init__(self, bank: int, size: tuple[int, int]) -> None:
        super().__init__()
        self.backbone, channels = dinov2(size)
        self.register_buffer("bank", functional.normalize(torch.randn(bank, channels), dim=1))

    def forward(self, images: Tensor) -> Scored:
        """Inspect one image (1, 3, H, W) in [0, 1]."""
        (features,) = self.backbone(images)
        queries = functional.normalize(features[0].flatten(1).T, dim=1)
        distances = 1 - (queries @ self.bank.T).amax(dim=1)
        farthest = distances.topk(max(1, round(_TOP * len(distances)))).values
        maps = smoothed(distances.view(1, 1, *features.shape[2:]), images)
        return Scored(maps, farthest.mean().view(1))

"""From the maps of a frozen network to a few features at each position of the grid of cells."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional

from excision.features.record import FeatureRecord
from excision.ops.resampling import enlarge, shrink

CELL_SIZE = 8
"""Side in pixels of the square that one set of features describes: one position."""

MOST_FEATURES = 64
"""Features that are kept of a position: a block's covariance then has 4096 numbers."""

_SEED = 2021  # of the projection, the same in every training
_LEAST_DEVIATION = 1e-6


class Backbone(Protocol):
    """A frozen network, an `nn.Module`, that turns images into feature maps.

    Attributes:
        strides: pixels between neighbouring positions of each map, in rising order.
        channels: channels of each map.
    """

    @property
    def strides(self) -> tuple[int, ...]: ...

    @property
    def channels(self) -> tuple[int, ...]: ...

    def __call__(self, images: Tensor) -> list[Tensor]:
        """Turn images (B, C, H, W) in [0, 1], C of 1 or 3, into the maps (B, channels, h, w)."""
        ...


class FeatureNetwork(nn.Module):
    """Features of each position, on the grid of the edges.

    As in PatchCore (Roth et al., CVPR 2022, section 3.1), a feature is averaged over the 3 x 3 positions
    around it, and coarser maps are resized to the grid. Each channel is brought to mean 0 and deviation 1
    over normal images, and the channels are projected onto fewer orthonormal directions, drawn once (Kim,
    Kim, Yi, Lee, "Semi-orthogonal embedding for efficient unsupervised anomaly segmentation",
    arXiv:2105.14737, 2021): Mahalanobis distances then need few images and little memory. Averaging, resizing
    and projecting are linear, so the projection comes first, where the maps are small.

    Args:
        record: describes the network; gives the number of features.
        backbone: the frozen network.

    Attributes:
        record: as given.
        directions: (D, F), orthonormal rows.
        weight: (D, F, 1, 1), the directions, each channel divided by its deviation.
        bias: (D,), minus the projection of the mean.
    """

    directions: Tensor
    weight: Tensor
    bias: Tensor

    def __init__(self, record: FeatureRecord, backbone: nn.Module) -> None:
        super().__init__()
        self.record = record
        self.backbone = backbone.requires_grad_(False)
        self.register_buffer("directions", torch.empty(record.features, sum(record.channels)))
        self.register_buffer("weight", torch.empty(record.features, sum(record.channels), 1, 1))
        self.register_buffer("bias", torch.empty(record.features))

    def draw_directions(self) -> FeatureNetwork:
        """Draw the projection, which is always the same for the same number of channels."""
        count, channels = self.directions.shape
        drawn = torch.randn(
            channels, count, dtype=torch.float64, generator=torch.Generator().manual_seed(_SEED)
        )
        self.directions.copy_(torch.linalg.qr(drawn).Q.T)
        self.weight.copy_(self.directions[..., None, None])
        self.bias.zero_()
        return self

    def forward(self, images: Tensor) -> Tensor:
        """Describe each position.

        Images (B, C, H, W) in [0, 1] to (B, D, ceil(H / `CELL_SIZE`), ceil(W / `CELL_SIZE`)).
        """
        grid = (-(-images.shape[2] // CELL_SIZE), -(-images.shape[3] // CELL_SIZE))
        maps = self.backbone(images)
        weights = torch.split(self.weight, list(self.record.channels), dim=1)
        total = _on_grid(functional.conv2d(maps[0], weights[0], self.bias), self.record.strides[0], grid)
        for features, weight, stride in zip(maps[1:], weights[1:], self.record.strides[1:], strict=True):
            total = total + _on_grid(functional.conv2d(features, weight), stride, grid)
        return total

    @torch.no_grad()
    def learn_scale(self, images: Iterable[Tensor]) -> None:
        """Bring each channel to mean 0 and deviation 1 over normal images (1, C, H, W) in [0, 1]."""
        sums = [self.directions.new_zeros(2, count, dtype=torch.float64) for count in self.record.channels]
        count = 0
        for image in images:
            count += 1
            for total, features in zip(sums, self.backbone(image), strict=True):
                exact = features.double()
                total[0] += exact.mean(dim=(0, 2, 3))
                total[1] += exact.square().mean(dim=(0, 2, 3))
        mean, square = torch.cat(sums, dim=1) / count
        deviation = (square - mean.square()).clamp_min(0).sqrt()
        # A channel that never varies says nothing: it keeps its unit instead of being blown up.
        deviation = torch.where(deviation > _LEAST_DEVIATION, deviation, 1.0)
        scaled = self.directions.double() / deviation
        self.weight.copy_(scaled[..., None, None])
        self.bias.copy_(-scaled @ mean)


def _on_grid(features: Tensor, stride: int, grid: tuple[int, int]) -> Tensor:
    """Average over 3 x 3 positions, and bring a map to the grid of cells."""
    means = functional.avg_pool2d(features, 3, stride=1, padding=1, count_include_pad=False)
    if CELL_SIZE % stride == 0:
        means = shrink(means, CELL_SIZE // stride)
    elif stride % CELL_SIZE == 0:
        times = stride // CELL_SIZE
        if means.shape[2] * times >= grid[0] and means.shape[3] * times >= grid[1]:
            means = enlarge(means, times, grid)
    if tuple(means.shape[2:]) != grid:
        means = functional.interpolate(means, size=grid, mode="bilinear", align_corners=False)
    return means


class Normalise(nn.Module):
    """Brings images to the range that a network was trained with: (image - mean) / std for each channel.

    Args:
        mean: of each channel, for images in [0, 1].
        std: of each channel.
        channels: 3, or 1 for a network that takes grey images.
    """

    def __init__(self, mean: Sequence[float], std: Sequence[float], channels: int = 3) -> None:
        super().__init__()
        self.mean, self.std, self.channels = tuple(mean), tuple(std), channels

    def forward(self, images: Tensor) -> Tensor:
        """Normalise images (B, C, H, W), C of 1 or 3; a grey image is repeated for all three channels."""
        if self.channels == 1 and images.shape[1] == 3:
            images = images.mean(dim=1, keepdim=True)
        images = images.expand(-1, self.channels, -1, -1)
        mean = images.new_tensor(self.mean).view(1, -1, 1, 1)
        return (images - mean) / images.new_tensor(self.std).view(1, -1, 1, 1)

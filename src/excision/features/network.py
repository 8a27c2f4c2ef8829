"""From the maps of a frozen network to a few features at each position of a grid."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import reduce
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional

from excision.features.record import FeatureRecord, Grid
from excision.ops.resampling import Size, enlarge, shrink

MOST_FEATURES = 100
"""Features that are kept of a position, as in PaDiM: a block's covariance then has 10,000 numbers."""

_SEED = 2021  # of the projection, the same in every training
_LEAST_DEVIATION = 1e-6
_LEAST_LENGTH = 1e-6


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
    """Features of each position, on a fine and on a coarse grid.

    The fine grid takes the maps of small strides, which show scratches and pores, and the coarse grid the
    deepest ones, which show what kind of thing is there.

    Args:
        record: describes the network; gives grids and number of features.
        backbone: the frozen network.

    Attributes:
        record: as given.
        projections: one for each grid of the record.
    """

    def __init__(self, record: FeatureRecord, backbone: nn.Module) -> None:
        super().__init__()
        self.record = record
        self.backbone = backbone.requires_grad_(False)
        self.projections = nn.ModuleList(map(Projection, record.grids))

    def draw_directions(self) -> FeatureNetwork:
        """Draw the projections, which are always the same for the same number of channels."""
        for projection in self._each():
            projection.draw_directions()
        return self

    def forward(self, images: Tensor) -> list[Tensor]:
        """Describe each position.

        Args:
            images: (B, C, H, W) in [0, 1].

        Returns:
            For each grid of the record, (B, its `features`, ceil(H / cell), ceil(W / cell)).
        """
        maps, size = self.backbone(images), (images.shape[2], images.shape[3])
        return [projection(maps, size) for projection in self.projections]

    @torch.no_grad()
    def units(self, image: Tensor) -> list[Tensor]:
        """Describe an image (1, C, H, W) in [0, 1] for `learn_scale`: for each grid (1, F, h, w)."""
        maps, size = self.backbone(image), (image.shape[2], image.shape[3])
        return [projection.unit(maps, size) for projection in self._each()]

    @torch.no_grad()
    def learn_scale(self, units: Iterable[Sequence[Tensor]]) -> None:
        """Bring each channel to mean 0 and deviation 1 over normal images, of which `units` are given."""
        moments = [ChannelMoments() for _ in self.projections]
        for grids in units:
            for own, each in zip(moments, grids, strict=True):
                own.add(each)
        for projection, own in zip(self._each(), moments, strict=True):
            projection.learn_scale(own)

    def _each(self) -> Iterator[Projection]:
        for projection in self.projections:
            assert isinstance(projection, Projection)
            yield projection


class Projection(nn.Module):
    """From the maps of a network to the features of each position of one grid.

    The channels of a position are divided by their length: a feature then tells what is seen and not how
    strong its contrast is. Each channel is brought to mean 0 and deviation 1 over normal images, and the
    channels are projected onto fewer orthonormal directions, drawn once (Kim, Kim, Yi, Lee, "Semi-orthogonal
    embedding for efficient unsupervised anomaly segmentation", arXiv:2105.14737, 2021): Mahalanobis distances
    then need few images and little memory. Projecting and resizing are linear, so the projection comes first,
    where the maps are small.

    Args:
        grid: the grid and its maps.

    Attributes:
        directions: (D, F), orthonormal rows.
        weight: (D, F, 1, 1), the directions, each channel divided by its deviation.
        bias: (D,), minus the projection of the mean.
    """

    directions: Tensor
    weight: Tensor
    bias: Tensor

    def __init__(self, grid: Grid) -> None:
        super().__init__()
        self.grid = grid
        channels = sum(grid.channels)
        self.register_buffer("directions", torch.empty(grid.features, channels))
        self.register_buffer("weight", torch.empty(grid.features, channels, 1, 1))
        self.register_buffer("bias", torch.empty(grid.features))

    def draw_directions(self) -> None:
        """Draw the directions."""
        count, channels = self.directions.shape
        drawn = torch.randn(
            channels, count, dtype=torch.float64, generator=torch.Generator().manual_seed(_SEED)
        )
        self.directions.copy_(torch.linalg.qr(drawn).Q.T)
        self.weight.copy_(self.directions[..., None, None])
        self.bias.zero_()

    def forward(self, maps: Sequence[Tensor], size: Size) -> Tensor:
        """Turn all maps of the network for images of `size` into the features (B, D, h, w) of the grid."""
        weights = torch.split(self.weight, list(self.grid.channels), dim=1)
        chosen = [maps[place] for place in self.grid.maps]
        projected = [functional.conv2d(each, weight) for each, weight in zip(chosen, weights, strict=True)]
        total = reduce(torch.add, self._on_grid(projected, size))
        return total / self._lengths(chosen, size) + self.bias.view(1, -1, 1, 1)

    def unit(self, maps: Sequence[Tensor], size: Size) -> Tensor:
        """Return the channels (B, F, h, w) of each position, divided by their length, before scaling."""
        chosen = [maps[place] for place in self.grid.maps]
        return torch.cat(self._on_grid(chosen, size), dim=1) / self._lengths(chosen, size)

    def learn_scale(self, moments: ChannelMoments) -> None:
        """Take over mean and deviation of each channel."""
        mean, deviation = moments.statistics()
        # A channel that never varies says nothing: it keeps its unit instead of being blown up.
        deviation = torch.where(deviation > _LEAST_DEVIATION, deviation, 1.0)
        scaled = self.directions.double() / deviation
        self.weight.copy_(scaled[..., None, None])
        self.bias.copy_(-scaled @ mean)

    def _lengths(self, chosen: Sequence[Tensor], size: Size) -> Tensor:
        squares = [each.square().sum(dim=1, keepdim=True) for each in chosen]
        return reduce(torch.add, self._on_grid(squares, size)).sqrt().clamp_min(_LEAST_LENGTH)

    def _on_grid(self, planes: Sequence[Tensor], size: Size) -> list[Tensor]:
        return [
            _resized(each, stride, self.grid.cell, size)
            for each, stride in zip(planes, self.grid.strides, strict=True)
        ]


class ChannelMoments:
    """Mean and deviation of each channel over all positions of normal images."""

    def __init__(self) -> None:
        self._sums: Tensor | None = None
        self._count = 0

    def add(self, channels: Tensor) -> None:
        """Add the channels (1, F, h, w) of an image."""
        exact = channels.double()
        found = torch.stack((exact.mean(dim=(0, 2, 3)), exact.square().mean(dim=(0, 2, 3))))
        self._sums = found if self._sums is None else self._sums + found
        self._count += 1

    def statistics(self) -> tuple[Tensor, Tensor]:
        """Return mean and standard deviation, each (F,) float64; at least one image was added."""
        assert self._sums is not None
        mean, square = self._sums / self._count
        return mean, (square - mean.square()).clamp_min(0).sqrt()


def _resized(planes: Tensor, stride: int, cell: int, size: Size) -> Tensor:
    """Bring planes (B, C, h, w) of a map of this stride to the grid of cells of images of `size`."""
    grid = (-(-size[0] // cell), -(-size[1] // cell))
    if cell % stride == 0:
        planes = shrink(planes, cell // stride)
    elif stride % cell == 0:
        times = stride // cell
        if planes.shape[2] * times >= grid[0] and planes.shape[3] * times >= grid[1]:
            planes = enlarge(planes, times, grid)
    if tuple(planes.shape[2:]) != grid:
        planes = functional.interpolate(planes, size=grid, mode="bilinear", align_corners=False)
    return planes


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

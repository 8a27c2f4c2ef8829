"""Distance of features from those of normal images, wherever in the image they were seen.

On a surface without a shape, position does not explain what is to be seen. What is left is what kinds of
texture there are, in one distribution for all positions.
"""

from __future__ import annotations

from typing import Self

import torch
from torch import Tensor
from torch.nn import functional

from excision.method.scoring.position_distance import PositionDistance, PositionMoments
from excision.ops.filters import gaussian_blur
from excision.ops.whitening import inverse_factor

_WEIGHT = 0.25
_NEIGHBOURS = 1.0  # positions, standard deviation
_LEAST_VARIANCE = 0.01  # share of each feature's variance that is added to it
_LEAST = 1e-6  # added to every variance as well


class PooledDistance(PositionDistance):
    """Mahalanobis distance of features from those of all positions of normal images.

    Args:
        channels: number of features.
        grid: number of positions (h, w).

    Attributes:
        mean: (1, C, 1, 1), the mean features of normal images.
        whitening: (C, C, 1, 1), a factor A of the inverse covariance AᵀA.
    """

    mean: Tensor
    whitening: Tensor

    def __init__(self, channels: int, grid: tuple[int, int]) -> None:
        super().__init__()
        self.grid = grid
        self.register_buffer("mean", torch.zeros(1, channels, 1, 1))
        self.register_buffer("whitening", torch.eye(channels)[..., None, None])

    @property
    def weight(self) -> Tensor:
        """Weight (1,) of the distance in the anomaly map.

        It is a quarter: what photographs teach helps on most textures, and where good material varies from
        one group to the next, evidence of this weight that says nothing costs little.
        """
        return torch.full_like(self.explained_variance, _WEIGHT)

    @property
    def counts(self) -> bool:
        """Whether the distance counts: always, since it does not depend on the position."""
        return True

    def forward(self, features: Tensor, seen: Tensor | None = None) -> Tensor:
        """Return the squared distance per channel, averaged over neighbours; about 1 on normal images.

        Args:
            features: (B, C, h, w).
            seen: (B, 1, h, w) in [0, 1], the share that the image shows of each position; None for all.

        Returns:
            (B, 1, h, w) >= 0.
        """
        found = functional.conv2d(features - self.mean, self.whitening)
        smooth = gaussian_blur(found.square().mean(dim=1, keepdim=True), _NEIGHBOURS)
        return smooth if seen is None else smooth * seen

    def new_moments(self, _: int) -> PooledMoments:
        """Return moments of no image."""
        return PooledMoments(self)

    @torch.no_grad()
    def fit(self, moments: PooledMoments) -> None:
        """Fit mean and covariance to the moments of normal images."""
        mean, covariance = moments.statistics()
        floor = torch.diag(_LEAST_VARIANCE * covariance.diagonal() + _LEAST)
        inverse = inverse_factor(covariance + floor)
        self.mean.copy_(mean.view_as(self.mean))
        self.whitening.copy_(inverse.view_as(self.whitening))
        self.explained_variance.fill_(moments.explained_variance(self.by_padding))


class PooledMoments(PositionMoments):
    """Running sums from which mean and covariance over all positions follow as well.

    Args:
        owner: gives the shapes.
    """

    def __init__(self, owner: PooledDistance) -> None:
        channels = owner.mean.shape[1]
        super().__init__((1, channels, *owner.grid), owner.mean.device)
        self.owner = owner
        self.products = torch.zeros(channels, channels, dtype=torch.float64, device=owner.mean.device)

    def empty(self) -> Self:
        """Return moments of no image, of the same kind."""
        return type(self)(self.owner)

    def add(self, features: Tensor, seen: Tensor | None = None) -> None:
        """Add the features (1, C, h, w) of an image that shows this share (1, 1, h, w) of each position."""
        super().add(features, seen)
        points = features[0].flatten(1).double()
        shown = points if seen is None else points * seen.double().flatten()
        self.products += shown @ points.T

    def include(self, other: Self) -> None:
        """Add the images that other moments are of."""
        super().include(other)
        self.products += other.products

    def statistics(self) -> tuple[Tensor, Tensor]:
        """Return mean (C,) and covariance (C, C) over all positions that images show."""
        positions = self.shown.sum()
        mean = self.sums.sum(dim=(2, 3))[0] / positions
        return mean, self.products / positions - torch.outer(mean, mean)

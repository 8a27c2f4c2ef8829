"""Distance of features from those of normal images, wherever in the image they were seen.

On a surface without a shape, and in tiles, position does not explain what is to be seen. What is left is what
kinds of texture there are, in one distribution for all positions.
"""

from __future__ import annotations

from typing import NamedTuple, Self

import torch
from torch import Tensor
from torch.nn import functional

from excision.method.scoring.position_distance import WITHOUT_POSITION, PositionDistance
from excision.method.scoring.position_moments import MomentsOfAppearances, PositionMoments
from excision.ops.filters import gaussian_blur
from excision.ops.whitening import identities, inverse_factor, variance_floor

_NEIGHBOURS = 1.0  # positions, standard deviation
_LEAST = 1e-6  # smallest divisor
_BY_BORDER = 2  # positions from the border of a tile, up to which padding changes the variance


class PooledDistance(PositionDistance):
    """Mahalanobis distance of features from those of all positions of normal images.

    A network pads its image with zeros, which changes the features near the border of every tile in the same
    way. In tiles, the mean is therefore that of the position, and the distance near the border is relative to
    what is usual there. The covariance is that of all positions.

    Args:
        channels: number of features.
        grid: number of positions (h, w).
        tiles: the images are tiles.
        appearances: number of appearances, of which the distances have one distribution.

    Attributes:
        mean: the mean features of normal images, (1, C, 1, 1); in tiles (1, C, h, w).
        whitening: (C, C, 1, 1), a factor A of the inverse covariance AᵀA.
        usual: (1, 1, h, w), the mean squared distance per channel of normal images; None unless in tiles.
    """

    mean: Tensor
    whitening: Tensor
    usual: Tensor | None

    def __init__(
        self, channels: int, grid: tuple[int, int], tiles: bool = False, appearances: int = 1
    ) -> None:
        super().__init__(tiles, appearances)
        self.grid = grid
        self.register_buffer("mean", torch.zeros(1, channels, *(grid if tiles else (1, 1))))
        self.register_buffer("whitening", identities(1, channels)[0, ..., None, None])
        self.register_buffer("usual", torch.ones(1, 1, *grid) if tiles else None)

    @property
    def weight(self) -> Tensor:
        """Weight (1,) of the distance in the anomaly map."""
        return torch.full_like(self.explained_variance, WITHOUT_POSITION)

    @property
    def counts(self) -> bool:
        """Whether the distance counts: always, since it does not depend on the position."""
        return True

    def forward(self, features: Tensor, seen: Tensor | None = None, _: Tensor | None = None) -> Tensor:
        """Return the squared distance per channel, averaged over neighbours; about 1 on normal images.

        Args:
            features: (B, C, h, w).
            seen: (B, 1, h, w) in [0, 1], the share that the image shows of each position; None for all.

        Returns:
            (B, 1, h, w) >= 0.
        """
        found = functional.conv2d(features - self.mean, self.whitening).square().mean(dim=1, keepdim=True)
        smooth = gaussian_blur(found if self.usual is None else found / self.usual, _NEIGHBOURS)
        return smooth if seen is None else smooth * seen

    def new_moments(self, _: int) -> PooledMoments:
        """Return moments of no image."""
        return PooledMoments(self)

    @torch.no_grad()
    def fit(self, moments: PooledMoments | MomentsOfAppearances[PooledMoments]) -> None:
        """Fit mean, covariance and usual distance to the moments of normal images."""
        pooled = moments.pooled()
        mean, covariance, of_zones = pooled.statistics()
        inverse = inverse_factor(covariance + variance_floor(covariance))
        self.mean.copy_(mean)
        self.whitening.copy_(inverse.view_as(self.whitening))
        if self.usual is not None:
            # The mean of |A x|² over a zone is the trace of A S Aᵀ.
            usual = ((inverse @ of_zones) * inverse).sum(dim=2).mean(dim=1).clamp_min(_LEAST)
            self.usual.copy_(usual[pooled.zones].view_as(self.usual))
        self.explained_variance.fill_(moments.explained_variance(self.by_padding))


class PooledStatistics(NamedTuple):
    """What a distance needs.

    Attributes:
        mean: with the shape of the distance's.
        covariance: (C, C) about the mean, over all positions that images show.
        of_zones: (Z, C, C), the same for each zone.
    """

    mean: Tensor
    covariance: Tensor
    of_zones: Tensor


class PooledMoments(PositionMoments):
    """Running sums from which mean and covariance over all positions follow as well.

    Args:
        owner: gives the shapes.

    Attributes:
        zones: (h, w), zone of each position: in tiles one for each distance from the borders, else one.
    """

    def __init__(self, owner: PooledDistance) -> None:
        channels, device = owner.mean.shape[1], owner.mean.device
        super().__init__((1, channels, *owner.grid), device)
        self.owner = owner
        self.zones = _zones(owner.grid, _BY_BORDER if owner.tiles else 0).to(device)
        self._places = [self.zones.flatten() == zone for zone in range(int(self.zones.max()) + 1)]
        self.products = torch.zeros(len(self._places), channels, channels, dtype=torch.float64, device=device)

    def empty(self) -> Self:
        """Return moments of no image, of the same kind."""
        return type(self)(self.owner)

    def add(self, features: Tensor, seen: Tensor | None = None, _: Tensor | None = None) -> None:
        """Add the features (1, C, h, w) of an image that shows this share (1, 1, h, w) of each position."""
        super().add(features, seen)
        points = features[0].flatten(1).double()
        shown = points if seen is None else points * seen.double().flatten()
        self.products += self._in_zones(shown, points)

    def include(self, other: Self) -> None:
        """Add the images that other moments are of."""
        super().include(other)
        self.products += other.products

    def statistics(self) -> PooledStatistics:
        """Return mean and covariances."""
        shown = self.shown.flatten()
        mean = self.sums.sum(dim=(2, 3), keepdim=True) / shown.sum()
        if self.owner.tiles:
            mean = self._of_each_position(mean)
        centre, sums = (each[0].flatten(1) for each in (mean.expand_as(self.sums), self.sums))
        crossed = self._in_zones(centre, sums)
        about = self.products - crossed - crossed.transpose(1, 2) + self._in_zones(centre * shown, centre)
        counts = torch.stack([shown[place].sum() for place in self._places]).view(-1, 1, 1)
        return PooledStatistics(mean, about.sum(dim=0) / shown.sum(), about / counts.clamp_min(_LEAST))

    def _in_zones(self, left: Tensor, right: Tensor) -> Tensor:
        """Sum up the products of two (C, positions) over the positions of each zone; (Z, C, C)."""
        return torch.stack([left[:, place] @ right[:, place].T for place in self._places])

    def _of_each_position(self, mean: Tensor) -> Tensor:
        """Return the mean (1, C, h, w) of each position, drawn towards that of all by what is due to chance.

        C. Morris, "Parametric empirical Bayes inference", Journal of the American Statistical Association 78,
        1983: the share that is kept is the variance between positions, relative to that which means of as
        many images would have.
        """
        between, within = (each.view(1, -1, 1, 1) for each in self.variances())
        kept = between / (between + within / self.count).clamp_min(_LEAST)
        return mean + kept * (self.means - mean)


def _zones(grid: tuple[int, int], reach: int) -> Tensor:
    """Divide the positions (h, w) by their distance from each border, as far as it is below `reach`."""
    axes = []
    for length in grid:
        places = torch.arange(length)
        before, after = places.clamp_max(reach), places.flip(0).clamp_max(reach)
        axes.append(torch.where(before <= after, before, 2 * reach - after))
    numbers = axes[0][:, None] * (2 * reach + 1) + axes[1]
    # Consecutive, since a small grid has not every distance.
    consecutive: Tensor = torch.unique(numbers, return_inverse=True)[1]
    return consecutive

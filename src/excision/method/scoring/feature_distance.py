"""Feature distance: how far the features of each position are from those of normal images there.

If parts are in a fixed position under the camera, or are aligned, position explains what is visible: a hole
here, an edge there. A defect may draw no more attention than such an edge, and yet look different from it.
The distance is that of Defard, Setkov, Loesch, Audigier, "PaDiM", ICPR Workshops 2021.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from excision.method.scoring.surprisal import tail
from excision.ops.filters import gaussian_blur

_MOST_BLOCKS = 1024
_NEIGHBOURS = 1.0  # positions, standard deviation
_OF_ALL = 0.02  # weight of the mean covariance over all positions in each covariance
_LEAST_VARIANCE = 0.01  # share of each feature's mean variance that is added to its variance
_LEAST = 1e-6  # added to every variance as well; features are between -1 and 1
_LEAST_IMAGES = 8
_LEAST_EXPLAINED = 0.05


class FeatureDistance(nn.Module):
    """Mahalanobis distance of features from those of normal images at the same position.

    Square blocks of neighbouring positions share a covariance, so that few images suffice to estimate it.

    Args:
        channels: number of features.
        grid: number of positions (h, w).

    Attributes:
        means: (1, C, h, w), the mean features of normal images.
        whitening: (blocks, C, C), a factor A of each inverse covariance AᵀA.
        tail: (2,), median over normal images of the largest distance, and mean excess of those above it.
        explained_variance: (1,), share of the features' variance over normal images that position explains,
            0 to 1.
    """

    means: Tensor
    whitening: Tensor
    tail: Tensor
    explained_variance: Tensor

    def __init__(self, channels: int, grid: tuple[int, int]) -> None:
        super().__init__()
        self.grid = grid
        self.side = 2
        while (blocks := -(-grid[0] // self.side) * -(-grid[1] // self.side)) > _MOST_BLOCKS:
            self.side *= 2
        self.register_buffer("means", torch.zeros(1, channels, *grid))
        self.register_buffer("whitening", torch.eye(channels).repeat(blocks, 1, 1))
        self.register_buffer("tail", torch.ones(2))
        self.register_buffer("explained_variance", torch.zeros(1))

    @property
    def weight(self) -> Tensor:
        """Weight (1,) of the distance in the anomaly map: one half, or the correlation ratio if larger.

        The correlation ratio is the square root of the explained variance (K. Pearson, 1905).
        """
        return self.explained_variance.sqrt().clamp_min(0.5)

    def forward(self, features: Tensor) -> Tensor:
        """Return the squared distance per channel, averaged over neighbours; about 1 on normal images.

        Features (B, C, h, w) to (B, 1, h, w) >= 0.
        """
        return self._distance(features, _Statistics(self.means, self.whitening))

    @property
    def counts(self) -> bool:
        """Whether the distance counts: not if position explains less than 5 % of the variance."""
        return float(self.explained_variance) >= _LEAST_EXPLAINED

    @torch.no_grad()
    def learn(self, features: Callable[[], Iterable[Tensor]]) -> None:
        """Learn from normal images; from fewer than eight, nothing is learnt.

        The tail of the distance is estimated by two-fold cross-fitting: each half of the images is scored
        with statistics fitted on the other half. Scoring images that the statistics were fitted on would
        underestimate the distance.

        Args:
            features: returns an iterator over the features (1, C, h, w) of the images; called twice.
        """
        halves = [_Moments(self), _Moments(self)]
        for index, each in enumerate(features()):
            halves[index % 2].add(each)
        whole = halves[0].with_other(halves[1])
        if whole.count < _LEAST_IMAGES:
            return
        largest = []
        fitted = [half.statistics() for half in reversed(halves)]
        for index, each in enumerate(features()):
            largest.append(self._distance(each, fitted[index % 2]).amax())
        normal = whole.statistics()
        self.means.copy_(normal.means)
        self.whitening.copy_(normal.whitening)
        self.tail.copy_(torch.tensor(tail(torch.stack(largest))))
        self.explained_variance.fill_(whole.explained_variance())

    def _distance(self, features: Tensor, normal: _Statistics) -> Tensor:
        found = normal.whitening @ _to_blocks(features - normal.means, self.side)
        each = _to_positions(found.square().mean(dim=2, keepdim=True), self.side, self.grid)
        return gaussian_blur(each, _NEIGHBOURS)


def _to_blocks(positions: Tensor, side: int) -> Tensor:
    """(B, C, h, w) to (B, blocks, C, side * side), with zeros beyond the border."""
    height, width = positions.shape[2:]
    padded = functional.pad(positions, (0, -width % side, 0, -height % side))
    batch, channels = padded.shape[:2]
    split = padded.view(batch, channels, -1, side, padded.shape[3] // side, side)
    return split.permute(0, 2, 4, 1, 3, 5).reshape(batch, -1, channels, side * side)


def _to_positions(blocks: Tensor, side: int, grid: tuple[int, int]) -> Tensor:
    """(B, blocks, C, side * side) to (B, C, h, w), with (h, w) the grid."""
    batch, _, channels, _ = blocks.shape
    across = -(-grid[1] // side)
    split = blocks.view(batch, -1, across, channels, side, side)
    padded = split.permute(0, 3, 1, 4, 2, 5).reshape(batch, channels, -1, across * side)
    return padded[:, :, : grid[0], : grid[1]]


class _Statistics(NamedTuple):
    """`means` and `whitening` as in `FeatureDistance`."""

    means: Tensor
    whitening: Tensor


class _Moments:
    """Running sums over images in float64, from which means and covariances follow."""

    def __init__(self, owner: FeatureDistance) -> None:
        self._owner = owner
        shape = owner.means.double()
        self.count = 0
        self.sums, self.squares = torch.zeros_like(shape), torch.zeros_like(shape)
        self.products = torch.zeros_like(owner.whitening, dtype=torch.float64)

    def add(self, features: Tensor) -> None:
        exact = features.double()
        blocks = self._blocks(exact)
        self.count += 1
        self.sums += exact
        self.squares += exact.square()
        self.products += blocks @ blocks.transpose(1, 2)

    def with_other(self, other: _Moments) -> _Moments:
        both = _Moments(self._owner)
        both.count = self.count + other.count
        both.sums, both.squares = self.sums + other.sums, self.squares + other.squares
        both.products = self.products + other.products
        return both

    def explained_variance(self) -> float:
        """Share of the variance that is between positions (analysis of variance); mean over channels."""
        means = self.sums / self.count
        within = (self.squares / self.count - means.square()).clamp_min(0).mean(dim=(2, 3))
        # Subtract the variation between the means of the positions that is due to chance.
        between = (means.var(dim=(2, 3), unbiased=False) - within / self.count).clamp_min(0)
        return float((between / (between + within).clamp_min(1e-12)).mean())

    def statistics(self) -> _Statistics:
        """Return means and whitening; means are not pooled: there may be an edge between neighbours."""
        means = self.sums / self.count
        centre = self._blocks(means)
        spread = self.products - self.count * centre @ centre.transpose(1, 2)
        positions = self._blocks(torch.ones_like(means[:, :1])).sum(dim=(1, 2)).view(-1, 1, 1)
        of_all = spread.sum(dim=0) / (self.count * positions.sum())
        own = self._smooth(spread / (self.count * positions))
        # Without a floor, rounding errors of a feature that never varies would be amplified to a defect.
        floor = torch.diag(_LEAST_VARIANCE * of_all.diagonal() + _LEAST)
        factor = torch.linalg.cholesky((1 - _OF_ALL) * own + _OF_ALL * of_all + floor)
        identity = torch.eye(len(of_all), dtype=of_all.dtype, device=of_all.device)
        inverse = torch.linalg.solve_triangular(factor, identity.expand_as(factor), upper=False)
        owner = self._owner
        return _Statistics(means.to(owner.means), inverse.to(owner.whitening))

    def _blocks(self, positions: Tensor) -> Tensor:
        """(1, C, h, w) to (blocks, C, side * side)."""
        return _to_blocks(positions, self._owner.side)[0]

    def _smooth(self, covariances: Tensor) -> Tensor:
        """Average over neighbouring blocks; (blocks, C, C)."""
        blocks, channels = covariances.shape[:2]
        across = -(-self._owner.grid[1] // self._owner.side)
        planes = covariances.view(blocks // across, across, -1).permute(2, 0, 1)[None]
        smooth = gaussian_blur(planes, _NEIGHBOURS / self._owner.side)
        return smooth[0].permute(1, 2, 0).reshape(blocks, channels, channels)

"""Distance from the nearest of the normal features kept in a memory, wherever on the part they were seen.

Roth, Pemula, Zepeda, Schölkopf, Brox, Gehler, "Towards total recall in industrial anomaly detection", CVPR
2022: the memory is a coreset of the features of normal images.
"""

from __future__ import annotations

from typing import Self

import torch
from torch import Tensor

from excision.method.scoring.position_distance import PositionDistance
from excision.method.scoring.position_moments import MomentsOfAppearances, PositionMoments
from excision.ops.nearest import greedy_coreset, nearest

MOST_KEPT = 2048
"""Features in the memory; 100 numbers each, they take 0.8 MB."""

_CANDIDATES = 20_000  # features that the memory is chosen from
_MOSTLY = 0.5  # share of a position that an image shows if its features are kept
_SHARE = 0.1  # largest share of the candidates that is kept


class MemoryDistance(PositionDistance):
    """Euclidean distance of each position's features from the nearest features in the memory.

    The distance does not depend on the position; its weight does.

    Args:
        channels: number of features.
        grid: number of positions (h, w).
        kept: number of features in the memory, which learning replaces.
        tiles: the images are tiles.
        appearances: number of appearances, of which the features are in one memory.

    Attributes:
        bank: (M, C), the memory.
        squares: (M,), the squared lengths of its rows.
    """

    bank: Tensor
    squares: Tensor

    def __init__(
        self,
        channels: int,
        grid: tuple[int, int],
        kept: int = 1,
        tiles: bool = False,
        appearances: int = 1,
    ) -> None:
        super().__init__(tiles, appearances)
        self.grid = grid
        self.register_buffer("bank", torch.zeros(kept, channels))
        self.register_buffer("squares", torch.zeros(kept))

    def forward(self, features: Tensor, seen: Tensor | None = None, _: Tensor | None = None) -> Tensor:
        """Return the distance of features (B, C, h, w) as (B, 1, h, w) >= 0.

        It is multiplied by the share (B, 1, h, w) that the image shows of each position, if this is given.
        """
        batch, channels, height, width = features.shape
        queries = features.permute(0, 2, 3, 1).reshape(-1, channels)
        kept = self.bank[nearest(queries, self.bank, self.squares)]
        # The search is fast but loses digits near zero: the distance is computed directly.
        found = (queries - kept).square().sum(dim=1).sqrt().view(batch, 1, height, width)
        return found if seen is None else found * seen

    def new_moments(self, images: int) -> FeatureSample:
        """Return a sample of no image, to which those of this number of images will be added."""
        return FeatureSample(self, max(1, _CANDIDATES // images))

    @torch.no_grad()
    def fit(self, sample: FeatureSample | MomentsOfAppearances[FeatureSample]) -> None:
        """Keep a coreset of the sample in the memory."""
        points = sample.pooled().features
        count = max(1, min(MOST_KEPT, round(_SHARE * len(points))))
        # The first is the one nearest to the mean of all, so that nothing is drawn.
        first = int((points - points.mean(dim=0)).square().sum(dim=1).argmin())
        self.bank = points[greedy_coreset(points, count, first)].contiguous()
        self.squares = self.bank.square().sum(dim=1)
        self.explained_variance.fill_(sample.explained_variance(self.by_padding))


class FeatureSample(PositionMoments):
    """Features of random positions of normal images, and the moments of all positions.

    Args:
        owner: gives the shapes.
        share: number of positions of an image.
    """

    def __init__(self, owner: MemoryDistance, share: int) -> None:
        super().__init__((1, owner.bank.shape[1], *owner.grid), owner.bank.device)
        self.owner, self.share = owner, share
        self._kept: list[Tensor] = []

    def empty(self) -> Self:
        """Return a sample of no image, of the same kind."""
        return type(self)(self.owner, self.share)

    def add(self, features: Tensor, seen: Tensor | None = None, _: Tensor | None = None) -> None:
        """Add the features (1, C, h, w) of an image that shows this share (1, 1, h, w) of each position."""
        super().add(features, seen)
        patches = features[0].flatten(1).T
        if seen is not None:
            patches = patches[seen.flatten() > _MOSTLY]
        # Another choice for each image, and the same in every training.
        order = torch.randperm(len(patches), generator=torch.Generator().manual_seed(self.count))
        self._kept.append(patches[order[: self.share].to(patches.device)])

    def include(self, other: Self) -> None:
        """Add the images that another sample is of."""
        super().include(other)
        self._kept += other._kept

    @property
    def features(self) -> Tensor:
        """The sampled features, (N, C)."""
        return torch.cat(self._kept)

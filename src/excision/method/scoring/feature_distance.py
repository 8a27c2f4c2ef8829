"""Feature distance: how far the features of each position are from those of normal images there.

If parts are in a fixed position under the camera, or are aligned, position explains what is visible: a hole
here, an edge there. A defect may draw no more attention than such an edge, and yet look different from it.
The distance is that of Defard, Setkov, Loesch, Audigier, "PaDiM", ICPR Workshops 2021.
"""

from __future__ import annotations

from typing import Any, NamedTuple, Self

import torch
from torch import Tensor
from torch.nn import functional

from excision.method.scoring.position_distance import PositionDistance
from excision.method.scoring.position_moments import MomentsOfAppearances, PositionMoments
from excision.ops.filters import gaussian_blur
from excision.ops.triangles import lower_triangle, symmetric
from excision.ops.whitening import identities, inverse_factor, variance_floor

_MOST_BLOCKS = 1024
_NEIGHBOURS = 1.0  # positions, standard deviation
_OF_ALL = 0.02  # weight of the mean covariance over all positions in that of a block seen in all images
_LEAST = 1e-6  # smallest divisor
_AT_ONCE = 64  # matrices, or entries of all matrices
_LEAST_PARTS = 2  # folds that must have seen a position: one alone cannot be judged by the others


class FeatureDistance(PositionDistance):
    """Mahalanobis distance of features from those of normal images at the same position.

    Square blocks of neighbouring positions share a covariance, so that few images suffice to estimate it.

    Args:
        channels: number of features.
        grid: number of positions (h, w).
        shrinks: give the mean covariance over all positions the weight C / (C + samples of a block) and not
            a fiftieth: of many features, few images do not give a covariance.
        aligned: the images are aligned, so that some do not show all positions.
        appearances: number of appearances, each with a mean and a covariance of its own.

    Attributes:
        means: (appearances, C, h, w), the mean features of normal images.
        whitening: (appearances * blocks, C, C), a factor A of each inverse covariance AᵀA.
        certainty: (appearances, 1, h, w) in [0, 1], by which the squared distance of each position is
            multiplied, since few normal images showed it: 1 where all did, 0 where none did. None if each
            image shows all positions.
    """

    means: Tensor
    whitening: Tensor
    certainty: Tensor | None

    def __init__(
        self,
        channels: int,
        grid: tuple[int, int],
        shrinks: bool = False,
        aligned: bool = False,
        appearances: int = 1,
    ) -> None:
        super().__init__(appearances=appearances)
        self.grid, self.shrinks = grid, shrinks
        self.side = 2
        while (blocks := -(-grid[0] // self.side) * -(-grid[1] // self.side)) * appearances > _MOST_BLOCKS:
            self.side *= 2
        self.register_buffer("means", torch.zeros(appearances, channels, *grid))
        self.register_buffer("whitening", identities(appearances * blocks, channels))
        self.register_buffer("certainty", torch.ones(appearances, 1, *grid) if aligned else None)

    def forward(
        self, features: Tensor, seen: Tensor | None = None, appearance: Tensor | None = None
    ) -> Tensor:
        """Return the squared distance per channel, averaged over neighbours; about 1 on normal images.

        Args:
            features: (B, C, h, w).
            seen: (B, 1, h, w) in [0, 1], the share that the image shows of each position; None for all.
            appearance: (B,) int64; None if there is only one.

        Returns:
            (B, 1, h, w) >= 0; 0 where the image shows nothing, or no normal image did.
        """
        means, whitening = self.means, self.whitening
        if appearance is not None:
            means = means[appearance]
            whitening = whitening.view(self.appearances, -1, *whitening.shape[1:])[appearance]
        found = _to_rows(features - means, self.side) @ whitening.transpose(-1, -2)
        squares = found.square().mean(dim=3).unsqueeze(2)
        each = _to_positions(squares, self.side, self.grid)
        judged, certainty = self.judged(seen, appearance), self._certainty_of(appearance)
        if judged is None or certainty is None:
            return gaussian_blur(each, _NEIGHBOURS)
        both = gaussian_blur(torch.cat((each * certainty * judged, judged), dim=1), _NEIGHBOURS)
        return judged * both[:, :1] / both[:, 1:].clamp_min(_LEAST)

    def judged(self, seen: Tensor | None, appearance: Tensor | None = None) -> Tensor | None:
        """Return the share to which each position is judged: as `seen`, and 0 where it is not known."""
        certainty = self._certainty_of(appearance)
        return None if seen is None or certainty is None else seen * (certainty > 0)

    def _certainty_of(self, appearance: Tensor | None) -> Tensor | None:
        if self.certainty is None or appearance is None:
            return self.certainty
        return self.certainty[appearance]

    def position_moments(self) -> Any:
        """Return moments of no image that tell what position explains, and need little memory."""
        means = self.means
        return self._of_appearances(lambda: PositionMoments((1, *means.shape[1:]), means.device))

    def new_moments(self, _: int) -> Moments:
        """Return moments of no image."""
        return Moments(self)

    @torch.no_grad()
    def fit(self, moments: Moments | MomentsOfAppearances[Moments]) -> None:
        """Fit means, covariances and explained variance to the moments of normal images."""
        means, whitening, certainty = map(
            torch.cat, zip(*(each.statistics() for each in moments.each), strict=True)
        )
        self.means.copy_(means)
        self.whitening.copy_(whitening)
        if self.certainty is not None:
            self.certainty.copy_(certainty)
        self.explained_variance.fill_(moments.explained_variance(self.by_padding))


def _to_rows(positions: Tensor, side: int) -> Tensor:
    """(B, C, h, w) to (B, blocks, side * side, C), with zeros beyond the border.

    A product of such rows with a matrix takes a quarter of the time of the matrix with columns.
    """
    height, width = positions.shape[2:]
    padded = functional.pad(positions, (0, -width % side, 0, -height % side)).permute(0, 2, 3, 1)
    batch, _, across, channels = padded.shape
    split = padded.reshape(batch, -1, side, across // side, side, channels)
    return split.permute(0, 1, 3, 2, 4, 5).reshape(batch, -1, side * side, channels)


def _to_positions(blocks: Tensor, side: int, grid: tuple[int, int]) -> Tensor:
    """(B, blocks, C, side * side) to (B, C, h, w), with (h, w) the grid."""
    batch, _, channels, _ = blocks.shape
    across = -(-grid[1] // side)
    split = blocks.view(batch, -1, across, channels, side, side)
    padded = split.permute(0, 3, 1, 4, 2, 5).reshape(batch, channels, -1, across * side)
    return padded[:, :, : grid[0], : grid[1]]


class _Statistics(NamedTuple):
    """`means`, `whitening` and `certainty` of one appearance, as in `FeatureDistance`."""

    means: Tensor
    whitening: Tensor
    certainty: Tensor


class Moments(PositionMoments):
    """Running sums over images of one appearance, from which means and covariances follow as well.

    Args:
        owner: gives the shapes.

    Attributes:
        owner: as given.
        products: (blocks, C * (C + 1) / 2), lower triangles of the sums of x xᵀ over the positions of each.
    """

    def __init__(self, owner: FeatureDistance) -> None:
        super().__init__((1, *owner.means.shape[1:]), owner.means.device)
        self.owner = owner
        matrices, channels = len(owner.whitening) // owner.appearances, owner.whitening.shape[-1]
        triangle = channels * (channels + 1) // 2
        self.products = self.sums.new_zeros(matrices, triangle)

    def empty(self) -> Self:
        """Return moments of no image, of the same kind."""
        return type(self)(self.owner)

    def add(self, features: Tensor, seen: Tensor | None = None, _: Tensor | None = None) -> None:
        """Add the features (1, C, h, w) of an image that shows this share (1, 1, h, w) of each position."""
        super().add(features, seen)
        blocks = self._blocks(features.double())
        shown = blocks if seen is None else blocks * self._blocks(seen.double())
        for part in _parts(len(blocks)):
            self.products[part] += lower_triangle(shown[part] @ blocks[part].transpose(1, 2))

    def include(self, other: Self) -> None:
        """Add the images that other moments are of."""
        super().include(other)
        self.products += other.products

    def statistics(self) -> _Statistics:
        """Return means, whitening and certainty.

        Means are not pooled: there may be an edge between neighbours. The covariance of a block is the mean
        of a posterior whose prior is the mean covariance over all positions (an inverse Wishart distribution,
        its conjugate: Gelman et al., "Bayesian data analysis", 3rd edition, 2013, section 3.6). Its weight
        grows as fewer images show the block.
        """
        like = self.owner.means
        inverse = torch.empty_like(self.owner.whitening[: len(self.products)])
        covariances, floor = self._covariances()
        for part in _parts(len(inverse)):
            inverse[part] = inverse_factor(symmetric(covariances[part]) + floor)
        return _Statistics(self.means.to(like), inverse, self._certainty().to(like))

    def _covariances(self) -> tuple[Tensor, Tensor]:
        """Return the covariance of each block, as a lower triangle, and what is to be added to each."""
        centre, shown = self._blocks(self.means), self._blocks(self.shown)
        spread = self.products.clone()
        for part in _parts(len(spread)):
            spread[part] -= lower_triangle((centre[part] * shown[part]) @ centre[part].transpose(1, 2))
        free = self._blocks(self._freedom()).sum(dim=(1, 2))[:, None]
        whole = self.count * self._blocks(torch.ones_like(self.shown)).sum(dim=(1, 2))[:, None]
        of_all = spread.sum(dim=0) / free.sum()
        # Relative to what all images would give; on both sides averaged over neighbouring blocks.
        share = self._smooth(free / whole)
        least = self._weight_of_all()
        prior = least / (least + (1 - least) * share)
        divisor = torch.where(share > 0, share, 1)
        for part in _parts(spread.shape[1]):
            own = self._smooth(spread[:, part] / whole) / divisor
            spread[:, part] = (1 - prior) * own + prior * of_all[part]
        return spread, variance_floor(symmetric(of_all))

    def _freedom(self) -> Tensor:
        """Return the images (1, 1, h, w) that each position's covariance is worth, of `count` at most.

        The mean takes one degree of freedom, which matters where few images show the position.
        """
        if self.count < 2:
            return self.shown
        return (self.shown - 1).clamp_min(0) * (self.count / (self.count - 1))

    def _certainty(self) -> Tensor:
        """Return by how much less a distance (1, 1, h, w) says than where all images show the position.

        A new image differs from the mean of n others by (n + 1) / n times the covariance. What only one fold
        shows does not count at all: none of its images could be judged by the others.
        """
        known = self.shown > 0
        if self.parts >= _LEAST_PARTS:
            known &= self.shown_in >= _LEAST_PARTS
        return known * (1 + 1 / self.count) / (1 + 1 / torch.where(known, self.shown, 1))

    def _blocks(self, positions: Tensor) -> Tensor:
        """(1, C, h, w) to (blocks, C, side * side)."""
        return _to_rows(positions, self.owner.side)[0].transpose(1, 2).contiguous()

    def _weight_of_all(self) -> float:
        """Return the weight of the mean covariance over all positions where all images show the block."""
        if not self.owner.shrinks:
            return _OF_ALL
        channels = len(self.owner.whitening[0])
        return max(_OF_ALL, channels / (channels + self.count * self.owner.side**2))

    def _smooth(self, each: Tensor) -> Tensor:
        """Average values of the blocks (blocks, values) over neighbouring ones."""
        across = -(-self.owner.grid[1] // self.owner.side)
        planes = each.view(-1, across, each.shape[1]).permute(2, 0, 1)[None]
        smooth = gaussian_blur(planes, _NEIGHBOURS / self.owner.side)
        return smooth[0].permute(1, 2, 0).reshape(each.shape)


def _parts(length: int) -> list[slice]:
    """Divide a length, so that what is computed of each part needs little memory."""
    return [slice(start, start + _AT_ONCE) for start in range(0, length, _AT_ONCE)]

"""What distances of several kinds of features have in common: weight, tail, and what they are learnt from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from excision.method.model_facts import LEAST_EXPLAINED
from excision.method.scoring.position_moments import MomentsOfAppearances

WITHOUT_POSITION = 0.25
"""Weight of a distance where position does not explain what is to be seen.

What photographs teach helps on most textures, and where good material varies from one group to the next,
evidence of this weight that says nothing costs little.
"""

_TRUNCATION_IN_TILES = 0.2  # as of the residual, `score.residual_truncation`

Observed = Tensor | tuple[Tensor, Tensor] | tuple[Tensor, Tensor, Tensor | None]
"""Features (1, C, h, w) of an image, alone or with the share (1, 1, h, w) in [0, 1] that it shows of each
position, and with its appearance (1,) if there are several."""


class PositionDistance(nn.Module):
    """A distance of the features of each position from those of normal images.

    In tiles, a position is none on the product, and nothing at the same position confirms the distance: its
    weight is a quarter, and it adds only what few normal tiles reach.

    Args:
        tiles: the images are tiles.
        appearances: number of appearances that the normal images have.

    Attributes:
        tiles: as given.
        appearances: as given.
        tail: (2,), median over normal images of the largest distance, and mean excess of those above it;
            (appearances, 2) if there are several.
        explained_variance: (1,), share of the features' variance over normal images that position explains,
            0 to 1.
        by_padding: (C,), variance between positions that does not count as explained: see
            `PositionMoments.explained_variance`. Only learning needs it.
    """

    tail: Tensor
    explained_variance: Tensor

    def __init__(self, tiles: bool = False, appearances: int = 1) -> None:
        super().__init__()
        self.tiles, self.appearances = tiles, appearances
        self.register_buffer("tail", torch.ones(2) if appearances == 1 else torch.ones(appearances, 2))
        self.register_buffer("explained_variance", torch.zeros(1))
        self.by_padding: Tensor | float = 0.0

    @property
    def weight(self) -> Tensor:
        """Weight (1,) of the distance in the anomaly map: one half, or the correlation ratio if larger.

        The correlation ratio is the square root of the explained variance (K. Pearson, 1905).
        """
        if self.tiles:
            return torch.full_like(self.explained_variance, WITHOUT_POSITION)
        return self.explained_variance.sqrt().clamp_min(0.5)

    @property
    def counts(self) -> bool:
        """Whether the distance counts: in tiles always, else if position explains 5 % of the variance."""
        return self.tiles or float(self.explained_variance) >= LEAST_EXPLAINED

    @property
    def truncation(self) -> float:
        """A distance that this share of normal images, or more, reach adds nothing; 1 lets all add."""
        return _TRUNCATION_IN_TILES if self.tiles else 1.0

    def judged(self, _: Tensor | None, __: Tensor | None = None) -> Tensor | None:
        """Return the share to which each position is judged; None for all.

        It depends on the share that is seen, and on the appearance (B,) of the image.
        """
        return None

    def new_moments(self, images: int) -> Any:
        """Return moments of no image of one appearance.

        The features of this number of images will be added to them, or fewer.
        """
        raise NotImplementedError

    @torch.no_grad()
    def moments(self, features: Iterable[Observed], folds: Sequence[int], count: int) -> list[Any]:
        """Sum up the features (1, C, h, w) of normal images, each in the moments of its fold.

        Args:
            features: features of each image; with what it shows of each position, and its appearance, if the
                images are aligned.
            folds: fold of each image, counted from 0.
            count: number of folds.
        """
        empty = partial(self.empty_moments, len(folds))
        return moments_of([empty], ([each] for each in features), folds, count)[0]

    def empty_moments(self, images: int) -> Any:
        """Return moments of no image; the features of this number of images will be added to them."""
        return self._of_appearances(partial(self.new_moments, images))

    def _of_appearances(self, empty: Callable[[], Any]) -> Any:
        if self.appearances == 1:
            return empty()
        return MomentsOfAppearances([empty() for _ in range(self.appearances)])

    def fit(self, moments: Any) -> None:
        """Fit the distance and the explained variance to the moments of normal images.

        The tail is learnt apart, from images that took no part in the moments: the distance of the others is
        underestimated.
        """
        raise NotImplementedError


@torch.no_grad()
def moments_of(
    empty: Sequence[Callable[[], Any]],
    features: Iterable[Sequence[Observed]],
    folds: Sequence[int],
    count: int | None = None,
) -> list[list[Any]]:
    """Sum up several kinds of features in one pass, as `PositionDistance.moments` does for one.

    Args:
        empty: for each kind, returns moments of no image.
        features: of each image, of each kind.
        folds: fold of each image, counted from 0.
        count: number of folds; None takes one more than the largest of `folds`.

    Returns:
        For each kind the moments of each fold.
    """
    found = [[each() for _ in range(count or max(folds) + 1)] for each in empty]
    for of_image, fold in zip(features, folds, strict=True):
        for own, each in zip(found, of_image, strict=True):
            own[fold].add(*(each if isinstance(each, tuple) else (each,)))
    return found

"""Sums over the features of normal images at each position, from which distances are learnt."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Generic, Protocol, Self, TypeVar

import torch
from torch import Tensor

LEAST_IMAGES = 8
"""Images from which a distance can be learnt."""


class PositionMoments:
    """Running sums over images in float64, from which the variance that position explains follows.

    Args:
        shape: (1, C, h, w), of the features of an image.
        device: device to compute on.

    Attributes:
        count: number of images.
        shown: (1, 1, h, w), how many of them show each position.
        parts: number of moments included.
        shown_in: (1, 1, h, w), how many of these show each position.
    """

    def __init__(self, shape: Sequence[int], device: torch.device) -> None:
        self.count = self.parts = 0
        self.sums = torch.zeros(*shape, dtype=torch.float64, device=device)
        self.squares = torch.zeros_like(self.sums)
        self.shown = torch.zeros_like(self.sums[:, :1])
        self.shown_in = torch.zeros_like(self.shown)

    def empty(self) -> Self:
        """Return moments of no image, of the same kind."""
        return type(self)(self.sums.shape, self.sums.device)

    @property
    def each(self) -> Sequence[Self]:
        """The moments of each appearance: here, there is one."""
        return (self,)

    def pooled(self) -> Self:
        """Return the moments of all appearances together."""
        return self

    def add(self, features: Tensor, seen: Tensor | None = None, _: Tensor | None = None) -> None:
        """Add the features (1, C, h, w) of an image that shows this share (1, 1, h, w) of each position."""
        exact = features.double()
        share = torch.ones_like(self.shown) if seen is None else seen.double()
        self.count += 1
        self.shown += share
        self.sums += share * exact
        self.squares += share * exact.square()

    def include(self, other: Self) -> None:
        """Add the images that other moments are of."""
        self.count += other.count
        self.parts += 1
        self.shown += other.shown
        self.shown_in += other.shown > 0
        self.sums += other.sums
        self.squares += other.squares

    @property
    def enough(self) -> bool:
        """Whether a distance can be learnt: not from fewer than eight images."""
        return self.count >= LEAST_IMAGES

    def explained_variance(self, by_padding: Tensor | float = 0.0) -> float:
        """Return the share of variance between positions (analysis of variance); the mean over channels.

        Args:
            by_padding: (C,), variance between positions that is due to the padding of a network, and not to
                what is seen there.
        """
        between, within = self.variances()
        due = (between - by_padding).clamp_min(0)
        return float((due / (between + within).clamp_min(1e-12)).mean())

    @property
    def means(self) -> Tensor:
        """The mean (1, C, h, w) of each position over the images that show it; 0 if none does."""
        return self.sums / torch.where(self.shown > 0, self.shown, 1)

    def variances(self) -> tuple[Tensor, Tensor]:
        """Return the variance of each channel (C,) between positions and within them.

        Each position counts by the images that show it.
        """
        means, shown = self.means, self.shown.sum()
        each = (self.squares - self.shown * means.square()).clamp_min(0)
        within = each.sum(dim=(2, 3))[0] / shown
        apart = means - self.sums.sum(dim=(2, 3), keepdim=True) / shown
        found = (self.shown * apart.square()).sum(dim=(2, 3))[0] / shown
        # Subtract the variation between the means of the positions that is due to chance.
        between = (found - within * (self.shown > 0).sum() / shown).clamp_min(0)
        return between, within


M = TypeVar("M", bound=PositionMoments)


class MomentsOfAppearances(Generic[M]):
    """The moments of each of several appearances.

    Args:
        each: moments of no image, for each appearance.

    Attributes:
        each: as given.
    """

    def __init__(self, each: Sequence[M]) -> None:
        self.each = each

    def empty(self) -> Self:
        """Return moments of no image, of the same kind."""
        return type(self)([own.empty() for own in self.each])

    def pooled(self) -> M:
        """Return the moments of all appearances together."""
        return merged(self.each)

    def add(self, features: Tensor, seen: Tensor | None, appearance: Tensor) -> None:
        """Add the features of an image of this appearance (1,), and what it shows of each position."""
        self.each[int(appearance)].add(features, seen)

    def include(self, other: Self) -> None:
        """Add the images that other moments are of."""
        for own, its in zip(self.each, other.each, strict=True):
            own.include(its)

    @property
    def enough(self) -> bool:
        """Whether the distance can be learnt of each appearance."""
        return all(own.enough for own in self.each)

    def explained_variance(self, by_padding: Tensor | float = 0.0) -> float:
        """Return the share of variance between positions of the same appearance: its mean over the images."""
        known = [own for own in self.each if own.count]
        total = sum(own.count * own.explained_variance(by_padding) for own in known)
        return total / sum(own.count for own in known)


class _Sums(Protocol):
    def empty(self) -> Self: ...
    def include(self, other: Self) -> None: ...


S = TypeVar("S", bound=_Sums)


def merged(parts: Sequence[S]) -> S:
    """Return the moments of all images of several parts; there is at least one."""
    whole = parts[0].empty()
    for part in parts:
        whole.include(part)
    return whole


def held_out_variance(folds: Sequence[PositionMoments | MomentsOfAppearances[Any]]) -> Tensor:
    """Return by how much features differ from the mean of the other folds, squared.

    Args:
        folds: the moments of each fold.

    Returns:
        (C,), the mean over images and positions that other folds show as well; of several appearances, each
        image is compared with the mean of its own.
    """
    errors: Tensor | float = 0.0
    shown: Tensor | float = 0.0
    for of_folds in zip(*(fold.each for fold in folds), strict=True):
        whole = merged(of_folds)
        for fold in of_folds:
            others = whole.shown - fold.shown
            means = (whole.sums - fold.sums) / torch.where(others > 0, others, 1)
            each = fold.squares - 2 * means * fold.sums + fold.shown * means.square()
            errors = errors + (each * (others > 0)).sum(dim=(0, 2, 3))
            shown = shown + (fold.shown * (others > 0)).sum()
    assert isinstance(errors, Tensor)
    return errors / shown

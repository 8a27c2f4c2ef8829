"""Appearances: several parts, variants or views in one set of images, each with a mean image of its own."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from excision.method.scoring.alignment import Alignment, best_pose
from excision.method.scoring.appearance_search import Clusters, enough
from excision.method.scoring.poses import Posing
from excision.ops.resampling import Size


class Appearances(Posing):
    """An alignment for each of several appearances; the one that an image fits best counts for it.

    How well it fits is told by the mean squared difference from the mean image, after alignment. A defect
    makes an image less like each mean, and does not count where the means are equal.

    Args:
        size: (H, W) of the images in pixels.
        starts: for each appearance, the number of poses from which the search starts.
        alike: for each appearance, the number of poses in which the part looks alike.

    Attributes:
        each: the alignment of each appearance.
        images: (appearances,) int64, the number of normal images of each.
    """

    images: Tensor

    def __init__(self, size: Size, starts: Sequence[int], alike: Sequence[int] | None = None) -> None:
        super().__init__(size)
        symmetries = [0] * len(starts) if alike is None else alike
        self.each = nn.ModuleList(Alignment(size, *counts) for counts in zip(starts, symmetries, strict=True))
        self.register_buffer("images", torch.zeros(len(starts), dtype=torch.int64))

    def place(self, images: Tensor) -> tuple[Tensor, Tensor | None]:
        """Return the pose (B, 3) and the appearance (B,) int64 of images (B, C, H, W) in [0, 1]."""
        return self._settle(self._alignments[0].look(images))

    @torch.no_grad()
    def learn_from(self, looks: Tensor, clusters: Clusters, folds: Sequence[int]) -> bool:
        """Learn the mean images of clusters.

        Args:
            looks: (N, 1, h, w), `Alignment.look` of normal images.
            clusters: the images of each appearance, at first.
            folds: fold of each image.

        Returns:
            Whether enough of the images fit each appearance best.
        """
        for alignment, members in zip(self._alignments, clusters.members, strict=True):
            alignment.learn_from([looks[each : each + 1] for each in members])
        chosen = [int(self._settle(looks[each : each + 1])[1]) for each in range(len(looks))]
        numbers = range(len(self._alignments))
        self.images.copy_(torch.tensor([chosen.count(number) for number in numbers]))
        fitting = [[each for each, own in enumerate(chosen) if own == number] for number in numbers]
        return all(enough(each, folds) for each in fitting)

    @property
    def _alignments(self) -> list[Alignment]:
        return [each for each in self.each if isinstance(each, Alignment)]

    def _settle(self, small: Tensor) -> tuple[Tensor, Tensor]:
        """Find pose (B, 3) and appearance (B,) of small images (B, 1, h, w)."""
        poses = [each.settle(small) for each in self._alignments]
        fits = [each.misfit(small, pose) for each, pose in zip(self._alignments, poses, strict=True)]
        return best_pose(torch.stack(poses, dim=1), torch.stack(fits, dim=1))

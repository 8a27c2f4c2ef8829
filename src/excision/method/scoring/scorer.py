"""Evidence of a defect, and how it is combined to one anomaly map."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import reduce
from typing import NamedTuple

import torch
from torch import Tensor, nn

from excision.method.recovery.unet import Recovery
from excision.method.scoring.alignment import Alignment
from excision.method.scoring.edge_features import CELL_SIZE, count_features, edge_features
from excision.method.scoring.feature_distance import FeatureDistance
from excision.method.scoring.residuals import anomaly_map, anomaly_score, broad_residual, mean_residual
from excision.method.scoring.surprisal import surprisal, tail
from excision.ops.resampling import enlarge
from excision.settings import Settings
from excision.tiling.image_format import ImageFormat

_LEFT_BY_ALIGNMENT = 0.5  # of the variance that position leaves unexplained


class Evidence(NamedTuple):
    """What speaks for a defect, before it is combined to one anomaly map.

    Attributes:
        residuals: R of (B, 1, H, W) >= 0, between image and recovery: that of each pixel and, if R is 2, the
            broad one; relative to the normal residual, unless `score.relative` is 0.
        attention: (B, 1, ceil(H / patch), ceil(W / patch)) >= 0, of the cells, in standard deviations above
            the normal attention.
        distance: (B, 1, ceil(H / `CELL_SIZE`), ceil(W / `CELL_SIZE`)) >= 0, the feature distance of each
            position; None where it does not count.
        pose: (B, 3), where the part lies, if the positions of the distance are those of an aligned image.
    """

    residuals: tuple[Tensor, ...]
    attention: Tensor
    distance: Tensor | None
    pose: Tensor | None


class Seen(NamedTuple):
    """What the stages before the scoring have made of images.

    Attributes:
        images: (B, C, H, W) in [0, 1].
        cells: (B, 1, h, w), the attention of each cell of the patch grid.
        mask: (B, 1, H, W) bool, True where the image was excised.
        recovery: mean and log-variance, each (B, C, H, W).
    """

    images: Tensor
    cells: Tensor
    mask: Tensor
    recovery: Recovery


class Scorer(nn.Module):
    """From image, attention, mask and recovery to the anomaly map.

    Args:
        settings: of mask and score.
        image_format: that the model is made for.

    Attributes:
        normal_residual: (1, R, H, W) > 0, the mean residuals of normal images; (1, R, 1, 1) where residuals
            stay absolute.
        tails: (R + 1, 2), for each residual and the attention the median over normal images of their largest
            value, and the mean excess of those above it.
        feature_distance: of each position; None where it does not count, since positions differ from image to
            image.
        alignment: finds the part, if positions are those of the part; None where they are those of the image.
    """

    normal_residual: Tensor
    tails: Tensor

    def __init__(self, settings: Settings, image_format: ImageFormat) -> None:
        super().__init__()
        self.settings = settings
        self.image_format = image_format
        size = image_format.size if settings.score.relative > 0 else (1, 1)
        # Whether or not they count now: the same weights serve with other switches.
        residuals = 2 if settings.score.broad > 0 else 1
        self.register_buffer("normal_residual", torch.ones(1, residuals, *size))
        self.register_buffer("tails", torch.ones(residuals + 1, 2))
        self.feature_distance: FeatureDistance | None = None
        self.alignment: Alignment | None = None

    def forward(self, seen: Seen) -> Tensor:
        """Give the anomaly map (B, 1, H, W) >= 0."""
        return self.combine(self.evidence(seen))

    def evidence(self, seen: Seen) -> Evidence:
        """Give what speaks for a defect in images."""
        relative = (
            found / self.normal_residual[:, view : view + 1]
            for view, found in enumerate(self._residuals(seen))
        )
        distance = pose = None
        if self.feature_distance is not None:
            images = seen.images
            if self.alignment is not None:
                pose = self.alignment(images)
                images = self.alignment.align(images, pose)
            distance = self.feature_distance(edge_features(images))
        return Evidence(tuple(relative), seen.cells.clamp_min(0), distance, pose)

    def combine(self, evidence: Evidence) -> Tensor:
        """Give the anomaly map (B, 1, H, W) >= 0, the weighted surprisal of residuals and attention in nats.

        The residuals measure the same difference, so the larger surprisal of them counts. It is added to that
        of the attention by the statistic of I. J. Good, "On the weighted combination of significance tests",
        Journal of the Royal Statistical Society B 17, 1955, with equal weights that of Fisher. It is
        truncated, so that a residual that says little does not disturb the attention. Where the residual
        counts alone, the map is the residual itself.

        The feature distance counts by its weight w, the rest by 1 - w: where position explains the features
        of normal images well, what differs from them is what counts.
        """
        if not self.counts_attention:
            return evidence.residuals[0]
        *of_residuals, of_attention = self.tails.tolist()
        score = self.settings.score
        found = [
            surprisal(residual, median, excess, score.residual_truncation)
            for residual, (median, excess) in zip(evidence.residuals, of_residuals, strict=True)
        ]
        residual = reduce(torch.maximum, found)
        size = (residual.shape[2], residual.shape[3])
        attention = enlarge(surprisal(evidence.attention, *of_attention), self.settings.mask.patch, size)
        maps = residual.mul_(score.residual_weight).add_(attention)
        if evidence.distance is None or self.feature_distance is None:
            return maps
        distance = surprisal(evidence.distance, *self.feature_distance.tail.tolist())
        weight = self.feature_distance.weight
        if evidence.pose is None or self.alignment is None:
            told = enlarge(distance, CELL_SIZE, size)
            return maps.mul_(1 - weight).add_(told.mul_(weight))
        told, shown = self.alignment.put_back(distance, evidence.pose, CELL_SIZE)
        # In the corners that the rotation cuts off nothing was compared, and the rest counts in full.
        return maps.mul_(1 - weight * shown).add_(told.mul_(weight))

    def score(self, maps: Tensor) -> Tensor:
        """Read the anomaly score (B,) off anomaly maps (B, 1, H, W)."""
        return anomaly_score(maps, self.settings.score.top)

    @torch.no_grad()
    def learn_features(self, images: Callable[[], Iterable[Tensor]]) -> None:
        """Learn which features are normal at each position, where the distance from them is to count.

        A position is one of the image. It is one of the aligned part if that leaves at most half as much of
        the features unexplained; on a surface without a shape to align it does not.

        Args:
            images: gives normal images (1, C, H, W) in [0, 1]; called up to five times.
        """
        self.feature_distance = self.alignment = None
        if not self._wants_features:
            return
        distance, aligned = self.new_feature_distance(), self.new_feature_distance()
        distance.learn(lambda: map(edge_features, images()))
        if self.settings.score.align:
            alignment = self.new_alignment()
            alignment.learn(images())

            def as_it_lies() -> Iterator[Tensor]:
                return (edge_features(alignment.align(image, alignment(image))) for image in images())

            aligned.learn(as_it_lies)
            if 1 - aligned.explained_variance < _LEFT_BY_ALIGNMENT * (1 - distance.explained_variance):
                self.alignment, distance = alignment, aligned
        if distance.counts:
            self.feature_distance = distance
        else:
            self.alignment = None

    @torch.no_grad()
    def learn_residual(self, normal: Iterable[Seen]) -> None:
        """Learn the mean residual at each position; nothing is done where residuals stay absolute.

        Args:
            normal: what the stages before have made of each normal image.
        """
        if self.settings.score.relative == 0:
            return
        self.normal_residual.fill_(1)
        mean = self.normal_residual[:, : self.residuals]
        total = torch.zeros_like(mean, dtype=torch.float64)
        count = torch.zeros_like(total[:, :1])
        for seen in normal:
            total += torch.cat(self._residuals(seen), dim=1)
            count += seen.mask if self.counts_inside_alone else 1
        mean.copy_(mean_residual(total, count, self.settings.score.relative))

    @torch.no_grad()
    def learn_tails(self, normal: Iterable[Seen]) -> None:
        """Learn the largest values of each residual and of the attention on normal images.

        Args:
            normal: what the stages before have made of each normal image; the normal residual is learnt.
        """
        if not self.counts_attention:
            return
        largest = []
        for seen in normal:
            evidence = self.evidence(seen)
            largest.append(
                torch.cat([self.score(each) for each in (*evidence.residuals, evidence.attention)])
            )
        self.tails.copy_(torch.tensor([tail(each) for each in torch.stack(largest, dim=1)]))

    def new_feature_distance(self) -> FeatureDistance:
        """Give an untrained feature distance for the size and channels of the images."""
        height, width = (-(-side // CELL_SIZE) for side in self.image_format.size)
        channels = count_features(self.image_format.channels)
        return FeatureDistance(channels, (height, width)).to(self.tails.device)

    def new_alignment(self, starts: int = 1) -> Alignment:
        """Give an untrained alignment that starts from so many poses."""
        return Alignment(self.image_format.size, starts).to(self.tails.device)

    @property
    def counts_inside_alone(self) -> bool:
        """Tell whether the residual counts in the hole only; without a hole the whole image has to."""
        return self.settings.score.inside_mask and self.settings.mask.enabled

    @property
    def counts_attention(self) -> bool:
        """Tell whether the attention counts beside the residual; without a mask this is a plain U-Net."""
        return self.settings.score.evidence == "both" and self.settings.mask.enabled

    @property
    def residuals(self) -> int:
        """Number of residuals that count: without the attention that of each pixel counts alone."""
        return 2 if self.settings.score.broad > 0 and self.counts_attention else 1

    @property
    def _wants_features(self) -> bool:
        # In a tile, a position of the tile is none of the part.
        wanted = self.settings.score.feature_distance and self.counts_attention
        return wanted and self.image_format.tiling is None

    def made_to_fit(self, tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
        """Prepare for a state dict, which has a feature distance and an alignment only if they count.

        Args:
            tensors: by name.
            prefix: of the names that are this scorer's.

        Returns:
            The tensors without those that were learnt but are not to count with these settings.
        """
        of_distance, of_alignment = f"{prefix}feature_distance.", f"{prefix}alignment."
        learnt = self._wants_features and any(name.startswith(of_distance) for name in tensors)
        starts = tensors.get(f"{of_alignment}starts") if learnt else None
        self.feature_distance = self.new_feature_distance() if learnt else None
        self.alignment = self.new_alignment(len(starts)) if starts is not None else None
        unused = () if learnt else (of_distance, of_alignment)
        return {name: tensor for name, tensor in tensors.items() if not name.startswith(unused)}

    def _residuals(self, seen: Seen) -> list[Tensor]:
        """Give the absolute residuals, each (B, 1, H, W) >= 0."""
        score, inside = self.settings.score, seen.mask if self.counts_inside_alone else None
        residuals = [anomaly_map(seen.images, seen.recovery, inside, score)]
        if self.residuals == 2:
            residuals.append(broad_residual(seen.images, seen.recovery, inside, score.broad))
        return residuals

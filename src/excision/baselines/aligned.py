"""Baselines on aligned images: what they would do if they, too, found the part in each image first.

The alignment is EAR's, and it is used where EAR uses it: on a surface without a shape to align, the aligned
baseline is the plain one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from excision.baselines.base import Baseline, BaselineNetwork, Found, TrainingJob
from excision.baselines.padim import PaDiM
from excision.baselines.patchcore import PatchCore
from excision.method.normal_images import MOST_IMAGES
from excision.method.scoring.alignment import Alignment
from excision.method.scoring.scorer import Scorer
from excision.ops.resampling import shrink
from excision.ops.spread import evenly_spread
from excision.settings import Settings
from excision.tiling.image_format import ImageFormat
from excision.training.side_by_side import several_at_once

_CELL = 4  # pixels of the grid on which a map is transformed back


class AlignedNetwork(BaselineNetwork):
    """Aligns an image, inspects it with another network, and transforms the map back.

    Args:
        plain: the network that inspects the aligned image.
        size: (H, W) of the images in pixels.

    Attributes:
        alignment: estimates the pose of the part.
        is_aligned: (), bool; False if there is no shape to align.
    """

    is_aligned: Tensor

    def __init__(self, plain: BaselineNetwork, size: tuple[int, int]) -> None:
        super().__init__()
        self.plain = plain
        self.passes = plain.passes
        self.alignment = Alignment(size)
        self.register_buffer("is_aligned", torch.zeros((), dtype=torch.bool))

    def learn_alignment(self, job: TrainingJob) -> None:
        """Learn the alignment as EAR does with its default settings, if EAR would use one."""
        chosen = evenly_spread(len(job.data.training), MOST_IMAGES)

        def images() -> Iterator[Tensor]:
            return (job.image(index) for index in chosen)

        scorer = Scorer(Settings(), job.data.image_format).to(job.device)
        with several_at_once(job.device) as count:
            scorer.learn_features(images, [0] * len(chosen), count=count)
        # With one fold, nothing confirms that there are several appearances.
        if isinstance(scorer.alignment, Alignment):
            self.alignment = scorer.alignment
            self.is_aligned.fill_(True)

    def aligned(self, images: Tensor) -> Tensor:
        """Return images (B, C, H, W) in the pose of the mean normal image."""
        return self.alignment.align(images, self.alignment(images)) if self.is_aligned else images

    @torch.no_grad()
    def forward(self, images: Tensor) -> Found:
        """Inspect images (B, C, H, W) in [0, 1]; the score is that of the aligned image."""
        if not self.is_aligned:
            return self._inspected(images)
        # One image at a time: in a batch, sums are rounded in a different order.
        found = [self._inspect(image[None]) for image in images]
        return Found(torch.cat([each.maps for each in found]), torch.cat([each.scores for each in found]))

    def _inspect(self, image: Tensor) -> Found:
        pose = self.alignment(image)
        found = self._inspected(self.alignment.align(image, pose))
        maps, _ = self.alignment.put_back(shrink(found.maps, _CELL), pose, _CELL)
        return Found(maps, found.scores)

    def _inspected(self, images: Tensor) -> Found:
        found: Found = self.plain(images)
        return found


@dataclass(frozen=True, slots=True)
class _AlignedJob(TrainingJob):
    """A training whose images are aligned."""

    network: AlignedNetwork | None = None

    def image(self, index: int) -> Tensor:
        # Not `super()`: a dataclass with slots is a copy of the class that the name refers to.
        image = TrainingJob.image(self, index)
        return image if self.network is None else self.network.aligned(image)


class Aligned(Baseline):
    """A baseline that learns from aligned images and inspects aligned images; the hyperparameters are its."""

    plain: ClassVar[type[Baseline]]

    def __init__(
        self, settings: Settings | None = None, device: str = "auto", **hyperparameters: Any
    ) -> None:
        super().__init__(settings, device, **hyperparameters)
        self._plain = self.plain(settings, device, **hyperparameters)

    def build(self, image_format: ImageFormat) -> AlignedNetwork:
        """Build the network without an alignment and with random weights."""
        return AlignedNetwork(self._plain.build(image_format), image_format.size)

    def learn(self, network: BaselineNetwork, job: TrainingJob) -> None:
        """Learn the alignment, and then what the plain baseline learns, from aligned images.

        Raises:
            ModelError: the package with the ImageNet weights is not installed.
        """
        assert isinstance(network, AlignedNetwork)
        network.learn_alignment(job)
        aligned = _AlignedJob(job.data, job.settings, job.device, job.seconds, job.progress, network)
        self._plain.learn(network.plain, aligned)


class AlignedPatchCore(Aligned):
    """PatchCore on aligned images."""

    name: ClassVar[str] = "PatchCore, aligned"
    plain = PatchCore


class AlignedPaDiM(Aligned):
    """PaDiM on aligned images."""

    name: ClassVar[str] = "PaDiM, aligned"
    plain = PaDiM

"""The method on tensors: attention, mask, excision, recovery, anomaly map, anomaly score."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from excision.features.network import FeatureNetwork
from excision.method.attention.model import Attention, Look
from excision.method.masking import Masking
from excision.method.recovery.unet import UNet
from excision.method.scoring.evidence import Evidence, ScorerInput
from excision.method.scoring.scorer import Scorer
from excision.method.scoring.stored import made_to_fit
from excision.ops.resampling import enlarge
from excision.settings import Settings
from excision.tiling.image_format import ImageFormat


class Stages(NamedTuple):
    """The output of every stage for a batch.

    Attributes:
        attention: (B, 1, H, W), larger is more defect-like; in standard deviations from the normal attention.
        mask: (B, 1, H, W) bool, True where the image is excised.
        masked_image: (B, C, H, W) in [0, 1].
        recovery: (B, C, H, W) in [0, 1]; equal to the image outside the hole if only the hole counts.
        anomaly_map: (B, 1, H, W) >= 0; the weighted surprisal in nats. With `score.evidence` "residual" the
            residual instead, relative to the normal residual unless `score.relative` is 0.
        score: (B,) >= 0, in the unit of the map.
    """

    attention: Tensor
    mask: Tensor
    masked_image: Tensor
    recovery: Tensor
    anomaly_map: Tensor
    score: Tensor


class Pipeline(nn.Module):
    """Excision And Recovery with its weights: four stages, each with its learnt state.

    Args:
        settings: settings of the method.
        image_format: format of the images.
        attention: the frozen attention network.
        features: feature network that is compared beside the edges; None for edges alone.

    Attributes:
        attention: finds what looks like a defect.
        masking: turns attention into the mask and the masked image.
        recovery: the U-Net that fills the hole.
        scorer: turns the evidence into the anomaly map and the anomaly score.
    """

    def __init__(
        self,
        settings: Settings,
        image_format: ImageFormat,
        attention: Attention,
        features: FeatureNetwork | None = None,
    ) -> None:
        super().__init__()
        unet = settings.recovery
        self.settings = settings
        self.image_format = image_format
        self.attention = attention
        self.masking = Masking(settings.mask)
        self.recovery = UNet(image_format.channels, unet.width, unet.depth, unet.normalisation, unet.stem)
        self.scorer = Scorer(settings, image_format, features)
        self.attention.normal.reset(tuple(-(-side // settings.mask.patch) for side in image_format.size))

    @torch.no_grad()
    def forward(self, images: Tensor) -> Stages:
        """Inspect images (B, C, H, W) in [0, 1], in one deterministic pass.

        Raises:
            ValueError: the images do not have the size and channels of the model.
        """
        wanted, given = self.image_format.size, tuple(images.shape[2:])
        if wanted != given:
            raise ValueError(f"images are {given} pixels: this model was made for {wanted}")
        # One image at a time: in a batch, sums are rounded in a different order, and the score of an image
        # would depend on the rest of the batch. On a CPU it is also faster: the features stay in the cache.
        singles = [self.inspect(image[None]) for image in images]
        return Stages(*(torch.cat(parts) for parts in zip(*singles, strict=True)))

    def inspect(self, images: Tensor) -> Stages:
        """Inspect images as `forward` does, but as one batch: scores may differ in the last bits."""
        given, masked_image = self._recover(images, self.look(images))
        maps = self.scorer(given)
        shown = given.recovery.mean.clamp(0, 1)
        size = (images.shape[2], images.shape[3])
        return Stages(
            attention=enlarge(given.cells, self.settings.mask.patch, size),
            mask=given.mask,
            masked_image=masked_image,
            recovery=torch.where(given.mask, shown, images) if self.scorer.counts_inside_alone else shown,
            anomaly_map=maps,
            score=self.scorer.score(maps),
        )

    @torch.no_grad()
    def evidence(self, images: Tensor) -> tuple[Evidence, Tensor]:
        """Return the evidence of a defect in images (B, C, H, W) in [0, 1], and the mask (B, 1, H, W)."""
        given = self.scorer_input(images)
        return self.scorer.evidence(given), given.mask

    @torch.no_grad()
    def scorer_input(
        self, images: Tensor, absolute: Tensor | None = None, *, for_residual: bool = False
    ) -> ScorerInput:
        """Run the stages before scoring.

        Args:
            images: (B, C, H, W) in [0, 1].
            absolute: `absolute_cells(images)`, if they are known; None computes them.
            for_residual: only residuals will be computed from it, which do not need the attention's features.
        """
        # Features that are compared are too many to be kept for each image.
        if absolute is None or (self.scorer.compares_attention and not for_residual):
            return self._recover(images, self.look(images))[0]
        return self._recover(images, Look(absolute, None))[0]

    @torch.no_grad()
    def cells(self, images: Tensor) -> Tensor:
        """Compute the attention of the patch grid, in standard deviations from the normal attention there.

        Images (B, C, H, W) in [0, 1] to (B, 1, ceil(H / patch), ceil(W / patch)).
        """
        relative: Tensor = self.attention.normal(self.absolute_cells(images))
        return relative

    def absolute_cells(self, images: Tensor) -> Tensor:
        """Compute the attention of the patch grid as the network gives it; shapes as in `cells`."""
        return self.look(images).cells

    def look(self, images: Tensor) -> Look:
        """Compute the attention of the patch grid, and the features that it comes from."""
        return self.attention.look(images, self.settings.mask.patch)

    def load_learned(self, tensors: dict[str, Tensor]) -> None:
        """Load the `state_dict` of another pipeline; parts that these settings do not use are left out.

        Raises:
            RuntimeError: names or shapes do not match this pipeline.
        """
        self.load_state_dict(made_to_fit(self.scorer, tensors, "scorer."))

    def _recover(self, images: Tensor, look: Look) -> tuple[ScorerInput, Tensor]:
        cells = self.attention.normal(look.cells)
        mask, masked_image = self.masking(images, cells)
        skips = self.settings.recovery.skips("inference")
        return ScorerInput(
            images, cells, mask, self.recovery(masked_image, mask.to(images.dtype), skips), look.features
        ), masked_image

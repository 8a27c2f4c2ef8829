"""The method on tensors: attention, mask, excision, recovery, anomaly map, anomaly score."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from excision.features.network import FeatureNetwork
from excision.method.attention.model import Attention, Look
from excision.method.masking import Masking
from excision.method.recovery.unet import UNet
from excision.method.scoring.combination import joined, of_residuals
from excision.method.scoring.evidence import Evidence, ScorerInput
from excision.method.scoring.scorer import Scorer
from excision.method.scoring.stored import made_to_fit
from excision.ops.resampling import enlarge
from excision.settings import Settings
from excision.tiling.image_format import ImageFormat

_LEAST = "masking.least"


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
        singles = [self._inspect_one(image[None]) for image in images]
        return Stages(*(torch.cat(parts) for parts in zip(*singles, strict=True)))

    def inspect(self, images: Tensor) -> Stages:
        """Inspect images as `forward` does, but as one batch: scores may differ in the last bits."""
        return self.inspect_in_parts(images)[0]

    def inspect_in_parts(self, images: Tensor) -> tuple[Stages, Tensor]:
        """Inspect images as `inspect` does; also return what the recovery adds to the map, (B, 1, H, W) >= 0.

        Of an image of which nothing was excised it is exactly 0, if only the hole counts.
        """
        given, masked_image = self._excise(images, self.look(images), spares=True)
        given = self._recover(given, masked_image)
        evidence = self.scorer.evidence(given)
        added = of_residuals(self.scorer, evidence)
        # What was added must stay as it is: the map is computed in its place.
        return self._stages(given, masked_image, joined(self.scorer, evidence, added.clone())), added

    def _inspect_one(self, image: Tensor) -> Stages:
        """Inspect one image (1, C, H, W); without recovery if only the hole counts, and there is none."""
        given, masked_image = self._excise(image, self.look(image), spares=True)
        if not self.scorer.counts_inside_alone or bool(given.mask.any()):
            given = self._recover(given, masked_image)
        return self._stages(given, masked_image, self.scorer(given))

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
        compared = self.scorer.compares_attention and not for_residual
        look = self.look(images) if absolute is None or compared else Look(absolute, None)
        return self._recover(*self._excise(images, look))

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
        exits = self.masking.least
        if exits is not None:
            # A model without an early exit gets one when its normal statistics are learnt again.
            tensors = {_LEAST: torch.full_like(exits, -torch.inf), **tensors}
        elif _LEAST in tensors:
            tensors = {name: tensor for name, tensor in tensors.items() if name != _LEAST}
        self.load_state_dict(made_to_fit(self.scorer, tensors, "scorer."))

    def _excise(self, images: Tensor, look: Look, *, spares: bool = False) -> tuple[ScorerInput, Tensor]:
        """Return the input of the scorer, still without a recovery, and the masked image.

        With `spares`, nothing is excised from images that draw too little attention (`mask.early_exit`).
        """
        cells = self.attention.normal(look.cells)
        mask, masked_image = self.masking(images, cells, spares=spares)
        return ScorerInput(images, cells, mask, None, look.features), masked_image

    def _recover(self, given: ScorerInput, masked_image: Tensor) -> ScorerInput:
        skips = self.settings.recovery.skips("inference")
        recovery = self.recovery(masked_image, given.mask.to(masked_image.dtype), skips)
        return given._replace(recovery=recovery)

    def _stages(self, given: ScorerInput, masked_image: Tensor, maps: Tensor) -> Stages:
        images, shown = given.images, given.images
        if given.recovery is not None:
            shown = given.recovery.mean.clamp(0, 1)
            if self.scorer.counts_inside_alone:
                shown = torch.where(given.mask, shown, images)
        size = (images.shape[2], images.shape[3])
        return Stages(
            attention=enlarge(given.cells, self.settings.mask.patch, size),
            mask=given.mask,
            masked_image=masked_image,
            recovery=shown,
            anomaly_map=maps,
            score=self.scorer.score(maps),
        )

"""The sections of the settings: one frozen dataclass a concern, checked on construction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from excision.errors import SettingsError
from excision.settings.checks import require

AttentionVariant = Literal["surface", "plain"]

ATTENTION_STRIDES: dict[AttentionVariant, int] = {"surface": 8, "plain": 4}
"""Pixels between neighbouring positions of each attention network's grid."""

Fill = Literal["zero", "mean", "mosaic"]
Normalisation = Literal["batch", "instance", "none"]
AnomalyMapKind = Literal["squared", "likelihood", "ssim", "msgms"]
EvidenceKind = Literal["both", "residual"]
Precision = Literal["auto", "float32", "bfloat16"]


@dataclass(frozen=True, slots=True)
class ImageSettings:
    """The working image that everything else sees.

    Attributes:
        size: (H, W) in pixels; None derives it from the training images.
        channels: 1 (grey) or 3 (colour); None takes grey where every training image is grey.
        tile: (H, W) in pixels of the tiles in which large images are trained on and inspected at full
            resolution; a tile is the working image then. None, where size is None too, takes tiles of strips
            and resizes all else as a whole.
    """

    size: tuple[int, int] | None = None
    channels: Literal[1, 3] | None = None
    tile: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        if self.size is not None and min(self.size) < 32:
            raise SettingsError(f"image.size is {self.size}: height and width must be at least 32 pixels")
        if self.tile is not None and self.size not in (None, self.tile):
            raise SettingsError(
                f"image.size is {self.size} and image.tile {self.tile}: a tile is the working image, "
                "so give one of the two"
            )


@dataclass(frozen=True, slots=True)
class AttentionSettings:
    """Where something defect-like may be.

    Attributes:
        variant: "surface" (MNIST digits drawn on procedural surfaces) or "plain" (the paper's MNIST
            classifier).
        pretrained: False starts with random weights, to see what the pre-training is worth.
        tuning: most steps that tune it to defects drawn on the product's own good images, eight an image;
            0 leaves it as MNIST made it (the paper).
        pretraining_weight: weight of the pre-training data during tuning, as an equivalent number of good
            images: the share weight / (weight + images) of the tuning images is drawn from it.
        relative: take it in deviations from what is usual at its place on good images.
    """

    variant: AttentionVariant = "surface"
    pretrained: bool = True
    tuning: int = 3000
    pretraining_weight: int = 150
    relative: bool = True

    @property
    def stride(self) -> int:
        """Pixels between neighbouring positions of the network's grid."""
        return ATTENTION_STRIDES[self.variant]

    def __post_init__(self) -> None:
        require(self.tuning >= 0, f"attention.tuning is {self.tuning}: it must not be negative")
        require(
            self.pretraining_weight >= 0,
            f"attention.pretraining_weight is {self.pretraining_weight}: it must not be negative",
        )


@dataclass(frozen=True, slots=True)
class MaskSettings:
    """From attention map to the one deterministic mask.

    Attributes:
        enabled: False leaves the image whole, which turns the method into a plain U-Net.
        patch: side of a grid cell in pixels; a cell is excised whole or not at all.
        budget: share of cells excised on an average normal training image; sets the threshold.
        cap: largest share of cells excised on any image; the strongest cells win.
        fill: what stands in the hole: "zero" (the paper), "mean" of the image outside it, or "mosaic",
            the mean of each cell.
    """

    enabled: bool = True
    patch: int = 8
    budget: float = 0.04
    cap: float = 0.30
    fill: Fill = "zero"

    def __post_init__(self) -> None:
        require(self.patch >= 1, f"mask.patch is {self.patch}: it must be at least 1 pixel")
        require(0 < self.budget < 1, f"mask.budget is {self.budget}: it must lie between 0 and 1")
        require(self.budget <= self.cap < 1, f"mask.cap is {self.cap}: it must lie between the budget and 1")


@dataclass(frozen=True, slots=True)
class RecoverySettings:
    """The U-Net and its skip connections.

    Skips are counted from 1, the shallowest. They are written as "all", "none", "deep" (all but the two
    shallowest, and always the deepest), or as the levels that are on, for example "2,3".

    Attributes:
        width: channels at the shallowest level; they double with each level.
        stem: side in pixels of the square that enters as one place of level 1: 1, 2 or 4; the coarser, the
            faster.
        depth: number of levels; one less than this are skip connections.
        normalisation: "batch", "instance" or "none".
        training_skips: skips on in training.
        inference_skips: skips on at inference.
        replay: share of the training steps that run with the skips of inference; 0 is the paper's rule.
    """

    width: int = 16
    stem: int = 4
    depth: int = 3
    normalisation: Normalisation = "batch"
    training_skips: str = "all"
    inference_skips: str = "deep"
    replay: float = 0.5

    def __post_init__(self) -> None:
        require(self.width >= 1, f"recovery.width is {self.width}: it must be at least 1 channel")
        require(self.stem in (1, 2, 4), f"recovery.stem is {self.stem}: it must be 1, 2 or 4 pixels")
        require(2 <= self.depth <= 7, f"recovery.depth is {self.depth}: it must lie between 2 and 7")
        require(0 <= self.replay <= 1, f"recovery.replay is {self.replay}: it must lie in 0 to 1")
        self.skips("training")
        self.skips("inference")

    def skips(self, phase: Literal["training", "inference"]) -> tuple[bool, ...]:
        """Give the switch of each skip connection, shallowest first.

        Raises:
            SettingsError: the text names no known choice, or a level that the network lacks.
        """
        text = self.training_skips if phase == "training" else self.inference_skips
        count = self.depth - 1
        named = {
            "all": range(1, count + 1),
            "none": range(0),
            "deep": range(min(3, count), count + 1),
        }
        try:
            levels = set(named[text] if text in named else map(int, text.split(",")))
        except ValueError:
            levels = {0}
        if not levels <= set(range(1, count + 1)):
            raise SettingsError(
                f'recovery.{phase}_skips is "{text}": write "all", "none", "deep", '
                f'or levels from 1 to {count} such as "{count}"'
            )
        return tuple(level in levels for level in range(1, count + 1))


@dataclass(frozen=True, slots=True)
class LossSettings:
    """Weights of the training losses; a weight of 0 leaves that loss out.

    Attributes:
        nll: Gaussian negative log-likelihood with predicted variance.
        l2: squared error.
        ssim: one minus the structural similarity.
        msgms: multi-scale gradient magnitude similarity.
        hole_weight: how much more an excised pixel counts than one outside the hole.
    """

    nll: float = 1.0
    l2: float = 0.0
    ssim: float = 0.0
    msgms: float = 0.0
    hole_weight: float = 10.0

    def __post_init__(self) -> None:
        weights = (self.nll, self.l2, self.ssim, self.msgms)
        require(min(weights) >= 0 and max(weights) > 0, "loss: one weight must be above 0, and none below")
        require(self.hole_weight >= 1, f"loss.hole_weight is {self.hole_weight}: it must be at least 1")


@dataclass(frozen=True, slots=True)
class ScoreSettings:
    """From image and recovery to anomaly map and anomaly score.

    Attributes:
        map: how image and recovery are compared.
        smoothing: standard deviation in pixels of the Gaussian that smooths the comparison; 0 for none.
        broad: the same for a second, broad residual in units of the variance that the recovery predicts, of
            which faint and extended defects leave more; 0 does without it.
        relative: the residual is divided by what it usually is at that place on good images, averaged over a
            Gaussian of this standard deviation in pixels; 0 leaves it absolute.
        evidence: "both" adds the surprisal of residual and attention; "residual" counts that alone.
        residual_weight: how much the surprisal of the residual counts where both do, that of the attention
            counting 1.
        residual_truncation: share of good images whose residuals may reach a value before it counts where
            both do; 1 counts every value.
        feature_distance: also count how far the edges and lines of each place are from those that are usual
            there, the more of them the place explains; nothing where that is less than a twentieth.
        align: these are places of the part, found in each image, where that explains much more than places of
            the image; False takes the image as it is, and a part that lies aside for defective.
        inside_mask: count only what was excised.
        top: share of the map's pixels, the largest, whose mean is the score; 0 takes the maximum.
    """

    map: AnomalyMapKind = "squared"
    smoothing: float = 0.0
    broad: float = 2.0
    relative: float = 16.0
    evidence: EvidenceKind = "both"
    residual_weight: float = 1.0
    residual_truncation: float = 0.2
    feature_distance: bool = True
    align: bool = True
    inside_mask: bool = True
    top: float = 0.0

    def __post_init__(self) -> None:
        require(self.smoothing >= 0, f"score.smoothing is {self.smoothing}: it must not be negative")
        require(self.broad >= 0, f"score.broad is {self.broad}: it must not be negative")
        require(self.relative >= 0, f"score.relative is {self.relative}: it must not be negative")
        require(
            self.residual_weight >= 0,
            f"score.residual_weight is {self.residual_weight}: it must not be negative",
        )
        require(
            0 < self.residual_truncation <= 1,
            f"score.residual_truncation is {self.residual_truncation}: it must lie above 0 and not above 1",
        )
        require(0 <= self.top <= 1, f"score.top is {self.top}: it must lie between 0 and 1")


@dataclass(frozen=True, slots=True)
class TrainingSettings:
    """The training loop.

    Attributes:
        steps: optimiser steps.
        batch: crops a step.
        crop: side in pixels of the square training crops; smaller images are used whole.
        learning_rate: peak rate; it warms up, then falls along a cosine to zero.
        seed: of the weights, the crops and the masks.
        precision: "auto" takes bfloat16 where the processor multiplies it natively.
        cache_mb: memory for decoded training images; what does not fit is decoded again.
        checkpoint_every: steps between checkpoints.
    """

    steps: int = 1000
    batch: int = 8
    crop: int = 128
    learning_rate: float = 2e-3
    seed: int = 0
    precision: Precision = "auto"
    cache_mb: int = 512
    checkpoint_every: int = 100

    def __post_init__(self) -> None:
        for name in ("steps", "batch", "checkpoint_every"):
            require(
                getattr(self, name) >= 1, f"training.{name} is {getattr(self, name)}: it must be at least 1"
            )
        require(self.crop >= 32, f"training.crop is {self.crop}: it must be at least 32 pixels")
        require(0 <= self.seed < 2**63, f"training.seed is {self.seed}: it must not be negative")
        require(self.learning_rate > 0, "training.learning_rate must be above 0")
        require(self.cache_mb >= 0, "training.cache_mb must not be negative")


@dataclass(frozen=True, slots=True)
class CalibrationSettings:
    """The decision threshold, from normal images alone.

    Attributes:
        false_alarm_rate: promised share of good parts that are called defective.
        holdout: share of the normal training images (whole groups) kept out of training for this.
    """

    false_alarm_rate: float = 0.01
    holdout: float = 0.2

    def __post_init__(self) -> None:
        rate = self.false_alarm_rate
        require(0 < rate < 1, f"calibration.false_alarm_rate is {rate}: it must lie between 0 and 1")
        require(0 < self.holdout < 1, f"calibration.holdout is {self.holdout}: it must lie between 0 and 1")

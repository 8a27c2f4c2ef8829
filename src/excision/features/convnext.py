"""ConvNeXt-Tiny, up to its third stage, with timm's names of weights; torchvision's are understood as well.

Liu, Mao, Wu, Feichtenhofer, Darrell, Xie, "A ConvNet for the 2020s", CVPR 2022.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from excision.features.choice import FeatureChoice
from excision.features.network import Normalise
from excision.features.record import FeatureRecord
from excision.features.weights_file import Names, describe_file, load_file

_EPSILON = 1e-6
_BLOCKS = (3, 3, 9, 3)
_CHANNELS = (96, 192, 384, 768)
_STAGES_USED = 3
_COARSEST = 16

_TORCHVISION = {
    **{rf"^features\.0\.{part}\.": f"stem.{part}." for part in (0, 1)},
    **{
        rf"^features\.{2 * stage + 1}\.(\d+)\.{there}": rf"stages.{stage}.blocks.\1.{here}"
        for stage in range(4)
        for there, here in (
            (r"block\.0\.", "conv_dw."),
            (r"block\.2\.", "norm."),
            (r"block\.3\.", "mlp.fc1."),
            (r"block\.5\.", "mlp.fc2."),
            (r"layer_scale$", "gamma"),
        )
    },
    **{
        rf"^features\.{2 * stage}\.{part}\.": f"stages.{stage}.downsample.{part}."
        for stage in range(1, 4)
        for part in (0, 1)
    },
}
_NAMES = Names(_TORCHVISION, unused=r"^(stages\.3|head|classifier|norm_pre)\.")


class ConvNeXt(nn.Module):
    """The convolutional part; maps of stride 8 and 16.

    Args:
        normalise: brings images to the range of the network.
        stages: number of stages, 3 or 4; the last takes no part in the maps.

    Attributes:
        strides: of the maps.
        channels: of the maps.
    """

    def __init__(self, normalise: nn.Module, stages: int = _STAGES_USED) -> None:
        super().__init__()
        self.normalise = normalise
        self.stem = nn.Sequential(nn.Conv2d(3, _CHANNELS[0], 4, 4), _LayerNorm(_CHANNELS[0]))
        self.stages = nn.ModuleList(_Stage(number) for number in range(stages))
        self.strides, self.channels = (8, 16), _CHANNELS[1:3]
        self.requires_grad_(False)

    def forward(self, images: Tensor) -> list[Tensor]:
        """Turn images (B, C, H, W) in [0, 1] into the maps, sizes rounded up."""
        # Its patches do not overlap: the last one is filled up by repeating the border.
        beyond = (0, -images.shape[3] % _COARSEST, 0, -images.shape[2] % _COARSEST)
        features = self.stem(functional.pad(self.normalise(images), beyond, mode="replicate"))
        maps = []
        for stage in self.stages[:_STAGES_USED]:
            features = stage(features)
            maps.append(features)
        return maps[1:]


class _Stage(nn.Module):
    def __init__(self, number: int) -> None:
        super().__init__()
        channels = _CHANNELS[number]
        self.downsample: nn.Module = nn.Identity()
        if number > 0:
            before = _CHANNELS[number - 1]
            self.downsample = nn.Sequential(_LayerNorm(before), nn.Conv2d(before, channels, 2, 2))
        self.blocks = nn.Sequential(*(_Block(channels) for _ in range(_BLOCKS[number])))

    def forward(self, features: Tensor) -> Tensor:
        found: Tensor = self.blocks(self.downsample(features))
        return found


class _Block(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv_dw = nn.Conv2d(channels, channels, 7, padding=3, groups=channels)
        self.norm = nn.LayerNorm(channels, _EPSILON)
        self.mlp = _Mlp(channels)
        self.gamma = nn.Parameter(torch.ones(channels))

    def forward(self, features: Tensor) -> Tensor:
        inner: Tensor = self.mlp(self.norm(self.conv_dw(features).permute(0, 2, 3, 1))) * self.gamma
        return features + inner.permute(0, 3, 1, 2)


class _Mlp(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(channels, 4 * channels)
        self.fc2 = nn.Linear(4 * channels, channels)

    def forward(self, features: Tensor) -> Tensor:
        found: Tensor = self.fc2(functional.gelu(self.fc1(features)))
        return found


class _LayerNorm(nn.LayerNorm):
    """Normalises the channels of each position of (B, C, h, w)."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels, _EPSILON)

    def forward(self, features: Tensor) -> Tensor:
        last = features.permute(0, 2, 3, 1)
        normal = functional.layer_norm(last, self.normalized_shape, self.weight, self.bias, self.eps)
        return normal.permute(0, 3, 1, 2)


def describe(choice: FeatureChoice) -> FeatureRecord:
    """Describe the network of a file.

    Raises:
        ModelError: the file is missing or damaged.
    """
    return describe_file(choice, (8, 16), _CHANNELS[1:3])


def build(record: FeatureRecord) -> ConvNeXt:
    """Build the network of a record without its weights."""
    return ConvNeXt(Normalise(record.mean, record.std))


def load(network: ConvNeXt, choice: FeatureChoice) -> None:
    """Load the weights of a file.

    Raises:
        ModelError: the file is missing or damaged, or holds another network.
    """
    load_file(network, choice, _NAMES)

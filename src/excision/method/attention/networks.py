"""The two attention networks, both pre-trained on MNIST and on nothing else.

Each maps brightness (B, 1, H, W) to attention logits on a grid with a stride of `stride` pixels. It is
applied to the image at each of its `scales` (1 is full size, 2 is half), padded by reflection with `margin`
pixels.
The plain network learns where to look by classifying digits; the surface network is trained to locate the
pixels of the digit.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from excision.method.attention.normalise import local_normalise
from excision.settings import ATTENTION_STRIDES


class PlainAttention(nn.Module):
    """The paper's attention network: a digit classifier with spatial softmax attention.

    Park et al., "Excision and Recovery", arXiv:2310.04010, section 3: two blocks of two 3x3 convolutions
    and a max-pool, a 1x1 convolution whose softmax over all positions weights the features, then a
    convolution, global average pooling and two linear layers.
    """

    stride: ClassVar[int] = ATTENTION_STRIDES["plain"]
    scales: ClassVar[tuple[int, ...]] = (1,)
    # It saw no image border in training, and would mistake the zero padding for the edge of a digit.
    margin: ClassVar[int] = 16

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(_plain_block(1, 32), _plain_block(32, 64))
        self.attention = nn.Conv2d(64, 1, 1)
        self.head = nn.Conv2d(64, 512, 3, padding=1)
        self.hidden = nn.Linear(512, 128)
        self.digit = nn.Linear(128, 10)
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d | nn.Linear):
                # Without normalisation, torch's default initialisation lets the signal fade layer by layer.
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
                assert layer.bias is not None  # both layer types are built with a bias
                nn.init.zeros_(layer.bias)
        # Start from uniform attention, so that no position is ignored by chance.
        nn.init.zeros_(self.attention.weight)

    def attend(self, images: Tensor) -> Tensor:
        """Return attention logits (B, 1, H/4, W/4) for bright strokes in images (B, 1, H, W) of any unit."""
        logits: Tensor = self.attention(self.features(images))
        return logits

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return attention logits (B, 1, H/4, W/4) and digit logits (B, 10)."""
        features = self.features(images)
        logits = self.attention(features)
        attended = features * _spatial_softmax(logits)
        pooled = functional.relu(self.head(attended)).mean(dim=(2, 3))
        return logits, self.digit(functional.relu(self.hidden(pooled)))

    def locate(self, brightness: Tensor) -> Tensor:
        """Return attention logits for strokes of either polarity.

        Brightness (B, 1, H, W) in [0, 1] to logits (B, 1, H/4, W/4). A digit is bright on black, but a defect
        is just as often dark on bright: the network sees the locally normalised image in both polarities, and
        the larger logit counts.
        """
        relative = (local_normalise(brightness, radius=14) / 6).clamp(-1, 1)
        return torch.maximum(self.attend(relative.clamp_min(0)), self.attend((-relative).clamp_min(0)))


class SurfaceAttention(nn.Module):
    """Attention trained on MNIST digits that are drawn on procedural surfaces.

    Dilated convolutions on two grids, with strides of 8 and 16 pixels, compare each position with a wide
    neighbourhood, and instance normalisation makes every feature relative to the texture of the image. Little
    is computed on finer grids, where it would take the most time.
    """

    stride: ClassVar[int] = ATTENTION_STRIDES["surface"]
    # At half size a large stain looks like the strokes of the training; the mean over scales finds both.
    scales: ClassVar[tuple[int, ...]] = (1, 2, 3)
    margin: ClassVar[int] = 0
    # Half the sides of the windows whose mean and deviation each pixel is seen relative to, in pixels.
    radii: ClassVar[tuple[int, ...]] = (8, 32)

    def __init__(self, widths: tuple[int, int, int, int] = (16, 32, 48, 64)) -> None:
        super().__init__()
        half, quarter, fine, coarse = widths
        self.stem = nn.Sequential(
            nn.Conv2d(len(self.radii), half, 5, stride=2, padding=2),
            nn.ReLU(inplace=True),
            _shrink(half, quarter),
            _shrink(quarter, fine),
        )
        self.fine = nn.Sequential(*(_DilatedBlock(fine, dilation) for dilation in (1, 2, 4)))
        self.down = _shrink(fine, coarse)
        self.coarse = nn.Sequential(*(_DilatedBlock(coarse, dilation) for dilation in (1, 2, 4, 1)))
        self.up = nn.Conv2d(coarse, fine, 1)
        self.joined = nn.Sequential(*(_DilatedBlock(fine, dilation) for dilation in (2, 1)))
        self.attention = nn.Conv2d(fine, 1, 1)

    def locate(self, brightness: Tensor) -> Tensor:
        """Return attention logits (B, 1, H/8, W/8) for strokes of either polarity; brightness in [0, 1].

        The network was trained on both polarities, so one pass is enough.
        """
        return self.judge(self.describe(brightness))

    def judge(self, features: Tensor) -> Tensor:
        """Return the attention logits (B, 1, h, w) of features (B, C, h, w) from `describe`."""
        logits: Tensor = self.attention(features)
        return logits

    def describe(self, brightness: Tensor) -> Tensor:
        """Return the features (B, C, H/8, W/8) that the logits are a weighted sum of."""
        relative = [local_normalise(brightness, radius) for radius in self.radii]
        stacked = torch.cat(relative, dim=1).contiguous(memory_format=torch.channels_last)
        return self.compare(self.stem(stacked))

    def compare(self, features: Tensor) -> Tensor:
        """Compare each position of features (B, C, H/8, W/8) from the stem with its neighbourhood."""
        fine = self.fine(features)
        coarse = self.up(self.coarse(self.down(fine)))
        enlarged = functional.interpolate(coarse, size=fine.shape[2:], mode="bilinear", align_corners=False)
        compared: Tensor = self.joined(fine + enlarged)
        return compared


class _DilatedBlock(nn.Module):
    """x + ReLU(norm(dilated convolution of x))."""

    def __init__(self, width: int, dilation: int) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(width, width, 3, padding=dilation, dilation=dilation, bias=False)
        self.norm = InstanceNorm(width)

    def forward(self, features: Tensor) -> Tensor:
        return functional.relu_(self.norm(self.convolution(features))) + features


class InstanceNorm(nn.Module):
    """Instance normalisation with scale and shift, as `nn.InstanceNorm2d` computes it, with channels last.

    torch's implementation copies such features to another memory layout and back, which takes longer than
    the convolutions around it.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, features: Tensor) -> Tensor:
        """Normalise (B, C, H, W) over H and W."""
        # Batch normalisation with batch statistics, on a batch of one image, is instance normalisation.
        if len(features) == 1:
            return self._one(features)
        return torch.cat([self._one(single[None]) for single in features])

    def _one(self, features: Tensor) -> Tensor:
        return functional.batch_norm(features, None, None, self.weight, self.bias, training=True)


def _shrink(inputs: int, outputs: int) -> nn.Sequential:
    """Halve the grid."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, stride=2, padding=1, bias=False),
        InstanceNorm(outputs),
        nn.ReLU(inplace=True),
    )


AttentionNetwork = PlainAttention | SurfaceAttention


def _plain_block(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(outputs, outputs, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
    )


def _spatial_softmax(logits: Tensor) -> Tensor:
    """Softmax over all positions; (B, 1, h, w) to the same shape, each map summing to 1."""
    return torch.softmax(logits.flatten(2), dim=2).view_as(logits)

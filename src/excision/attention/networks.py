"""The two attention networks, both pre-trained on MNIST and on nothing else.

Each maps brightness (B, 1, H, W) to attention logits on a grid of a quarter of the size. The plain one
learns where to look by learning which digit it sees; the surface one is told the digit's own pixels.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from excision.attention.normalise import local_normalise

STRIDE = 4  # pixels of the image for one cell of the attention grid


class PlainAttention(nn.Module):
    """The paper's attention network: a digit classifier with spatial softmax attention.

    Park et al., "Excision and Recovery", arXiv:2310.04010, section 3: two blocks of two 3x3 convolutions
    and a max-pool, a 1x1 convolution whose softmax over all positions weights the features, then a
    convolution, global average pooling and two linear layers.
    """

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(_plain_block(1, 32), _plain_block(32, 64))
        self.attention = nn.Conv2d(64, 1, 1)
        self.head = nn.Conv2d(64, 512, 3, padding=1)
        self.hidden = nn.Linear(512, 128)
        self.digit = nn.Linear(128, 10)
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d | nn.Linear):
                # Without a normalisation, torch's own start lets the signal fade from layer to layer.
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
                assert layer.bias is not None  # both are built with one
                nn.init.zeros_(layer.bias)
        # Starts with even attention, so that no position is looked away from by chance.
        nn.init.zeros_(self.attention.weight)

    def attend(self, images: Tensor) -> Tensor:
        """Attention logits (B, 1, H/4, W/4) of bright strokes on dark; `images` (B, 1, H, W), any unit."""
        logits: Tensor = self.attention(self.features(images))
        return logits

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Give attention logits (B, 1, H/4, W/4) and digit logits (B, 10)."""
        features = self.features(images)
        logits = self.attention(features)
        attended = features * _spatial_softmax(logits)
        pooled = functional.relu(self.head(attended)).mean(dim=(2, 3))
        return logits, self.digit(functional.relu(self.hidden(pooled)))

    def locate(self, brightness: Tensor) -> Tensor:
        """Attention logits (B, 1, H/4, W/4) of strokes of either polarity; brightness (B, 1, H, W) in [0, 1].

        A digit is bright on black; a defect is as often dark on bright. So the locally normalised image is
        shown in both polarities, and the larger answer counts.
        """
        relative = (local_normalise(brightness, radius=14) / 6).clamp(-1, 1)
        return torch.maximum(self.attend(relative.clamp_min(0)), self.attend((-relative).clamp_min(0)))


class SurfaceAttention(nn.Module):
    """Attention trained on MNIST digits that are drawn on procedural surfaces.

    Dilated convolutions let each place be judged against a wide surrounding, and instance normalisation
    makes every feature relative to the image's own texture.
    """

    def __init__(self, width: int = 32, dilations: tuple[int, ...] = (1, 2, 4, 8, 4, 2, 1)) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(2, 16, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(16, 24, 3, stride=2, padding=1, bias=False),
            nn.InstanceNorm2d(24, affine=True),
            nn.ReLU(),
            nn.Conv2d(24, width, 3, stride=2, padding=1, bias=False),
            nn.InstanceNorm2d(width, affine=True),
            nn.ReLU(),
        )
        self.context = nn.Sequential(*(_DilatedBlock(width, dilation) for dilation in dilations))
        self.attention = nn.Conv2d(width, 1, 1)

    def locate(self, brightness: Tensor) -> Tensor:
        """Attention logits (B, 1, H/4, W/4) of strokes of either polarity; brightness in [0, 1].

        It learnt both polarities, so one pass answers for both.
        """
        fine = local_normalise(brightness, radius=8)
        coarse = local_normalise(brightness, radius=32)
        logits: Tensor = self.attention(self.context(self.stem(torch.cat((fine, coarse), dim=1))))
        return logits


class _DilatedBlock(nn.Module):
    """x + ReLU(norm(dilated convolution of x))."""

    def __init__(self, width: int, dilation: int) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(width, width, 3, padding=dilation, dilation=dilation, bias=False)
        self.norm = nn.InstanceNorm2d(width, affine=True)

    def forward(self, features: Tensor) -> Tensor:
        return features + functional.relu(self.norm(self.convolution(features)))


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

"""The U-Net that fills the hole, with a switch on every skip connection."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from excision.settings import Normalisation


class Recovery(NamedTuple):
    """The U-Net's prediction for every pixel.

    Attributes:
        mean: (B, C, H, W), the recovered brightness, about [0, 1].
        log_variance: (B, C, H, W), logarithm of the predicted variance, in squared brightness.
    """

    mean: Tensor
    log_variance: Tensor


class UNet(nn.Module):
    """Encoder, decoder, and skip connections that can be switched off individually.

    Level 1 is the shallowest; each further level halves the size and doubles the channels. Level 1 has the
    size of the image or, with a stem of 2, half of it: each square of 2x2 pixels enters and leaves as one
    position with four times the channels, which costs a quarter (Shi et al., "Real-time single image and
    video super-resolution using an efficient sub-pixel convolutional neural network", CVPR 2016).

    A skip connection that is off contributes zeros. A convolution over the concatenation of two inputs is the
    sum of a convolution over each, so the decoder keeps the two separate and never computes one that is off.

    Args:
        channels: channels of the image, 1 or 3.
        width: channels at level 1.
        depth: number of levels; `depth - 1` of them have a skip connection.
        normalisation: "batch", "instance" or "none".
        stem: side in pixels of the square that is one position of level 1.
    """

    def __init__(
        self, channels: int, width: int, depth: int, normalisation: Normalisation, stem: int = 1
    ) -> None:
        super().__init__()
        widths = [width * 2**level for level in range(depth)]
        self.encoders = nn.ModuleList(
            Block(before, after, normalisation, stem if level == 0 else 1)
            for level, (before, after) in enumerate(pairwise([channels + 1, *widths]))
        )
        self.decoders = nn.ModuleList(
            _UpBlock(below, here, normalisation) for here, below in pairwise(widths)
        )
        self.head = nn.Conv2d(width, 2 * channels * stem**2, 1)
        self.channels = channels
        self.stem = stem
        self.stride = stem * 2 ** (depth - 1)
        # Start near the mean brightness and the variance of a typical image.
        nn.init.zeros_(self.head.weight)
        start = torch.tensor([0.5, -4.0]).repeat_interleave(channels * stem**2)
        self.head.bias = nn.Parameter(start)

    def forward(self, masked_image: Tensor, mask: Tensor, skips: Sequence[bool]) -> Recovery:
        """Recover the image.

        Args:
            masked_image: (B, C, H, W) in [0, 1], the excised image; any H and W.
            mask: (B, 1, H, W), one inside the hole and zero outside, of the type of `masked_image`.
            skips: one switch for each skip connection, shallowest first.

        Raises:
            ValueError: the channels or the number of switches do not match the network.
        """
        self._check(masked_image, mask, skips)
        height, width = masked_image.shape[2:]
        features = self.enter(masked_image, mask)
        kept: list[Tensor | None] = [features if any(skips[:1]) else None]
        for level, encoder in enumerate(list(self.encoders)[1:], start=1):
            features = encoder(functional.max_pool2d(features, 2))
            kept.append(features if level < len(skips) and skips[level] else None)
        for level in reversed(range(len(self.decoders))):
            features = self.decoders[level](features, kept[level])
        # Enlarged separately, so that an exported graph can leave out the one that is not used.
        mean, log_variance = (
            functional.pixel_shuffle(half, self.stem)[:, :, :height, :width]
            for half in self.head(features).chunk(2, dim=1)
        )
        # The standard deviation stays between a tenth of a grey level and the full range: outside it the
        # likelihood degenerates.
        return Recovery(mean, log_variance.clamp(-15, 0))

    def enter(self, masked_image: Tensor, mask: Tensor) -> Tensor:
        """Return the features of level 1, of a size padded to the stride; arguments as for `forward`."""
        together = torch.cat((masked_image, mask), dim=1)
        features: Tensor = self.encoders[0](functional.pad(together, self.padding(mask), mode="replicate"))
        return features

    def padding(self, planes: Tensor) -> tuple[int, int, int, int]:
        """Return the pixels to add to (B, C, H, W) on the left, on the right, above and below."""
        height, width = planes.shape[2:]
        return 0, -width % self.stride, 0, -height % self.stride

    def _check(self, masked_image: Tensor, mask: Tensor, skips: Sequence[bool]) -> None:
        expected = (masked_image.shape[0], 1, *masked_image.shape[2:])
        if masked_image.ndim != 4 or masked_image.shape[1] != self.channels:
            raise ValueError(
                f"masked_image is {tuple(masked_image.shape)}: expected (B, {self.channels}, H, W)"
            )
        if tuple(mask.shape) != expected:
            raise ValueError(f"mask is {tuple(mask.shape)}: expected {expected}")
        if len(skips) != len(self.decoders):
            raise ValueError(f"{len(skips)} skip switches for {len(self.decoders)} skip connections")


class Block(nn.Module):
    """3x3 convolution, normalisation and ReLU, twice."""

    def __init__(self, inputs: int, outputs: int, normalisation: Normalisation, stem: int = 1) -> None:
        super().__init__()
        self.first = _convolution(inputs, outputs, normalisation, stem)
        self.first_norm = _norm(outputs, normalisation)
        self.second = _convolution(outputs, outputs, normalisation)
        self.second_norm = _norm(outputs, normalisation)

    def forward(self, features: Tensor) -> Tensor:
        return self.refine((self.first, features))

    def refine(self, *inputs: tuple[Convolution, Tensor]) -> Tensor:
        """Continue from the sum of convolutions, each with its input, in place of the first convolution."""
        features = functional.relu_(_normalised(self.first_norm, *inputs))
        return functional.relu_(_normalised(self.second_norm, (self.second, features)))


class _UpBlock(nn.Module):
    """Enlarge the features of the level below, add those of the skip connection, refine."""

    def __init__(self, below: int, here: int, normalisation: Normalisation) -> None:
        super().__init__()
        self.reduce = nn.Conv2d(below, here, 1, bias=False)
        self.from_below = _convolution(here, here, normalisation)
        self.from_skip = Convolution(here, here, stem=1, bias=False)
        self.first_norm = _norm(here, normalisation)
        self.second = _convolution(here, here, normalisation)
        self.second_norm = _norm(here, normalisation)

    def forward(self, below: Tensor, skip: Tensor | None) -> Tensor:
        # Reducing the channels before enlarging gives the same result at a quarter of the cost.
        enlarged = functional.interpolate(
            self.reduce(below), scale_factor=2, mode="bilinear", align_corners=False
        )
        inputs = [(self.from_below, enlarged)] + ([(self.from_skip, skip)] if skip is not None else [])
        features = functional.relu_(_normalised(self.first_norm, *inputs))
        return functional.relu_(_normalised(self.second_norm, (self.second, features)))


class Convolution(nn.Conv2d):
    """3x3 convolution over positions of stem x stem pixels; all channels of these pixels are its inputs.

    The weights are for the channels of `pixel_unshuffle`. Convolving the pixels directly, with the weights in
    a different order, gives the same result without rearranging pixels, which would double the time.
    """

    def __init__(self, channels: int, outputs: int, stem: int, bias: bool) -> None:
        super().__init__(channels * stem**2, outputs, 3, padding=1, bias=bias)
        self.stem = stem

    def forward(self, features: Tensor) -> Tensor:
        return self.convolve(features, self.weight, self.bias)

    def convolve(self, features: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """Convolve with other weights; (B, channels, H, W) to (B, outputs, H / stem, W / stem)."""
        stem = self.stem
        if stem > 1:
            places = weight.view(weight.shape[0], -1, stem, stem, *weight.shape[2:])
            weight = places.permute(0, 1, 4, 2, 5, 3).flatten(4, 5).flatten(2, 3)
        return functional.conv2d(features, weight, bias, stride=stem, padding=stem)


def _normalised(norm: nn.Module, *inputs: tuple[Convolution, Tensor]) -> Tensor:
    """Normalise the sum of convolutions, (B, C, H, W).

    At inference, batch normalisation is a scale and a shift of each channel. They are folded into the weights
    and bias of the convolution, which saves a pass over the features.
    """
    if not isinstance(norm, nn.BatchNorm2d) or norm.training:
        total = _sum([convolution(features) for convolution, features in inputs])
        normalised: Tensor = norm(total)
        return normalised
    assert norm.running_mean is not None and norm.running_var is not None  # they are tracked
    scale = norm.weight * torch.rsqrt(norm.running_var + norm.eps)
    bias: Tensor | None = norm.bias - norm.running_mean * scale
    parts = []
    for convolution, features in inputs:
        weight = convolution.weight * scale.view(-1, 1, 1, 1)
        parts.append(convolution.convolve(features, weight, bias))
        bias = None
    return _sum(parts)


def _sum(parts: Sequence[Tensor]) -> Tensor:
    return parts[0] if len(parts) == 1 else parts[0] + parts[1]


def _convolution(inputs: int, outputs: int, normalisation: Normalisation, stem: int = 1) -> Convolution:
    # A normalisation layer has a bias already.
    return Convolution(inputs, outputs, stem, bias=normalisation == "none")


def _norm(channels: int, normalisation: Normalisation) -> nn.Module:
    if normalisation == "batch":
        return nn.BatchNorm2d(channels)
    if normalisation == "instance":
        return nn.InstanceNorm2d(channels, affine=True)
    return nn.Identity()

"""Baselines that reconstruct the whole image and score the reconstruction error.

A convolutional autoencoder after Bergmann, Löwe, Fauser, Sattlegger, Steger, "Improving unsupervised defect
segmentation by applying structural similarity to autoencoders", VISAPP 2019, and EAR's U-Net without
excision, with all of its skip connections or none.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from excision.baselines.base import Baseline, BaselineNetwork, Found, TrainingJob
from excision.baselines.training_loop import train_network
from excision.errors import SettingsError
from excision.method.recovery.unet import UNet
from excision.ops.filters import gaussian_blur
from excision.ops.similarity import ssim_map
from excision.settings import RecoverySettings, Settings
from excision.tiling.image_format import ImageFormat

_STRIDE = 16  # of the autoencoder's bottleneck
_SLOPE = 0.2  # of the leaky ReLU; the paper's


@dataclass(frozen=True, slots=True)
class UNetHyperparameters:
    """Hyperparameters of the plain U-Nets.

    Attributes:
        smoothing: standard deviation in pixels of the Gaussian that smooths the map; 0 for none.
    """

    smoothing: float = 2.0

    def __post_init__(self) -> None:
        if not self.smoothing >= 0:
            raise SettingsError(f"smoothing is {self.smoothing}: it must not be negative")


@dataclass(frozen=True, slots=True)
class AutoencoderHyperparameters:
    """Hyperparameters of the autoencoder.

    Attributes:
        latent: channels of the bottleneck, at 1/16 of the image size.
        smoothing: standard deviation in pixels of the Gaussian that smooths the map; 0 for none.
    """

    latent: int = 100
    smoothing: float = 2.0

    def __post_init__(self) -> None:
        if self.latent < 1:
            raise SettingsError(f"latent is {self.latent}: it must be at least 1 channel")
        if not self.smoothing >= 0:
            raise SettingsError(f"smoothing is {self.smoothing}: it must not be negative")


class ReconstructionNetwork(BaselineNetwork):
    """A network that reconstructs images; the map compares reconstruction and input.

    Args:
        smoothing: standard deviation in pixels of the Gaussian that smooths the map.
    """

    def __init__(self, smoothing: float) -> None:
        super().__init__()
        self.smoothing = smoothing

    @abstractmethod
    def reconstruct(self, images: Tensor) -> Tensor:
        """Rebuild images (B, C, H, W) in [0, 1] of any size; the same shape, about [0, 1]."""

    @abstractmethod
    def differ(self, images: Tensor, rebuilt: Tensor) -> Tensor:
        """Compare two (B, C, H, W) pixel by pixel; (B, C, H, W), 0 where they agree."""

    def loss(self, images: Tensor, _: np.random.Generator) -> Tensor:
        """Return the mean difference of images (B, C, H, W) in [0, 1] and reconstructions; a scalar."""
        rebuilt = self.reconstruct(images).float()
        # bfloat16 only inside the network: the comparison subtracts nearly equal values.
        with torch.autocast(images.device.type, enabled=False):
            return self.differ(images, rebuilt).mean()

    def forward(self, images: Tensor) -> Found:
        """Inspect images (B, C, H, W) in [0, 1]; the score is the largest value of the map."""
        # One image at a time: in a batch, sums are rounded in a different order.
        maps = torch.cat([self._inspect(image[None]) for image in images])
        return Found(maps, maps.amax(dim=(1, 2, 3)))

    def _inspect(self, image: Tensor) -> Tensor:
        rebuilt = self.reconstruct(image).float()
        with torch.autocast(image.device.type, enabled=False):
            difference = self.differ(image, rebuilt).mean(dim=1, keepdim=True)
            # Rounding may put a similarity above 1.
            return gaussian_blur(difference, self.smoothing).clamp_min(0)


class UNetNetwork(ReconstructionNetwork):
    """EAR's U-Net, applied to the whole image without excision.

    Args:
        settings: settings of the U-Net.
        channels: channels of the images.
        skips: whether the skip connections are on.
        smoothing: standard deviation in pixels of the Gaussian that smooths the map.
    """

    def __init__(self, settings: RecoverySettings, channels: int, skips: bool, smoothing: float) -> None:
        super().__init__(smoothing)
        self.unet = plain_unet(settings, channels)
        self.skips = (skips,) * len(self.unet.decoders)

    def reconstruct(self, images: Tensor) -> Tensor:
        """Rebuild images (B, C, H, W) in [0, 1] of any size; the same shape, about [0, 1]."""
        rebuilt: Tensor = self.unet(images, torch.zeros_like(images[:, :1]), self.skips).mean
        return rebuilt

    def differ(self, images: Tensor, rebuilt: Tensor) -> Tensor:
        """Return the squared residual (B, C, H, W)."""
        return (images - rebuilt).square()


class AutoencoderNetwork(ReconstructionNetwork):
    """An autoencoder with a bottleneck and no skip connections.

    The layers are those of table 1 of the paper except the last two, where an 8x8 convolution reduces a patch
    of 128 pixels to one position with d channels. Here a 1x1 convolution replaces it, so that images of any
    size can be reconstructed, with d channels at 1/16 of the size. The decoder mirrors the encoder.

    Args:
        channels: channels of the image.
        latent: d, the channels of the bottleneck.
        smoothing: standard deviation in pixels of the Gaussian that smooths the map.
    """

    def __init__(self, channels: int, latent: int, smoothing: float) -> None:
        super().__init__(smoothing)
        # (channels, stride) of the layers before the bottleneck.
        layers = [(32, 2), (32, 2), (32, 1), (64, 2), (64, 1), (128, 2), (64, 1), (32, 1)]
        widths = [channels, *(width for width, _ in layers)]
        strides = [stride for _, stride in layers]
        encoder: list[nn.Module] = []
        for (before, after), stride in zip(pairwise(widths), strides, strict=True):
            encoder += [_down(before, after, stride), nn.LeakyReLU(_SLOPE)]
        decoder: list[nn.Module] = [nn.Conv2d(latent, widths[-1], 1)]
        for (before, after), stride in zip(pairwise(widths[::-1]), strides[::-1], strict=True):
            decoder += [nn.LeakyReLU(_SLOPE), _up(before, after, stride)]
        self.encoder = nn.Sequential(*encoder, nn.Conv2d(widths[-1], latent, 1))
        self.decoder = nn.Sequential(*decoder)
        self._start(decoder[-1])

    def reconstruct(self, images: Tensor) -> Tensor:
        """Rebuild images (B, C, H, W) in [0, 1] of any size; the same shape, about [0, 1]."""
        height, width = images.shape[2:]
        padding = (0, -width % _STRIDE, 0, -height % _STRIDE)
        padded = functional.pad(images, padding, mode="replicate")
        rebuilt: Tensor = self.decoder(self.encoder(padded))
        return rebuilt[:, :, :height, :width]

    def differ(self, images: Tensor, rebuilt: Tensor) -> Tensor:
        """Return one minus the structural similarity (B, C, H, W), which is the paper's loss and map."""
        return 1 - ssim_map(images, rebuilt)

    def _start(self, last: nn.Module) -> None:
        """Initialise so that the signal keeps its variance through 18 layers, and the output is mid-grey."""
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
                nn.init.kaiming_normal_(layer.weight, _SLOPE)
                assert layer.bias is not None  # every layer has one
                nn.init.zeros_(layer.bias)
        assert isinstance(last, nn.ConvTranspose2d)
        nn.init.normal_(last.weight, std=0.01)
        assert last.bias is not None  # as above
        nn.init.constant_(last.bias, 0.5)


class _Reconstruction(Baseline):
    """Base class of the baselines of this module, whose loss is the mean of the map."""

    def learn(self, network: BaselineNetwork, job: TrainingJob) -> None:
        """Train the network to reconstruct normal images."""
        assert isinstance(network, ReconstructionNetwork)
        train_network(network, job, network.loss)


class Autoencoder(_Reconstruction):
    """SSIM autoencoder with the interface of `Detector`; see `AutoencoderHyperparameters`."""

    name: ClassVar[str] = "ae"

    def __init__(
        self, settings: Settings | None = None, device: str = "auto", **hyperparameters: Any
    ) -> None:
        super().__init__(settings, device, **hyperparameters)
        self._own = AutoencoderHyperparameters(**hyperparameters)

    def build(self, image_format: ImageFormat) -> AutoencoderNetwork:
        """Build the untrained network."""
        return AutoencoderNetwork(image_format.channels, self._own.latent, self._own.smoothing)


class PlainUNet(_Reconstruction):
    """U-Net with all skip connections and the interface of `Detector`; see `UNetHyperparameters`."""

    name: ClassVar[str] = "unet"
    skips: ClassVar[bool] = True

    def __init__(
        self, settings: Settings | None = None, device: str = "auto", **hyperparameters: Any
    ) -> None:
        super().__init__(settings, device, **hyperparameters)
        self._own = UNetHyperparameters(**hyperparameters)

    def build(self, image_format: ImageFormat) -> UNetNetwork:
        """Build the untrained network."""
        return UNetNetwork(self.settings.recovery, image_format.channels, self.skips, self._own.smoothing)


class SkiplessUNet(PlainUNet):
    """U-Net whose skip connections are off in training and at inference; see `UNetHyperparameters`."""

    name: ClassVar[str] = "unet-no-skips"
    skips: ClassVar[bool] = False


def plain_unet(settings: RecoverySettings, channels: int) -> UNet:
    """Build EAR's U-Net with the given width, depth and normalisation."""
    return UNet(channels, settings.width, settings.depth, settings.normalisation)


def _down(before: int, after: int, stride: int) -> nn.Conv2d:
    return nn.Conv2d(before, after, 4 if stride == 2 else 3, stride, padding=1)


def _up(before: int, after: int, stride: int) -> nn.ConvTranspose2d:
    return nn.ConvTranspose2d(before, after, 4 if stride == 2 else 3, stride, padding=1)

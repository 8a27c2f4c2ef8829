"""Rivals that look at the whole image and reconstruct it: autoencoder, U-Net, U-Net without skips."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from excision.baselines.base import Found, Lesson, Rival, RivalNetwork
from excision.baselines.training_loop import train_network
from excision.errors import SettingsError
from excision.recovery.unet import UNet
from excision.settings import RecoverySettings, Settings
from excision.similarity import gaussian_blur, ssim_map

_AE_WIDTHS = (32, 64, 128, 128)
_AE_STRIDE = 2 ** len(_AE_WIDTHS)


class Reconstruction(RivalNetwork):
    """A network that reconstructs its input; what it cannot reconstruct is anomalous."""

    def __init__(self, smoothing: float) -> None:
        super().__init__()
        self.smoothing = smoothing

    @abstractmethod
    def reconstruct(self, images: Tensor) -> Tensor:
        """Give back images (B, C, H, W) in [0, 1], about."""

    @abstractmethod
    def differ(self, images: Tensor, reconstructed: Tensor) -> Tensor:
        """Compare pixel by pixel: (B, C, H, W) >= 0; its mean is also the training loss."""

    def forward(self, images: Tensor) -> Found:
        """Inspect images (B, C, H, W) in [0, 1].

        The map is the difference, channels averaged, smoothed by a Gaussian; the score is its maximum.
        """
        difference = self.differ(images, self.reconstruct(images)).mean(dim=1, keepdim=True)
        maps = gaussian_blur(difference, self.smoothing).clamp_min(0)
        return Found(maps, maps.flatten(1).amax(dim=1))


class AutoencoderNetwork(Reconstruction):
    """Strided convolutions down to a bottleneck of few channels, and back up."""

    def __init__(self, channels: int, latent: int, smoothing: float) -> None:
        super().__init__(smoothing)
        down = [channels, *_AE_WIDTHS]
        encoder: list[nn.Module] = []
        decoder: list[nn.Module] = []
        for before, after in pairwise(down):
            encoder += [nn.Conv2d(before, after, 4, stride=2, padding=1), nn.LeakyReLU(0.2)]
        for before, after in zip(down[:0:-1], down[-2::-1], strict=True):
            decoder += [nn.ConvTranspose2d(before, after, 4, stride=2, padding=1), nn.LeakyReLU(0.2)]
        decoder.pop()  # the image itself is not rectified
        self.encoder = nn.Sequential(*encoder, nn.Conv2d(_AE_WIDTHS[-1], latent, 1))
        self.decoder = nn.Sequential(nn.Conv2d(latent, _AE_WIDTHS[-1], 1), nn.LeakyReLU(0.2), *decoder)

    def reconstruct(self, images: Tensor) -> Tensor:
        """Give back images of any size; sizes that 16 does not divide are padded and cropped."""
        height, width = images.shape[2:]
        padding = (0, -width % _AE_STRIDE, 0, -height % _AE_STRIDE)
        padded = functional.pad(images, padding, mode="replicate")
        back: Tensor = self.decoder(self.encoder(padded))
        return back[:, :, :height, :width]

    def differ(self, images: Tensor, reconstructed: Tensor) -> Tensor:
        """One minus SSIM."""
        return 1 - ssim_map(images, reconstructed)


class UNetNetwork(Reconstruction):
    """EAR's U-Net without attention and without a hole."""

    def __init__(self, channels: int, unet: RecoverySettings, skips: bool, smoothing: float) -> None:
        super().__init__(smoothing)
        self.unet = UNet(channels, unet.width, unet.depth, unet.normalisation)
        self._skips = [skips] * len(self.unet.decoders)

    def reconstruct(self, images: Tensor) -> Tensor:
        """Give back images of any size."""
        mean: Tensor = self.unet(images, torch.zeros_like(images[:, :1]), self._skips).mean
        return mean

    def differ(self, images: Tensor, reconstructed: Tensor) -> Tensor:
        """Squared residual."""
        return (images - reconstructed).square()


@dataclass(frozen=True, slots=True)
class ReconstructionKnobs:
    """What these rivals alone know.

    Attributes:
        smoothing: standard deviation in pixels of the Gaussian over the map; 0 for none.
        latent: channels of the autoencoder's bottleneck, at a sixteenth of the image's size.
    """

    smoothing: float = 2.0
    latent: int = 100

    def __post_init__(self) -> None:
        if self.smoothing < 0:
            raise SettingsError(f"smoothing is {self.smoothing}: it must not be negative")
        if self.latent < 1:
            raise SettingsError(f"latent is {self.latent}: it must be at least 1 channel")


class _Reconstructing(Rival):
    def __init__(self, settings: Settings | None = None, device: str = "auto", **knobs: Any) -> None:
        super().__init__(settings, device, **knobs)
        self._own = ReconstructionKnobs(**knobs)

    def learn(self, network: RivalNetwork, lesson: Lesson) -> None:
        """Train to reconstruct good images."""
        assert isinstance(network, Reconstruction)

        def loss(images: Tensor, _: np.random.Generator) -> Tensor:
            return network.differ(images, network.reconstruct(images)).mean()

        self.steps_taken = train_network(network, lesson, loss)

    @property
    def _channels(self) -> int:
        channels = self.settings.image.channels
        assert channels is not None  # fitting and loading settle it
        return channels


class Autoencoder(_Reconstructing):
    """Convolutional autoencoder with an SSIM loss and map.

    Bergmann, Loewe, Fauser, Sattlegger, Steger, "Improving unsupervised defect segmentation by applying
    structural similarity to autoencoders", VISAPP 2019, sections 3.1 and 3.2; the bottleneck here keeps its
    places, so that images of any size fit.
    """

    name: ClassVar[str] = "autoencoder"

    def build(self) -> AutoencoderNetwork:
        """Build the network, untrained."""
        return AutoencoderNetwork(self._channels, self._own.latent, self._own.smoothing)


class PlainUNet(_Reconstructing):
    """EAR's U-Net with all skip connections on and nothing cut out, trained with the squared error."""

    name: ClassVar[str] = "U-Net"
    skips: ClassVar[bool] = True

    def build(self) -> UNetNetwork:
        """Build the network, untrained."""
        return UNetNetwork(self._channels, self.settings.recovery, self.skips, self._own.smoothing)


class SkiplessUNet(PlainUNet):
    """The same with every skip connection off, in training and at inference."""

    name: ClassVar[str] = "U-Net without skips"
    skips: ClassVar[bool] = False

"""RIAD: hide the image in parts, inpaint each, and compare what was put together with what was there.

Zavrtanik, Kristan, Skocaj, "Reconstruction by inpainting for visual anomaly detection", Pattern Recognition
112, 2021. It does not know where to look, so it covers everything: three passes for each size of region.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from excision.baselines.base import Found, Lesson, Rival, RivalNetwork
from excision.baselines.training_loop import train_network
from excision.errors import SettingsError
from excision.recovery.unet import UNet
from excision.settings import RecoverySettings, Settings
from excision.similarity import msgms_map, ssim_map

_SETS = 3  # n of section 3.1
_MEAN_FILTER = 21  # pixels; section 3.3
_MASK_SEED = 2021  # of the masks at inference: the same image then gets the same score


@dataclass(frozen=True, slots=True)
class RiadKnobs:
    """What RIAD alone knows.

    Attributes:
        regions: sides k in pixels of the square regions that are hidden.
    """

    regions: tuple[int, ...] = (2, 4, 8, 16)

    def __post_init__(self) -> None:
        if not self.regions or min(self.regions) < 1:
            raise SettingsError(f"regions is {self.regions}: name at least one side of at least 1 pixel")


def disjoint_masks(
    rng: np.random.Generator, size: tuple[int, int], region: int, sets: int = _SETS
) -> NDArray[np.bool_]:
    """Deal the cells of a grid out to disjoint sets of equal size, at random; section 3.1.

    Args:
        rng: source of the permutation.
        size: (H, W) in pixels; cells at the right and lower border may be cut short.
        region: side of a cell in pixels.
        sets: number of sets.

    Returns:
        (sets, H, W) bool, True where a set hides the image; each pixel is hidden by exactly one.
    """
    height, width = (-(-side // region) for side in size)
    owner = rng.permutation(height * width).reshape(height, width) % sets
    full = owner.repeat(region, axis=0).repeat(region, axis=1)[: size[0], : size[1]]
    return np.asarray(full == np.arange(sets)[:, None, None], dtype=np.bool_)


def assemble(images: Tensor, masks: Tensor, inpaint: Callable[[Tensor], Tensor]) -> Tensor:
    """Inpaint an image once for each mask and keep of each pass only what was hidden in it.

    Args:
        images: (B, C, H, W) in [0, 1].
        masks: (sets, H, W) bool, disjoint, and covering everything.
        inpaint: from holed images to recovered ones, both (B, C, H, W); one call a mask.

    Returns:
        (B, C, H, W).
    """
    recovered = torch.zeros_like(images)
    for mask in masks:
        recovered = torch.where(mask, inpaint(images.masked_fill(mask, 0)).to(images.dtype), recovered)
    return recovered


class Riad(Rival):
    """RIAD behind the interface of the detector; `RiadKnobs` lists its knobs."""

    name: ClassVar[str] = "RIAD"

    def __init__(self, settings: Settings | None = None, device: str = "auto", **knobs: Any) -> None:
        super().__init__(settings, device, **knobs)
        self._own = RiadKnobs(**knobs)

    def build(self) -> RiadNetwork:
        """Build the network, untrained."""
        channels = self.settings.image.channels
        assert channels is not None  # fitting and loading settle it
        return RiadNetwork(channels, self.settings.recovery, self._own.regions)

    def learn(self, network: RivalNetwork, lesson: Lesson) -> None:
        """Train with L2 + SSIM + MSGMS (equation 4), one size of region a batch."""
        assert isinstance(network, RiadNetwork)

        def loss(images: Tensor, rng: np.random.Generator) -> Tensor:
            region = int(rng.choice(self._own.regions))
            size = (images.shape[2], images.shape[3])
            masks = torch.from_numpy(disjoint_masks(rng, size, region)).to(images.device)
            recovered = assemble(images, masks, network.inpaint)
            l2 = (images - recovered).square().mean()
            return l2 + (1 - ssim_map(images, recovered)).mean() + (1 - msgms_map(images, recovered)).mean()

        self.steps_taken = train_network(network, lesson, loss)


class RiadNetwork(RivalNetwork):
    """The U-Net of RIAD and what it is asked at inference."""

    def __init__(self, channels: int, unet: RecoverySettings, regions: tuple[int, ...]) -> None:
        super().__init__()
        self.unet = UNet(channels, unet.width, unet.depth, unet.normalisation)
        self.regions = regions
        self.passes = _SETS * len(regions)

    def inpaint(self, holed: Tensor) -> Tensor:
        """Recover (B, C, H, W); RIAD does not tell the network where the hole is."""
        nowhere = torch.zeros_like(holed[:, :1])
        mean: Tensor = self.unet(holed, nowhere, [True] * len(self.unet.decoders)).mean
        return mean

    def forward(self, images: Tensor) -> Found:
        """Inspect images (B, C, H, W) in [0, 1]; every pass is paid.

        The map is one minus MSGMS, averaged over the sizes of region and smoothed; the score is its maximum
        (section 3.3).
        """
        size = (images.shape[2], images.shape[3])
        total = torch.zeros_like(images[:, :1])
        for region in self.regions:
            drawn = disjoint_masks(np.random.default_rng((_MASK_SEED, region)), size, region)
            recovered = assemble(images, torch.from_numpy(drawn).to(images.device), self.inpaint)
            total = total + (1 - msgms_map(images, recovered)).mean(dim=1, keepdim=True)
        maps = mean_filter((total / len(self.regions)).clamp_min(0), _MEAN_FILTER)
        return Found(maps, maps.flatten(1).amax(dim=1))


def mean_filter(maps: Tensor, side: int) -> Tensor:
    """Average over a square of odd side around each pixel, what lies outside left out; (B, 1, H, W)."""
    return functional.avg_pool2d(maps, side, stride=1, padding=side // 2, count_include_pad=False)

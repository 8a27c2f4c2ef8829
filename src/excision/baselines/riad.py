"""RIAD: hides each part of the image in turn, inpaints it, and compares the result with the original.

Zavrtanik, Kristan, Skočaj, "Reconstruction by inpainting for visual anomaly detection", Pattern Recognition
112, 2021. The network is EAR's U-Net, with the same width and depth, instead of the paper's larger one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from excision.baselines.base import Baseline, BaselineNetwork, Found, TrainingJob
from excision.baselines.reconstruction import plain_unet
from excision.baselines.training_loop import train_network
from excision.errors import SettingsError
from excision.ops.similarity import msgms_map, ssim_map
from excision.settings import RecoverySettings, Settings
from excision.tiling.image_format import ImageFormat

_SETS = 3  # n of the paper
_WINDOW = 21  # side of the mean filter, the paper's
_MASK_SEED = 2021  # seed of the masks at inference, the same for every image and model


@dataclass(frozen=True, slots=True)
class RiadHyperparameters:
    """Hyperparameters of RIAD.

    Attributes:
        regions: sides in pixels of the hidden cells; each size costs three passes.
    """

    regions: Sequence[int] = (2, 4, 8, 16)

    def __post_init__(self) -> None:
        if not self.regions or min(self.regions) < 1:
            raise SettingsError(f"regions is {self.regions}: name one or more sides of at least 1 pixel")


class Riad(Baseline):
    """RIAD with the interface of `Detector`; `RiadHyperparameters` lists its hyperparameters."""

    name: ClassVar[str] = "riad"

    def __init__(
        self, settings: Settings | None = None, device: str = "auto", **hyperparameters: Any
    ) -> None:
        super().__init__(settings, device, **hyperparameters)
        self._own = RiadHyperparameters(**hyperparameters)

    def build(self, image_format: ImageFormat) -> RiadNetwork:
        """Build the untrained network."""
        return RiadNetwork(self.settings.recovery, image_format.channels, tuple(self._own.regions))

    def learn(self, network: BaselineNetwork, job: TrainingJob) -> None:
        """Train the network to inpaint the hidden cells."""
        assert isinstance(network, RiadNetwork)
        train_network(network, job, network.loss)


class RiadNetwork(BaselineNetwork):
    """The U-Net and the masks.

    Args:
        settings: settings of the U-Net.
        channels: channels of the images.
        regions: sides in pixels of the hidden cells.

    Attributes:
        passes: three per region size.
    """

    def __init__(self, settings: RecoverySettings, channels: int, regions: Sequence[int]) -> None:
        super().__init__()
        self.unet = plain_unet(settings, channels)
        self.regions = regions
        self.passes = _SETS * len(regions)

    def loss(self, images: Tensor, rng: np.random.Generator) -> Tensor:
        """Return the loss of a batch: the unweighted sum of L2, SSIM and MSGMS of the assembled recovery.

        One region size and its masks are drawn for the whole batch.

        Args:
            images: (B, C, H, W) in [0, 1].
            rng: draws the masks.

        Returns:
            A scalar.
        """
        region = self.regions[int(rng.integers(len(self.regions)))]
        masks = disjoint_masks(rng, (images.shape[2], images.shape[3]), region, _SETS)
        recovery = assemble(self._paint, images, torch.from_numpy(masks).to(images.device))
        # bfloat16 only inside the network: the comparisons subtract nearly equal values.
        with torch.autocast(images.device.type, enabled=False):
            squared = (images - recovery).square().mean()
            ssim = (1 - ssim_map(images, recovery)).mean()
            msgms = (1 - msgms_map(images, recovery)).mean()
            return squared + ssim + msgms

    def forward(self, images: Tensor) -> Found:
        """Inspect images (B, C, H, W) in [0, 1].

        The map is one minus the MSGMS, averaged over region sizes and channels and then smoothed by a mean
        filter; the score is its maximum.
        """
        # One image at a time: in a batch, sums are rounded in a different order.
        maps = torch.cat([self._inspect(image[None]) for image in images])
        return Found(maps, maps.amax(dim=(1, 2, 3)))

    def _inspect(self, image: Tensor) -> Tensor:
        similarities = []
        for region in self.regions:
            masks = inference_masks((image.shape[2], image.shape[3]), region).to(image.device)
            recovery = assemble(self._paint, image, masks)
            with torch.autocast(image.device.type, enabled=False):
                similarities.append(msgms_map(image, recovery).mean(dim=1, keepdim=True))
        # Rounding may put a similarity above 1.
        return mean_filter(1 - torch.stack(similarities).mean(dim=0), _WINDOW).clamp_min(0)

    def _paint(self, hidden: Tensor) -> Tensor:
        """Inpaint images (B, C, H, W) in which parts are set to zero; the network does not get the mask."""
        skips = (True,) * len(self.unet.decoders)
        painted: Tensor = self.unet(hidden, torch.zeros_like(hidden[:, :1]), skips).mean
        return painted.float()


def disjoint_masks(rng: np.random.Generator, size: tuple[int, int], k: int, n: int) -> NDArray[np.bool_]:
    """Split the cells of a grid at random into sets of nearly equal size.

    Args:
        rng: permutes the cells.
        size: (H, W) in pixels; cells at the right and lower border may be smaller.
        k: side of a cell in pixels.
        n: number of sets; if there are fewer cells, some sets are empty.

    Returns:
        (n, H, W), True where a set hides the image; every pixel is hidden by exactly one.
    """
    height, width = (-(-side // k) for side in size)
    cells = np.zeros((n, height * width), dtype=np.bool_)
    for number, places in enumerate(np.array_split(rng.permutation(height * width), n)):
        cells[number, places] = True
    grid = cells.reshape(n, height, width)
    return np.ascontiguousarray(grid.repeat(k, axis=1).repeat(k, axis=2)[:, : size[0], : size[1]])


def inference_masks(size: tuple[int, int], k: int) -> Tensor:
    """Return the masks (3, H, W) bool of a region size, used at inference for all images of this size."""
    return torch.from_numpy(disjoint_masks(np.random.default_rng((_MASK_SEED, k, *size)), size, k, _SETS))


def assemble(paint: Callable[[Tensor], Tensor], images: Tensor, masks: Tensor) -> Tensor:
    """Take every pixel from the pass in which it was hidden.

    Args:
        paint: inpaints images (n * B, C, H, W); the first B are hidden by the first mask, and so on.
        images: (B, C, H, W) in [0, 1].
        masks: (n, H, W) bool, disjoint and covering every pixel.

    Returns:
        (B, C, H, W), about [0, 1].
    """
    hidden = torch.where(masks[:, None, None], 0, images)
    # All in one batch, which is faster on a GPU.
    painted = paint(hidden.flatten(0, 1)).reshape(hidden.shape)
    return torch.where(masks[:, None, None], painted, 0).sum(dim=0)


def mean_filter(images: Tensor, side: int) -> Tensor:
    """Average over an odd square window of `side` pixels, reflected at the border; the same shape.

    Args:
        images: (B, C, H, W), any unit.
        side: side of the window, odd; the border of an image too small for reflection is replicated.
    """
    reach = side // 2
    mode = "reflect" if reach < min(images.shape[2:]) else "replicate"
    padded = functional.pad(images, (reach,) * 4, mode=mode)
    # Separable: first along columns, then along rows, with a tenth of the additions.
    return functional.avg_pool2d(functional.avg_pool2d(padded, (side, 1), stride=1), (1, side), stride=1)

"""RIAD: hides every part of the image in turn, and compares what is painted in with what was there.

Zavrtanik, Kristan, Skočaj, "Reconstruction by inpainting for visual anomaly detection", Pattern Recognition
112, 2021. The network is EAR's U-Net, of the same width and depth, instead of the paper's larger one.
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
_MASK_SEED = 2021  # of the masks at inference: the same for every image and every model


@dataclass(frozen=True, slots=True)
class RiadHyperparameters:
    """What RIAD alone knows.

    Attributes:
        regions: sides in pixels of the cells that are hidden; each costs three passes.
    """

    regions: Sequence[int] = (2, 4, 8, 16)

    def __post_init__(self) -> None:
        if not self.regions or min(self.regions) < 1:
            raise SettingsError(f"regions is {self.regions}: name one or more sides of at least 1 pixel")


class Riad(Baseline):
    """RIAD behind the interface of the detector; `RiadHyperparameters` lists its hyperparameters."""

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
        """Train the network to paint in what is hidden."""
        assert isinstance(network, RiadNetwork)
        train_network(network, job, network.loss)


class RiadNetwork(BaselineNetwork):
    """The U-Net and the masks.

    Args:
        settings: of the U-Net.
        channels: of the images.
        regions: sides in pixels of the hidden cells.

    Attributes:
        passes: three a region size.
    """

    def __init__(self, settings: RecoverySettings, channels: int, regions: Sequence[int]) -> None:
        super().__init__()
        self.unet = plain_unet(settings, channels)
        self.regions = regions
        self.passes = _SETS * len(regions)

    def loss(self, images: Tensor, rng: np.random.Generator) -> Tensor:
        """Return the loss of a batch: L2, SSIM and MSGMS of the assembled recovery, equally.

        One region size is drawn for the batch, and so are the masks.

        Args:
            images: (B, C, H, W) in [0, 1].
            rng: draws the masks.

        Returns:
            A scalar.
        """
        region = self.regions[int(rng.integers(len(self.regions)))]
        masks = disjoint_masks(rng, (images.shape[2], images.shape[3]), region, _SETS)
        recovery = assemble(self._paint, images, torch.from_numpy(masks).to(images.device))
        # bfloat16 only inside the network: the comparisons take differences of near equals.
        with torch.autocast(images.device.type, enabled=False):
            squared = (images - recovery).square().mean()
            ssim = (1 - ssim_map(images, recovery)).mean()
            msgms = (1 - msgms_map(images, recovery)).mean()
            return squared + ssim + msgms

    def forward(self, images: Tensor) -> Found:
        """Inspect images (B, C, H, W) in [0, 1].

        The map is one minus the MSGMS averaged over region sizes and channels, then over its neighbourhood;
        the score is its maximum.
        """
        # One by one: in a batch the sums would be rounded in another order.
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
        """Paint in images (B, C, H, W) with parts set to zero, without telling the network which."""
        skips = (True,) * len(self.unet.decoders)
        painted: Tensor = self.unet(hidden, torch.zeros_like(hidden[:, :1]), skips).mean
        return painted.float()


def disjoint_masks(rng: np.random.Generator, size: tuple[int, int], k: int, n: int) -> NDArray[np.bool_]:
    """Split the cells of a grid at random into sets of about equal size.

    Args:
        rng: permutes the cells.
        size: (H, W) in pixels; cells at the right and lower border may be cut short.
        k: side of a cell in pixels.
        n: number of sets; where there are fewer cells, some sets are empty.

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
    """Return the masks (3, H, W) bool of a region size that every image of this size meets at inference."""
    return torch.from_numpy(disjoint_masks(np.random.default_rng((_MASK_SEED, k, *size)), size, k, _SETS))


def assemble(paint: Callable[[Tensor], Tensor], images: Tensor, masks: Tensor) -> Tensor:
    """Recover every pixel from the pass in which it was hidden.

    Args:
        paint: paints in images (n * B, C, H, W), of which first all lack what the first mask hides.
        images: (B, C, H, W) in [0, 1].
        masks: (n, H, W) bool, disjoint and together everywhere.

    Returns:
        (B, C, H, W), about [0, 1].
    """
    hidden = torch.where(masks[:, None, None], 0, images)
    # All in one batch, so that a device that is fast with large batches is not left waiting.
    painted = paint(hidden.flatten(0, 1)).reshape(hidden.shape)
    return torch.where(masks[:, None, None], painted, 0).sum(dim=0)


def mean_filter(images: Tensor, side: int) -> Tensor:
    """Average over an odd square window of `side` pixels, reflected at the border; the same shape.

    Args:
        images: (B, C, H, W), any unit.
        side: odd; where the image is too small to be reflected, its border is repeated.
    """
    reach = side // 2
    mode = "reflect" if reach < min(images.shape[2:]) else "replicate"
    padded = functional.pad(images, (reach,) * 4, mode=mode)
    # First along columns, then along rows: the same mean in a tenth of the sums.
    return functional.avg_pool2d(functional.avg_pool2d(padded, (side, 1), stride=1), (1, side), stride=1)

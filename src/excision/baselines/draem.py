"""DRAEM: learns to find drawn anomalies by comparing the image with a reconstruction that looks normal.

After Zavrtanik, Kristan, Skocaj, "DRAEM: a discriminatively trained reconstruction embedding for surface
anomaly detection", ICCV 2021. The paper fills its anomalies with textures of the DTD data set; here they are
Excision's procedural textures, so that nothing has to be downloaded.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from excision.baselines.base import Baseline, BaselineNetwork, Found, TrainingJob
from excision.baselines.riad import mean_filter
from excision.baselines.training_loop import train_network
from excision.errors import SettingsError
from excision.method.recovery.unet import UNet
from excision.ops.similarity import ssim_map
from excision.settings import RecoverySettings, Settings
from excision.synthetic.textures import random_texture
from excision.tiling.image_format import ImageFormat

_MEAN_FILTER = 21  # pixels; section 3.5
_GAMMA = 2.0  # of the focal loss
_OPACITY = (0.1, 1.0)  # beta of section 3.3
_GOOD_SHARE = 0.5  # share of a batch that stays without an anomaly
_NOISE_THRESHOLD = 0.5


@dataclass(frozen=True, slots=True)
class DraemHyperparameters:
    """Hyperparameters of DRAEM.

    Attributes:
        coarsest: largest number of cells per side of the noise that shapes an anomaly; the smallest is 2.
    """

    coarsest: int = 32

    def __post_init__(self) -> None:
        if self.coarsest < 2:
            raise SettingsError(f"coarsest is {self.coarsest}: it must be at least 2 cells")


def anomaly_shape(rng: np.random.Generator, size: tuple[int, int], coarsest: int = 32) -> NDArray[np.bool_]:
    """Draw the shape of an anomaly: smooth noise, stretched at random and thresholded at half its range.

    Section 3.3, with bicubic noise instead of Perlin noise.

    Returns:
        (H, W) bool; may be empty.
    """
    exponents = rng.integers(1, int(np.log2(coarsest)) + 1, size=2)
    cells = [max(2, min(int(2**e), side)) for e, side in zip(exponents, size, strict=True)]
    coarse = torch.from_numpy(rng.uniform(-1, 1, (1, 1, *cells)).astype(np.float32))
    noise = functional.interpolate(coarse, size=size, mode="bicubic", align_corners=True)[0, 0].numpy()
    return np.asarray(noise > _NOISE_THRESHOLD, dtype=np.bool_)


def draw_anomalies(images: Tensor, rng: np.random.Generator, coarsest: int = 32) -> tuple[Tensor, Tensor]:
    """Blend foreign texture into about half of a batch.

    Args:
        images: (B, C, H, W) in [0, 1].
        rng: source of shapes, textures and opacities.
        coarsest: see `DraemHyperparameters`.

    Returns:
        Images of the same shape in [0, 1], and a mask of the changed pixels, (B, 1, H, W) bool.
    """
    size = (images.shape[2], images.shape[3])
    changed, masks = [], []
    for image in images:
        if rng.random() < _GOOD_SHARE:
            shape = np.zeros(size, dtype=np.bool_)
        else:
            shape = anomaly_shape(rng, size, coarsest)
        mask = torch.from_numpy(shape)[None].to(images.device)
        texture = torch.from_numpy(_texture(rng, image.shape[0], size)).to(images)
        opacity = rng.uniform(*_OPACITY)
        changed.append(torch.where(mask, opacity * texture + (1 - opacity) * image, image))
        masks.append(mask)
    return torch.stack(changed), torch.stack(masks)


def focal_loss(logits: Tensor, target: Tensor, gamma: float = _GAMMA) -> Tensor:
    """Focal loss: cross-entropy that down-weights well-classified pixels; Lin et al., ICCV 2017, equation 4.

    Args:
        logits: (B, 1, H, W), logits of the probability of being anomalous.
        target: (B, 1, H, W) bool.
        gamma: 0 gives the plain cross-entropy.

    Returns:
        A scalar, the mean over all pixels.
    """
    entropy = functional.binary_cross_entropy_with_logits(logits, target.to(logits.dtype), reduction="none")
    wrong = 1 - torch.exp(-entropy)  # exp(-entropy) is the predicted probability of the true class
    return (wrong.clamp_min(0) ** gamma * entropy).mean()


class Draem(Baseline):
    """DRAEM with the interface of `Detector`; `DraemHyperparameters` lists its hyperparameters."""

    name: ClassVar[str] = "DRAEM"

    def __init__(
        self, settings: Settings | None = None, device: str = "auto", **hyperparameters: Any
    ) -> None:
        super().__init__(settings, device, **hyperparameters)
        self._own = DraemHyperparameters(**hyperparameters)

    def build(self, image_format: ImageFormat) -> DraemNetwork:
        """Build both networks, untrained."""
        return DraemNetwork(image_format.channels, self.settings.recovery)

    def learn(self, network: BaselineNetwork, job: TrainingJob) -> None:
        """Train both networks together: L2 + SSIM for the reconstruction, focal loss for the segmentation."""
        assert isinstance(network, DraemNetwork)

        def loss(images: Tensor, rng: np.random.Generator) -> Tensor:
            drawn, masks = draw_anomalies(images, rng, self._own.coarsest)
            restored = network.restore(drawn)
            segmenting = focal_loss(network.discriminate(drawn, restored), masks)
            # bfloat16 only inside the networks: the comparison subtracts nearly equal values.
            with torch.autocast(images.device.type, enabled=False):
                restoring = (images - restored).square().mean() + (1 - ssim_map(images, restored)).mean()
            return restoring + segmenting

        train_network(network, job, loss)


class DraemNetwork(BaselineNetwork):
    """A reconstructive network without skip connections, and a discriminative one with all of them."""

    passes = 2

    def __init__(self, channels: int, unet: RecoverySettings) -> None:
        super().__init__()
        self.reconstructive = UNet(channels, unet.width, unet.depth, unet.normalisation)
        self.discriminative = UNet(2 * channels, unet.width, unet.depth, unet.normalisation)

    def restore(self, images: Tensor) -> Tensor:
        """Reconstruct images as they would look without anomalies, (B, C, H, W)."""
        unet = self.reconstructive
        mean: Tensor = unet(images, torch.zeros_like(images[:, :1]), [False] * len(unet.decoders)).mean
        return mean.float()

    def discriminate(self, images: Tensor, restored: Tensor) -> Tensor:
        """Return the logits (B, 1, H, W) of the probability of being anomalous."""
        unet = self.discriminative
        both = torch.cat((images, restored.to(images.dtype)), dim=1)
        # The U-Net's first output is the logit; without its bias it starts at a probability of one half.
        answer: Tensor = unet(both, torch.zeros_like(images[:, :1]), [True] * len(unet.decoders)).mean
        return answer[:, :1].float() - 0.5

    def forward(self, images: Tensor) -> Found:
        """Inspect images (B, C, H, W) in [0, 1].

        The map is the probability of being anomalous; the score is the maximum of its 21 x 21 mean
        (section 3.5).
        """
        # One image at a time: in a batch, sums are rounded in a different order.
        singles = [image[None] for image in images]
        maps = torch.cat([torch.sigmoid(self.discriminate(one, self.restore(one))) for one in singles])
        return Found(maps, mean_filter(maps, _MEAN_FILTER).flatten(1).amax(dim=1))


def _texture(rng: np.random.Generator, channels: int, size: tuple[int, int]) -> NDArray[np.float32]:
    """Draw a foreign texture (C, H, W) in [0, 1]."""
    planes = []
    for _ in range(channels):
        plane = random_texture(rng, max(size))[: size[0], : size[1]]
        low, high = float(plane.min()), float(plane.max())
        planes.append((plane - low) / max(high - low, 1e-6))
    return np.stack(planes).astype(np.float32)

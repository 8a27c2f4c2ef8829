"""The method from tensor to tensor: attention, mask, excision, recovery, anomaly map, anomaly score."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from excision.attention.model import Attention
from excision.errors import SettingsError
from excision.masking import cells_to_mask, excise, patch_attention, select_cells
from excision.recovery.unet import UNet
from excision.scoring import anomaly_map, anomaly_score
from excision.settings import Settings


class Stages(NamedTuple):
    """Every stage of a batch.

    Attributes:
        attention: (B, 1, H, W), larger is more defect-like; the unit is the network's own.
        mask: (B, 1, H, W) bool, True where the image is excised.
        holed: (B, C, H, W) in [0, 1].
        recovery: (B, C, H, W) in [0, 1]; where only the hole counts, the image itself outside it.
        anomaly_map: (B, 1, H, W) >= 0; in units of what is usual, unless `score.relative` is 0.
        score: (B,) >= 0.
    """

    attention: Tensor
    mask: Tensor
    holed: Tensor
    recovery: Tensor
    anomaly_map: Tensor
    score: Tensor


class Pipeline(nn.Module):
    """Excision And Recovery with its weights.

    Attributes:
        settings: with the number of channels settled.
        attention: the frozen attention network.
        recovery: the U-Net.
        mask_threshold: cells of the patch grid with more attention than this are excised.
        usual: (1, 1, H, W) > 0, the anomaly map that is usual on good images; (1, 1, 1, 1) where maps stay
            absolute or the size is not settled.
    """

    usual: Tensor

    def __init__(self, settings: Settings, attention: Attention) -> None:
        super().__init__()
        if settings.image.channels is None:
            raise SettingsError("image.channels must be settled before a model is built")
        unet = settings.recovery
        self.settings = settings
        self.attention = attention
        self.recovery = UNet(settings.image.channels, unet.width, unet.depth, unet.normalisation)
        self.mask_threshold = float("inf")
        size = settings.image.size if settings.score.relative > 0 else None
        self.register_buffer("usual", torch.ones(1, 1, *(size or (1, 1))))

    @torch.no_grad()
    def forward(self, images: Tensor) -> Stages:
        """Inspect images (B, C, H, W) in [0, 1]; one pass, nothing random.

        Raises:
            ValueError: the images are not of the size that the usual level was learnt for.
        """
        if self.usual.numel() > 1 and self.usual.shape[2:] != images.shape[2:]:
            wanted, given = tuple(self.usual.shape[2:]), tuple(images.shape[2:])
            raise ValueError(f"images are {given} pixels: this model was made for {wanted}")
        # One by one: in a batch the sums would be rounded in another order, and an image's score would depend
        # on its neighbours. On a processor it is also faster, since one image's features stay in its cache.
        singles = [self._inspect(image[None]) for image in images]
        return Stages(*(torch.cat(parts) for parts in zip(*singles, strict=True)))

    def _inspect(self, images: Tensor) -> Stages:
        settings = self.settings
        attention = self.attention(images)
        mask = self._mask(attention)
        holed = excise(images, mask, settings.mask.fill, settings.mask.patch)
        recovery = self.recovery(holed, mask.to(images.dtype), settings.recovery.skips("inference"))
        inside = mask if self.counts_inside_alone else None
        maps = anomaly_map(images, recovery, inside, settings.score) / self.usual
        shown = recovery.mean.clamp(0, 1)
        return Stages(
            attention=attention,
            mask=mask,
            holed=holed,
            recovery=shown if inside is None else torch.where(mask, shown, images),
            anomaly_map=maps,
            score=anomaly_score(maps, settings.score.top),
        )

    @property
    def counts_inside_alone(self) -> bool:
        """Tell whether only the hole counts; without one the whole picture has to."""
        return self.settings.score.inside_mask and self.settings.mask.enabled

    def cells(self, images: Tensor) -> Tensor:
        """Attention of the patch grid: images (B, C, H, W) to (B, 1, ceil(H / patch), ceil(W / patch))."""
        return patch_attention(self.attention(images), self.settings.mask.patch)

    def choose(self, cells: Tensor) -> Tensor:
        """Choose the cells to excise; the same shape, bool."""
        return select_cells(cells, self.mask_threshold, self.settings.mask.cap)

    def _mask(self, attention: Tensor) -> Tensor:
        if not self.settings.mask.enabled:
            return torch.zeros_like(attention, dtype=torch.bool)
        chosen = self.choose(patch_attention(attention, self.settings.mask.patch))
        size = (attention.shape[2], attention.shape[3])
        return cells_to_mask(chosen, self.settings.mask.patch, size)

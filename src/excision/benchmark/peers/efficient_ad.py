"""EfficientAD-S and -M, as they are computed at inference.

Batzner, Heckler, König, "EfficientAD: accurate visual anomaly detection at millisecond-level latencies", WACV
2024, tables 6 to 8, for images of 256 x 256 pixels.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from excision.benchmark.peers.scored import Scored, scored

_FEATURES = 384
_DECODER = (3, 8, 15, 32, 63, 127)
_BORDER = 4
_QUANTILES = (0.05, 0.1)


class EfficientAD(nn.Module):
    """Teacher, student and autoencoder, and the two maps that their differences give.

    Args:
        size: "S" or "M", the size of the patch description networks.
    """

    def __init__(self, size: Literal["S", "M"]) -> None:
        super().__init__()
        describe = _small if size == "S" else _medium
        self.teacher, self.student = describe(_FEATURES), describe(2 * _FEATURES)
        self.autoencoder = _Autoencoder()
        self.register_buffer("mean", torch.zeros(1, _FEATURES, 1, 1))
        self.register_buffer("deviation", torch.ones(1, _FEATURES, 1, 1))

    def forward(self, images: Tensor) -> Scored:
        """Inspect images (B, 3, 256, 256) in [0, 1]."""
        taught = (self.teacher(images) - self.mean) / self.deviation
        learnt = self.student(images)
        encoded = self.autoencoder(images)
        local = (taught - learnt[:, :_FEATURES]).square().mean(dim=1, keepdim=True)
        whole = (encoded - learnt[:, _FEATURES:]).square().mean(dim=1, keepdim=True)
        low, high = _QUANTILES
        joined = sum(0.1 * (part - low) / (high - low) for part in (local, whole)) / 2
        padded = functional.pad(joined, (_BORDER,) * 4)
        return scored(functional.interpolate(padded, images.shape[2:], mode="bilinear"))


def _small(outputs: int) -> nn.Sequential:
    return nn.Sequential(
        *(nn.Conv2d(3, 128, 4), nn.ReLU(), nn.AvgPool2d(2, 2)),
        *(nn.Conv2d(128, 256, 4), nn.ReLU(), nn.AvgPool2d(2, 2)),
        *(nn.Conv2d(256, 256, 3), nn.ReLU()),
        nn.Conv2d(256, outputs, 4),
    )


def _medium(outputs: int) -> nn.Sequential:
    return nn.Sequential(
        *(nn.Conv2d(3, 256, 4), nn.ReLU(), nn.AvgPool2d(2, 2)),
        *(nn.Conv2d(256, 512, 4), nn.ReLU(), nn.AvgPool2d(2, 2)),
        *(nn.Conv2d(512, 512, 1), nn.ReLU()),
        *(nn.Conv2d(512, 512, 3), nn.ReLU()),
        *(nn.Conv2d(512, outputs, 4), nn.ReLU()),
        nn.Conv2d(outputs, outputs, 1),
    )


class _Autoencoder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        encoder: list[nn.Module] = []
        for inputs, outputs in ((3, 32), (32, 32), (32, 64), (64, 64), (64, 64)):
            encoder += [nn.Conv2d(inputs, outputs, 4, 2, 1), nn.ReLU()]
        self.encoder = nn.Sequential(*encoder, nn.Conv2d(64, 64, 8))
        self.decoder = nn.ModuleList(nn.Conv2d(64, 64, 4, padding=2) for _ in _DECODER)
        self.last = nn.Sequential(
            nn.Conv2d(64, 64, 3, padding=1), nn.ReLU(), nn.Conv2d(64, 384, 3, padding=1)
        )

    def forward(self, images: Tensor) -> Tensor:
        found = self.encoder(images)
        for side, convolution in zip(_DECODER, self.decoder, strict=True):
            found = functional.relu(convolution(functional.interpolate(found, (side, side), mode="bilinear")))
        described: Tensor = self.last(functional.interpolate(found, (56, 56), mode="bilinear"))
        return described

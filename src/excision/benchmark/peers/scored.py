"""What each method gives for images: a map and a score."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor
from torch.nn import functional

from excision.ops.filters import gaussian_blur

_SMOOTHING = 4.0


class Scored(NamedTuple):
    """The result of an inspection.

    Attributes:
        maps: (B, 1, H, W).
        scores: (B,).
    """

    maps: Tensor
    scores: Tensor


def scored(maps: Tensor) -> Scored:
    """Give maps (B, 1, H, W) with their maximum as the score."""
    return Scored(maps, maps.amax(dim=(1, 2, 3)))


def smoothed(distances: Tensor, like: Tensor) -> Tensor:
    """Enlarge distances (B, 1, h, w) to the size of images, and smooth them as PatchCore and PaDiM do."""
    return gaussian_blur(functional.interpolate(distances, like.shape[2:], mode="bilinear"), _SMOOTHING)

"""Local normalisation: each pixel relative to its neighbourhood."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from excision.ops.resampling import enlarge, shrink

# Standard deviation of the brightness (in [0, 1]) below which a surface counts as flat. Without it, the last
# bit of a clean image would be amplified to full contrast.
FLAT = 0.008

WINDOW = 4
"""Radius of the window that local statistics are taken over, on an image shrunk to this: they vary slowly."""

LIMIT = 6
"""Largest difference from the local mean, in local standard deviations."""


def local_normalise(images: Tensor, radius: int) -> Tensor:
    """Subtract the local mean and divide by the local standard deviation.

    Args:
        images: (B, 1, H, W), brightness in [0, 1].
        radius: half the side of the square window in pixels, rounded to a multiple of 4. At the border only
            the part of the window inside the image counts.

    Returns:
        (B, 1, H, W), in local standard deviations, clipped to [-6, 6].
    """
    factor = max(1, radius // WINDOW)
    # Subtract the mean brightness before squaring, where float32 loses the fewest digits.
    centred = images - images.mean(dim=(2, 3), keepdim=True)
    small = torch.cat((shrink(centred, factor), shrink(centred * centred, factor)), dim=1)
    reach = min(WINDOW, *(side - 1 for side in small.shape[2:]))
    local = enlarge(small, factor, (images.shape[2], images.shape[3]), reach)
    mean, square = local.chunk(2, dim=1)
    deviation = (square - mean * mean).clamp_min_(0).add_(FLAT**2).sqrt_()
    return (centred - mean).div_(deviation).clamp_(-LIMIT, LIMIT)


def reflect_pad(images: Tensor, margin: int) -> Tensor:
    """Pad all four sides by reflection; an image smaller than the margin is reflected several times."""
    while margin > 0:
        step = min(margin, images.shape[2] - 1, images.shape[3] - 1)
        if step == 0:
            return functional.pad(images, (margin,) * 4, mode="replicate")
        images = functional.pad(images, (step,) * 4, mode="reflect")
        margin -= step
    return images

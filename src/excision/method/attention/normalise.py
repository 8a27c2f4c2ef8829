"""Local normalisation: what a pixel is, relative to its own surroundings."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from excision.ops.resampling import enlarge, shrink

# Deviation, in units of the [0, 1] brightness range, below which a surface counts as flat. Without it the
# last bit of a clean image would be blown up to full contrast.
FLAT = 0.008

# Local statistics vary slowly, so they are taken on an image shrunk until the window's radius is this.
_WINDOW = 4


def local_normalise(images: Tensor, radius: int) -> Tensor:
    """Subtract the local mean and divide by the local deviation.

    Args:
        images: (B, 1, H, W), brightness in [0, 1].
        radius: half side of the square window in pixels, rounded to a multiple of 4. At the border the
            window is what lies inside the image.

    Returns:
        (B, 1, H, W), in local deviations, cut off at +-6.
    """
    factor = max(1, radius // _WINDOW)
    # Deviations are squared around the mean brightness, where float32 loses the fewest digits.
    centred = images - images.mean(dim=(2, 3), keepdim=True)
    small = torch.cat((shrink(centred, factor), shrink(centred * centred, factor)), dim=1)
    reach = min(_WINDOW, *(side - 1 for side in small.shape[2:]))
    local = enlarge(small, factor, (images.shape[2], images.shape[3]), reach)
    mean, square = local.chunk(2, dim=1)
    deviation = (square - mean * mean).clamp_min_(0).add_(FLAT**2).sqrt_()
    return (centred - mean).div_(deviation).clamp_(-6, 6)


def reflect_pad(images: Tensor, margin: int) -> Tensor:
    """Pad all four sides by reflection; an image smaller than the margin is reflected several times."""
    while margin > 0:
        step = min(margin, images.shape[2] - 1, images.shape[3] - 1)
        if step == 0:
            return functional.pad(images, (margin,) * 4, mode="replicate")
        images = functional.pad(images, (step,) * 4, mode="reflect")
        margin -= step
    return images

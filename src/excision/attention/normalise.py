"""Local normalisation: what a pixel is, relative to its own surroundings."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

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
    shrink = max(1, radius // _WINDOW)
    # Deviations are squared around the mean brightness, where float32 loses the fewest digits.
    centred = images - images.mean(dim=(2, 3), keepdim=True)
    small = _shrink(torch.cat((centred, centred * centred), dim=1), shrink)
    window = min(_WINDOW, *(side - 1 for side in small.shape[2:]))
    local = _box_mean(_box_mean(small, window, 2), window, 3)
    full = functional.interpolate(local, scale_factor=shrink, mode="bilinear", align_corners=False)
    mean, square = full[:, :, : images.shape[2], : images.shape[3]].chunk(2, dim=1)
    deviation = (square - mean * mean).clamp_min_(0).add_(FLAT**2).sqrt_()
    return (centred - mean).div_(deviation).clamp_(-6, 6)


def _box_mean(images: Tensor, radius: int, axis: int) -> Tensor:
    """Mean over what lies within `radius` along an axis; (B, C, H, W).

    The window is small: adding shifted images takes less time than running sums or a pooling.
    """
    length = images.shape[axis]
    padding = (radius, radius) if axis == 3 else (0, 0, radius, radius)
    padded = functional.pad(images, padding)
    total = padded.narrow(axis, 0, length).clone()
    for shift in range(1, 2 * radius + 1):
        total += padded.narrow(axis, shift, length)
    places = torch.arange(length, device=images.device)
    counts = (places + radius).clamp_max(length - 1) - (places - radius).clamp_min(0) + 1
    return total.div_(counts.view(-1, *(1,) * (3 - axis)))


def _shrink(images: Tensor, factor: int) -> Tensor:
    """Average over blocks of factor x factor pixels; at the border, over what there is of a block."""
    if factor == 2:
        return _halve(_halve(images, 2), 3)
    return functional.avg_pool2d(images, factor, ceil_mode=True, count_include_pad=False)


def _halve(images: Tensor, axis: int) -> Tensor:
    """Mean of each two pixels along an axis, a last single one as it is; a pooling takes far longer."""
    pairs, length = images.shape[axis] // 2, images.shape[axis]
    every_second = (slice(None),) * axis
    first = images[(*every_second, slice(0, 2 * pairs, 2))]
    means = (first + images[(*every_second, slice(1, None, 2))]) * 0.5
    if 2 * pairs == length:
        return means
    return torch.cat((means, images.narrow(axis, length - 1, 1)), dim=axis)


def reflect_pad(images: Tensor, margin: int) -> Tensor:
    """Pad all four sides by reflection; an image smaller than the margin is reflected several times."""
    while margin > 0:
        step = min(margin, images.shape[2] - 1, images.shape[3] - 1)
        if step == 0:
            return functional.pad(images, (margin,) * 4, mode="replicate")
        images = functional.pad(images, (step,) * 4, mode="reflect")
        margin -= step
    return images


GREY = (0.299, 0.587, 0.114)
"""Weights of red, green and blue in the brightness, by BT.601."""


def to_grey(images: Tensor) -> Tensor:
    """Give the brightness (B, 1, H, W) of grey or RGB images (B, C, H, W), by the BT.601 weights."""
    if images.shape[1] == 1:
        return images
    weights = torch.tensor(GREY, dtype=images.dtype, device=images.device)
    return (images * weights.view(1, 3, 1, 1)).sum(dim=1, keepdim=True)

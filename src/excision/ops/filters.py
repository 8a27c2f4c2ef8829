"""Linear filters on batches of images."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def gaussian_blur(images: Tensor, sigma: float, radius: int | None = None) -> Tensor:
    """Smooth with a Gaussian, cut off at `radius` (default: three sigma), with reflection at the border.

    Args:
        images: (B, C, H, W), any unit.
        sigma: standard deviation in pixels; 0 returns the images as they are.
        radius: half side of the window in pixels.

    Returns:
        (B, C, H, W) in the unit of `images`.
    """
    if sigma == 0:
        return images
    reach = radius if radius is not None else max(1, round(3 * sigma))
    kernel = _gaussian(images, sigma, reach)
    batch, channels, height, width = images.shape
    planes = images.reshape(batch * channels, 1, height, width)
    # Reflection is defined only up to the size of the image; beyond it the border value is repeated.
    mode = "reflect" if reach < min(height, width) else "replicate"
    planes = functional.pad(planes, (reach,) * 4, mode=mode)
    planes = functional.conv2d(planes, kernel.view(1, 1, 1, -1))
    planes = functional.conv2d(planes, kernel.view(1, 1, -1, 1))
    return planes.reshape(batch, channels, height, width)


def frugal_blur(images: Tensor, sigma: float) -> Tensor:
    """Smooth as `gaussian_blur` does, with a few copies of the images as the only memory.

    In double precision, torch convolves by copying the window of every pixel.

    Args:
        images: (B, C, H, W), any unit.
        sigma: standard deviation in pixels; 0 returns the images as they are.

    Returns:
        (B, C, H, W) in the unit of `images`; sums are rounded in another order than by `gaussian_blur`.
    """
    if sigma == 0:
        return images
    reach = max(1, round(3 * sigma))
    weights = _gaussian(images, sigma, reach).tolist()
    mode = "reflect" if reach < min(images.shape[2:]) else "replicate"
    for dim, margin in ((3, (reach, reach, 0, 0)), (2, (0, 0, reach, reach))):
        padded = functional.pad(images, margin, mode=mode)
        length, total = images.shape[dim], torch.zeros_like(images)
        for offset, weight in enumerate(weights):
            total.add_(padded.narrow(dim, offset, length), alpha=weight)
        images = total
    return images


def _gaussian(like: Tensor, sigma: float, reach: int) -> Tensor:
    """Return the weights (2 * reach + 1,) of a Gaussian, of the type and on the device of `like`."""
    offsets = torch.arange(-reach, reach + 1, dtype=like.dtype, device=like.device)
    kernel = torch.exp(-0.5 * (offsets / sigma) ** 2)
    return kernel / kernel.sum()

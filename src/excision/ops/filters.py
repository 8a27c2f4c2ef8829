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
    offsets = torch.arange(-reach, reach + 1, dtype=images.dtype, device=images.device)
    kernel = torch.exp(-0.5 * (offsets / sigma) ** 2)
    kernel = kernel / kernel.sum()
    batch, channels, height, width = images.shape
    planes = images.reshape(batch * channels, 1, height, width)
    # Reflection is defined only up to the size of the image; beyond it the border value is repeated.
    mode = "reflect" if reach < min(height, width) else "replicate"
    planes = functional.pad(planes, (reach,) * 4, mode=mode)
    planes = functional.conv2d(planes, kernel.view(1, 1, 1, -1))
    planes = functional.conv2d(planes, kernel.view(1, 1, -1, 1))
    return planes.reshape(batch, channels, height, width)

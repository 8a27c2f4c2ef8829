"""Similarity of two images at each pixel: the formulas that losses and anomaly maps share."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from excision.ops.filters import gaussian_blur

_GMS_CONSTANT = 0.0026
_SSIM_SIGMA, _SSIM_RADIUS = 1.5, 5
_SSIM_C1, _SSIM_C2 = 0.01**2, 0.03**2


def ssim_map(first: Tensor, second: Tensor) -> Tensor:
    """Structural similarity (SSIM) of the neighbourhood of each pixel.

    Wang, Bovik, Sheikh, Simoncelli, "Image quality assessment", IEEE TIP 13(4), 2004, equation 13, with an
    11 x 11 Gaussian window of deviation 1.5 and a dynamic range of 1.

    Args:
        first: (B, C, H, W) in [0, 1].
        second: the same shape.

    Returns:
        (B, C, H, W) in [-1, 1]; 1 where the images agree.
    """
    moments = torch.cat((first, second, first * first, second * second, first * second), dim=1)
    blurred = gaussian_blur(moments, _SSIM_SIGMA, _SSIM_RADIUS)
    mean_1, mean_2, square_1, square_2, product = blurred.chunk(5, dim=1)
    variances = (square_1 - mean_1**2) + (square_2 - mean_2**2)
    covariance = product - mean_1 * mean_2
    luminance = (2 * mean_1 * mean_2 + _SSIM_C1) / (mean_1**2 + mean_2**2 + _SSIM_C1)
    return luminance * (2 * covariance + _SSIM_C2) / (variances + _SSIM_C2)


def gms_map(first: Tensor, second: Tensor) -> Tensor:
    """Gradient magnitude similarity of each pixel.

    Xue, Zhang, Mou, Bovik, "Gradient magnitude similarity deviation", IEEE TIP 23(2), 2014, equation 4:
    Prewitt gradients divided by 3, constant 0.0026.

    Args:
        first: (B, C, H, W) in [0, 1].
        second: the same shape.

    Returns:
        (B, C, H, W) in (0, 1]; 1 where the two agree.
    """
    one, two = _gradient_magnitude(first), _gradient_magnitude(second)
    return (2 * one * two + _GMS_CONSTANT) / (one**2 + two**2 + _GMS_CONSTANT)


def msgms_map(first: Tensor, second: Tensor, scales: int = 4) -> Tensor:
    """Multi-scale gradient magnitude similarity: the mean of `gms_map` over halved sizes.

    Zavrtanik, Kristan, Skocaj, "Reconstruction by inpainting for visual anomaly detection" (RIAD), Pattern
    Recognition 112, 2021, section 3.2.

    Args:
        first: (B, C, H, W) in [0, 1].
        second: the same shape.
        scales: number of sizes; fewer if images become smaller than 2 pixels.

    Returns:
        (B, C, H, W) in (0, 1]; 1 where the two agree.
    """
    size = first.shape[2:]
    maps = []
    for scale in range(scales):
        if scale:
            if min(first.shape[2:]) < 4:
                break
            first, second = functional.avg_pool2d(first, 2), functional.avg_pool2d(second, 2)
        maps.append(functional.interpolate(gms_map(first, second), size=size, mode="bilinear"))
    return torch.stack(maps).mean(dim=0)


def _gradient_magnitude(images: Tensor) -> Tensor:
    batch, channels, height, width = images.shape
    prewitt = images.new_tensor([[1.0, 0.0, -1.0]] * 3) / 3
    kernels = torch.stack((prewitt, prewitt.T))[:, None]
    planes = functional.pad(images.reshape(batch * channels, 1, height, width), (1,) * 4, mode="replicate")
    squares = functional.conv2d(planes, kernels).square().sum(dim=1, keepdim=True)
    # The gradient of a square root is infinite at zero, which is the value in flat regions.
    return (squares + 1e-12).sqrt().reshape(batch, channels, height, width)

"""Image and recovery to anomaly map, and anomaly map to anomaly score."""

from __future__ import annotations

import torch
from torch import Tensor

from excision.method.recovery.unet import Recovery
from excision.ops.filters import gaussian_blur
from excision.ops.resampling import repeat, shrink
from excision.ops.similarity import msgms_map, ssim_map
from excision.settings import ScoreSettings

_LEAST = 1e-6
_LEAST_WEIGHT = 1e-3  # of the pixels inside the mask in a smoothed neighbourhood


def anomaly_map(image: Tensor, recovery: Recovery, mask: Tensor | None, settings: ScoreSettings) -> Tensor:
    """Compare the image with its recovery.

    "squared" is the squared residual, "likelihood" the same in units of the variance that the network
    predicts, "ssim" and "msgms" one minus the similarity. For the first two the *signed* residual is
    smoothed before it is squared, so that noise cancels and a consistent deviation stays; for the last two
    the map itself is smoothed. Colour channels are averaged.

    Args:
        image: (B, C, H, W) in [0, 1].
        recovery: mean and log-variance, each (B, C, H, W).
        mask: (B, 1, H, W) bool, True where the image was excised; None counts every pixel.
        settings: kind of comparison and smoothing.

    Returns:
        (B, 1, H, W) >= 0; zero outside the mask.
    """
    inside = _inside(image, mask)
    if settings.map in ("squared", "likelihood"):
        likelihood = settings.map == "likelihood"
        residual = _in_deviations(image, recovery) if likelihood else image - recovery.mean
        comparison = _smooth_inside(residual, inside, settings.smoothing).square()
    else:
        similarity = ssim_map if settings.map == "ssim" else msgms_map
        # Outside the hole the image is compared with itself, so that the hole's rim is not penalised.
        composed = torch.where(inside > 0, recovery.mean, image)
        comparison = _smooth_inside(1 - similarity(image, composed), inside, settings.smoothing)
    return (_mean_channel(comparison) * inside).clamp_min(0)


def broad_residual(image: Tensor, recovery: Recovery, mask: Tensor | None, sigma: float) -> Tensor:
    """Compare the image with its recovery over a neighbourhood, in which a faint, extended defect adds up.

    It is the "likelihood" comparison smoothed by a Gaussian. A picture so smooth needs no full resolution:
    it is computed, and constant, on blocks of pixels as wide as sigma, rounded down.

    Args:
        image: (B, C, H, W) in [0, 1].
        recovery: mean and log-variance, each (B, C, H, W).
        mask: (B, 1, H, W) bool, True where the image was excised; None counts every pixel.
        sigma: standard deviation in pixels, above 0.

    Returns:
        (B, 1, H, W) >= 0; zero outside the mask.
    """
    block = max(1, int(sigma))
    inside = _inside(image, mask)
    residual = _in_deviations(image, recovery) * inside
    sums = gaussian_blur(torch.cat((shrink(residual, block), shrink(inside, block)), dim=1), sigma / block)
    residual, weight = sums[:, :-1], sums[:, -1:].clamp_min(_LEAST_WEIGHT)
    comparison = _mean_channel((residual / weight).square())
    return repeat(comparison, block, (image.shape[2], image.shape[3])) * inside


def anomaly_score(maps: Tensor, top: float) -> Tensor:
    """Read the anomaly score (B,) off anomaly maps (B, 1, H, W).

    It is the mean of the largest share `top` of the pixels, and of at least one; with `top` 0 the maximum.
    """
    flat = maps.flatten(1)
    count = max(1, round(top * flat.shape[1]))
    if count == 1:
        return flat.amax(dim=1)
    return flat.topk(count, dim=1).values.mean(dim=1)


def mean_residual(total: Tensor, seen: Tensor, radius: float) -> Tensor:
    """Say what the anomaly map usually is at each place of a good image.

    It is the mean over good images, taken over a Gaussian neighbourhood and drawn towards the mean over all
    places by one image's worth, so that a place that was hardly ever excised is not judged by an accident:
    (G(total) + m) / (G(seen) + 1), with m the sum of `total` over the sum of `seen`.

    Args:
        total: (1, R, H, W) >= 0, sum of each of R maps of good images.
        seen: (1, 1, H, W) >= 0, how many of them counted at each place.
        radius: standard deviation of the Gaussian in pixels.

    Returns:
        (1, R, H, W) > 0 in the units of the maps; all ones where good images have no residual at all.
    """
    everywhere = total.sum(dim=(2, 3), keepdim=True) / seen.sum().clamp_min(1)
    level = (gaussian_blur(total, radius) + everywhere) / (gaussian_blur(seen, radius) + 1)
    return torch.where(everywhere == 0, 1.0, level)


def _in_deviations(image: Tensor, recovery: Recovery) -> Tensor:
    """Give the residual (B, C, H, W) in units of the deviation that the network predicts."""
    return (image - recovery.mean) * torch.exp(-0.5 * recovery.log_variance)


def _inside(image: Tensor, mask: Tensor | None) -> Tensor:
    """Give the mask (B, 1, H, W) as numbers of the image's type; ones where there is none."""
    return torch.ones_like(image[:, :1]) if mask is None else mask.to(image.dtype)


def _smooth_inside(values: Tensor, inside: Tensor, sigma: float) -> Tensor:
    """Gaussian mean over the pixels inside the mask alone; (B, C, H, W), zero outside."""
    if sigma == 0:
        return values * inside
    weight = gaussian_blur(inside, sigma).clamp_min(_LEAST_WEIGHT)
    return gaussian_blur(values * inside, sigma) / weight * inside


def _mean_channel(values: Tensor) -> Tensor:
    """Average over the channels: (B, C, H, W) to (B, 1, H, W)."""
    # A graph would add a single one up all the same, and slowly.
    return values if values.shape[1] == 1 else values.mean(dim=1, keepdim=True)

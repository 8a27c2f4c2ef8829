"""Computes the residual of image and recovery, and the anomaly score of an anomaly map."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from excision.method.recovery.unet import Recovery
from excision.ops.colour import channels
from excision.ops.filters import frugal_blur, gaussian_blur
from excision.ops.resampling import repeat, shrink
from excision.ops.similarity import msgms_map, ssim_map
from excision.settings import ScoreSettings

_LEAST = 1e-6
_LEAST_WEIGHT = 1e-3  # of the pixels inside the mask in a neighbourhood; avoids dividing by 0


def anomaly_map(image: Tensor, recovery: Recovery, mask: Tensor | None, settings: ScoreSettings) -> Tensor:
    """Compare the image with its recovery.

    "squared" is the squared residual; "likelihood" is the same in units of the predicted variance; "ssim" and
    "msgms" are one minus the similarity. For the first two the *signed* residual is smoothed before it is
    squared, so that noise cancels and a consistent deviation remains; for the last two the map itself is
    smoothed. Colour channels are averaged.

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
        # Outside the hole the image is compared with itself, so that the rim of the hole is not penalised.
        composed = torch.where(inside > 0, recovery.mean, image)
        comparison = _smooth_inside(1 - similarity(image, composed), inside, settings.smoothing)
    return (_mean_channel(comparison) * inside).clamp_min(0)


def broad_residual(image: Tensor, recovery: Recovery, mask: Tensor | None, sigma: float) -> Tensor:
    """Compare the image with its recovery over a wide neighbourhood, where faint, extended defects add up.

    This is the "likelihood" comparison smoothed by a Gaussian. Such a smooth map needs no full resolution: it
    is computed on blocks of pixels as wide as sigma, rounded down, and is constant on each.

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
    """Compute the anomaly score (B,) of anomaly maps (B, 1, H, W).

    It is the mean of the share `top` of the pixels with the largest values, but of at least one pixel; with
    `top` 0 it is the maximum.
    """
    flat = maps.flatten(1)
    count = max(1, round(top * flat.shape[1]))
    if count == 1:
        return flat.amax(dim=1)
    return flat.topk(count, dim=1).values.mean(dim=1)


@dataclass(frozen=True, slots=True)
class ResidualSums:
    """Running sums of the residuals of normal images.

    Attributes:
        total: (1, R, H, W) float64, sum of each of R residual maps.
        seen: (1, 1, H, W) float64, number of images that counted at each position.
    """

    total: Tensor
    seen: Tensor

    @classmethod
    def zeros(cls, like: Tensor) -> ResidualSums:
        """Return empty sums for residuals of the shape and device of a tensor (1, R, H, W)."""
        total = torch.zeros_like(like, dtype=torch.float64)
        return cls(total, torch.zeros_like(total[:, :1]))

    def add(self, residuals: Sequence[Tensor], mask: Tensor | None) -> None:
        """Add the residuals of an image.

        Args:
            residuals: R maps, each (1, 1, H, W) >= 0.
            mask: (1, 1, H, W) bool, where the residuals count; None for everywhere.
        """
        self.total.add_(torch.cat(list(residuals), dim=1))
        self.seen.add_(1 if mask is None else mask)

    def mean(self, radius: float) -> Tensor:
        """Return the mean residual (1, R, H, W) > 0, as in `mean_residual`."""
        return mean_residual(self.total, self.seen, radius)


def mean_residual(total: Tensor, seen: Tensor, radius: float) -> Tensor:
    """Estimate the normal residual: its mean over normal images at each position.

    The mean is taken over a Gaussian neighbourhood and shrunk towards the mean over all positions with the
    weight of one image, so that a position that was hardly ever excised does not depend on a few values:
    (G(total) + m) / (G(seen) + 1), with m the sum of `total` divided by the sum of `seen`.

    Args:
        total: (1, R, H, W) >= 0, sum of each of R residual maps over normal images.
        seen: (1, 1, H, W) >= 0, number of images that counted at each position.
        radius: standard deviation of the Gaussian in pixels.

    Returns:
        (1, R, H, W) > 0 in the units of the maps; all ones if normal images have no residual at all.
    """
    everywhere = total.sum(dim=(2, 3), keepdim=True) / seen.sum().clamp_min(1)
    level = (frugal_blur(total, radius) + everywhere) / (frugal_blur(seen, radius) + 1)
    return torch.where(everywhere == 0, 1.0, level)


def _in_deviations(image: Tensor, recovery: Recovery) -> Tensor:
    """Return the residual (B, C, H, W) in units of the predicted standard deviation."""
    return (image - recovery.mean) * torch.exp(-0.5 * recovery.log_variance)


def _inside(image: Tensor, mask: Tensor | None) -> Tensor:
    """Return the mask (B, 1, H, W) in the data type of the image; all ones if there is none."""
    return torch.ones_like(image[:, :1]) if mask is None else mask.to(image.dtype)


def _smooth_inside(values: Tensor, inside: Tensor, sigma: float) -> Tensor:
    """Gaussian mean over the pixels inside the mask only; (B, C, H, W), zero outside."""
    if sigma == 0:
        return values * inside
    weight = gaussian_blur(inside, sigma).clamp_min(_LEAST_WEIGHT)
    return gaussian_blur(values * inside, sigma) / weight * inside


def _mean_channel(values: Tensor) -> Tensor:
    """Average over the channels: (B, C, H, W) to (B, 1, H, W)."""
    # An exported graph would compute the mean of a single channel as well, and slowly.
    if values.shape[1] == 1:
        return values
    red, green, blue = channels(values)
    return (red + green + blue) / 3

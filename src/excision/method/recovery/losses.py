"""Training losses. Pixels inside the hole count more than those that the network could simply copy."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from excision.method.recovery.unet import Recovery
from excision.ops.similarity import msgms_map, ssim_map
from excision.settings import LossSettings


def gaussian_nll(recovery: Recovery, image: Tensor) -> Tensor:
    """Negative log-likelihood of the image under the predicted Gaussian, without the constant.

    Kendall, Gal, "What uncertainties do we need in Bayesian deep learning?", NeurIPS 2017, equation 5.

    Args:
        recovery: mean and log-variance, each (B, C, H, W).
        image: (B, C, H, W) in [0, 1].

    Returns:
        (B, C, H, W), unbounded; smaller is better.
    """
    squared = (image - recovery.mean).square()
    return 0.5 * (squared * torch.exp(-recovery.log_variance) + recovery.log_variance)


def hole_weighted_mean(values: Tensor, mask: Tensor, hole_weight: float) -> Tensor:
    """Average values (B, C, H, W) to a scalar, with the pixels of the hole weighted by `hole_weight`.

    `mask` is (B, 1, H, W) bool, True inside the hole.
    """
    weights = torch.where(mask, hole_weight, 1.0).to(values.dtype).expand_as(values)
    return (values * weights).sum() / weights.sum()


def training_loss(recovery: Recovery, image: Tensor, mask: Tensor, settings: LossSettings) -> Tensor:
    """Return the weighted sum of the losses with a weight above 0.

    Args:
        recovery: mean and log-variance, each (B, C, H, W).
        image: (B, C, H, W) in [0, 1], before excision.
        mask: (B, 1, H, W) bool, True inside the hole.
        settings: the weights.

    Returns:
        A scalar.
    """
    total = image.new_zeros(())
    for name, loss in _LOSSES.items():
        weight = getattr(settings, name)
        if weight > 0:
            total = total + weight * hole_weighted_mean(loss(recovery, image), mask, settings.hole_weight)
    return total


def _squared_error(recovery: Recovery, image: Tensor) -> Tensor:
    return (image - recovery.mean).square()


def _ssim_error(recovery: Recovery, image: Tensor) -> Tensor:
    return 1 - ssim_map(image, recovery.mean)


def _msgms_error(recovery: Recovery, image: Tensor) -> Tensor:
    return 1 - msgms_map(image, recovery.mean)


# Keys are the names of the weights in `LossSettings`.
_LOSSES: dict[str, Callable[[Recovery, Tensor], Tensor]] = {
    "nll": gaussian_nll,
    "l2": _squared_error,
    "ssim": _ssim_error,
    "msgms": _msgms_error,
}

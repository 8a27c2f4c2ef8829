"""Training losses against torch.distributions and direct sums."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy import stats
from torch.nn import functional

from excision.method.recovery.losses import gaussian_nll, hole_weighted_mean, training_loss
from excision.method.recovery.unet import Recovery
from excision.ops.similarity import msgms_map, ssim_map
from excision.settings import LossSettings


def scene() -> tuple[Recovery, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    image, mean, spread = torch.rand(3, 2, 3, 16, 20, generator=generator, dtype=torch.float64)
    mask = torch.rand(2, 1, 16, 20, generator=generator) < 0.3
    return Recovery(mean, -6 * spread), image, mask


def test_nll_is_that_of_a_normal_distribution_without_its_constant() -> None:
    recovery, image, _ = scene()
    deviation = np.exp(0.5 * recovery.log_variance.numpy())
    exact = -stats.norm.logpdf(image.numpy(), recovery.mean.numpy(), deviation)
    np.testing.assert_allclose(gaussian_nll(recovery, image), exact - 0.5 * math.log(2 * math.pi), atol=1e-9)
    variance = recovery.log_variance.exp()
    theirs = functional.gaussian_nll_loss(recovery.mean, image, variance, reduction="none")
    torch.testing.assert_close(gaussian_nll(recovery, image), theirs)


def test_nll_is_least_at_the_true_spread() -> None:
    residual, log_variances = 0.1, torch.linspace(-10, 0, 2001)
    recovery = Recovery(torch.zeros(2001), log_variances)
    best = log_variances[gaussian_nll(recovery, torch.full((2001,), residual)).argmin()]
    assert best.item() == pytest.approx(2 * math.log(residual), abs=0.01)


def test_hole_counts_as_often_as_its_weight_says() -> None:
    _, values, mask = scene()
    inside, outside, total, count = mask.expand_as(values).numpy(), 0.0, 0.0, 0.0
    for value, hole in zip(values.numpy().ravel(), inside.ravel(), strict=True):
        outside += 0.0 if hole else 1.0
        total += value * (7 if hole else 1)
        count += 7 if hole else 1
    assert 0 < outside < values.numel()
    assert hole_weighted_mean(values, mask, 7.0).item() == pytest.approx(total / count)
    assert hole_weighted_mean(values, mask, 1.0).item() == pytest.approx(values.mean().item())
    nothing = torch.zeros_like(mask)
    assert hole_weighted_mean(values, nothing, 7.0).item() == pytest.approx(values.mean().item())


def only(name: str, weight: float = 1.0) -> LossSettings:
    return LossSettings(
        **{**dict.fromkeys(("nll", "l2", "ssim", "msgms"), 0.0), name: weight}, hole_weight=3.0
    )


def test_each_weight_switches_its_own_loss() -> None:
    recovery, image, mask = scene()
    expected = {
        "nll": gaussian_nll(recovery, image),
        "l2": (image - recovery.mean) ** 2,
        "ssim": 1 - ssim_map(image, recovery.mean),
        "msgms": 1 - msgms_map(image, recovery.mean),
    }
    for name, values in expected.items():
        loss = training_loss(recovery, image, mask, only(name))
        torch.testing.assert_close(loss, hole_weighted_mean(values, mask, 3.0))


def test_losses_add_up_by_weight() -> None:
    recovery, image, mask = scene()
    weights = {"nll": 0.5, "l2": 2.0, "ssim": 0.1, "msgms": 3.0}
    together = training_loss(recovery, image, mask, LossSettings(**weights, hole_weight=3.0))
    apart = sum(weight * training_loss(recovery, image, mask, only(name)) for name, weight in weights.items())
    torch.testing.assert_close(together, apart)


def test_a_loss_without_weight_is_left_out_even_where_it_would_be_infinite() -> None:
    recovery, image, mask = scene()
    absurd = Recovery(recovery.mean, torch.full_like(recovery.log_variance, -2000.0))
    assert not torch.isfinite(training_loss(absurd, image, mask, only("nll")))
    assert torch.isfinite(training_loss(absurd, image, mask, only("l2")))


@pytest.mark.parametrize("name", ["nll", "l2", "ssim", "msgms"])
@pytest.mark.parametrize("brightness", [0.0, 0.5, 1.0])
def test_gradients_are_finite_on_flat_images(name: str, brightness: float) -> None:
    image = torch.full((1, 1, 16, 16), brightness)
    mean = image.clone().requires_grad_()
    log_variance = torch.full_like(image, -15.0).requires_grad_()
    mask = torch.zeros_like(image, dtype=torch.bool)
    torch.autograd.backward(training_loss(Recovery(mean, log_variance), image, mask, only(name)))
    assert mean.grad is not None and torch.isfinite(mean.grad).all()

"""DRAEM's drawn anomalies and its loss."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional

from excision.baselines.draem import anomaly_shape, draw_anomalies, focal_loss


@pytest.mark.parametrize("channels", [1, 3])
def test_images_change_inside_the_mask_alone(channels: int) -> None:
    images = torch.rand(16, channels, 64, 48)
    drawn, masks = draw_anomalies(images, np.random.default_rng(0))
    assert drawn.shape == images.shape and masks.shape == (16, 1, 64, 48)
    assert ((drawn >= 0) & (drawn <= 1)).all()
    assert torch.equal(drawn.masked_select(~masks), images.masked_select(~masks))
    inside = masks.expand_as(images)
    assert (drawn[inside] != images[inside]).float().mean() > 0.95
    kept = [not mask.any() for mask in masks]
    assert 3 <= sum(kept) <= 13


def test_shapes_vary_and_are_neither_nothing_nor_all() -> None:
    rng = np.random.default_rng(1)
    shares = [anomaly_shape(rng, (64, 64)).mean() for _ in range(60)]
    assert 0.02 < np.mean(shares) < 0.6
    assert np.std(shares) > 0.02


def test_focal_loss_against_its_formula() -> None:
    logits = torch.randn(2, 1, 7, 5, dtype=torch.float64)
    target = torch.rand(2, 1, 7, 5) < 0.3
    expected = []
    for logit, anomalous in zip(logits.flatten().tolist(), target.flatten().tolist(), strict=True):
        right = 1 / (1 + np.exp(-logit)) if anomalous else 1 - 1 / (1 + np.exp(-logit))
        expected.append(-((1 - right) ** 2) * np.log(right))
    assert focal_loss(logits, target).item() == pytest.approx(np.mean(expected), rel=1e-9)


def test_without_focus_it_is_the_cross_entropy() -> None:
    logits, target = torch.randn(1, 1, 8, 8), torch.rand(1, 1, 8, 8) < 0.5
    plain = functional.binary_cross_entropy_with_logits(logits, target.float())
    torch.testing.assert_close(focal_loss(logits, target, gamma=0), plain)

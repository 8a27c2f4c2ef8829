"""The method from tensor to tensor."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from excision.attention.model import Attention
from excision.pipeline import Pipeline
from excision.settings import ImageSettings, RecoverySettings, Settings


def test_an_image_has_the_same_stages_alone_and_in_any_batch() -> None:
    torch.manual_seed(0)
    settings = Settings(image=ImageSettings(None, 1), recovery=RecoverySettings(width=16, depth=4))
    pipeline = Pipeline(settings, Attention.pretrained("surface")).eval()
    pipeline.mask_threshold = 0.0
    images = torch.rand(5, 1, 96, 128)
    alone = [pipeline(image[None]) for image in images]
    for order in ([0, 1, 2, 3, 4], [4, 2, 0], [3, 3]):
        together = pipeline(images[order])
        for place, number in enumerate(order):
            for name, stage in alone[number]._asdict().items():
                assert torch.equal(getattr(together, name)[place], stage[0]), name


@pytest.mark.parametrize(("weight", "truncation"), [(0.0, 0.1), (0.5, 1.0), (1.0, 0.1), (2.0, 0.7)])
def test_the_surprise_of_the_residual_counts_by_its_weight_beyond_its_truncation(
    weight: float, truncation: float
) -> None:
    settings = Settings(image=ImageSettings(None, 1), recovery=RecoverySettings(width=4, depth=3))
    pipeline = Pipeline(settings, Attention.pretrained("surface")).eval()
    pipeline.mask_threshold = float("-inf")
    pipeline.tails.copy_(torch.tensor([[0.05, 0.02], [0.04, 0.03], [1.0, 0.5]]))
    image = torch.rand(1, 1, 64, 64, generator=torch.Generator().manual_seed(0))
    residuals = np.concatenate(pipeline.evidence(image)[0].residuals, axis=1)
    median, excess = pipeline.tails[:2].T.reshape(2, 1, 2, 1, 1).numpy()
    each = np.log(2) * np.minimum(residuals / median, 1) + np.maximum(residuals - median, 0) / excess
    assert (each[:, 0] > each[:, 1]).any() and (each[:, 0] < each[:, 1]).any()
    surprise = each.max(axis=1, keepdims=True)
    counted = np.maximum(surprise + np.log(truncation), 0)
    maps = []
    for counts in (0.0, weight):
        score = replace(settings.score, residual_weight=counts, residual_truncation=truncation)
        pipeline.settings = replace(settings, score=score)
        maps.append(pipeline(image).anomaly_map.numpy())
    assert counted.max() > 1
    np.testing.assert_allclose(maps[1] - maps[0], weight * counted, rtol=1e-4, atol=1e-5)

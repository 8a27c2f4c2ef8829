"""The method from tensor to tensor."""

from __future__ import annotations

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

"""Without a hole no recovery is computed, and nothing differs by a bit; and from which images none is cut."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from excision.method.attention.model import Attention
from excision.method.pipeline import Pipeline
from excision.method.recovery.unet import Recovery, UNet
from excision.method.scoring.combination import of_residuals
from excision.settings import MaskSettings, RecoverySettings, ScoreSettings, Settings
from excision.tiling.geometry import Tiling
from excision.tiling.image_format import ImageFormat
from tests.method.test_pipeline import learn_features, parts

SIZE = (72, 64)
SCORES = {
    "both": ScoreSettings(),
    "no truncation": ScoreSettings(residual_truncation=1.0),
    "residual": ScoreSettings(evidence="residual"),
    "absolute": ScoreSettings(relative=0.0, broad=0.0, map="likelihood", smoothing=1.5),
    "ssim": ScoreSettings(map="ssim", top=0.01),
    "msgms": ScoreSettings(map="msgms"),
}


def made(score: ScoreSettings, *, tiles: bool = False, early_exit: float = 0.0) -> Pipeline:
    torch.manual_seed(0)
    wanted = Settings(
        recovery=RecoverySettings(width=4, depth=3), score=score, mask=MaskSettings(early_exit=early_exit)
    )
    tiling = Tiling(SIZE, grid=8, halo=8) if tiles else None
    pipeline = Pipeline(wanted, ImageFormat(SIZE, 1, tiling), Attention.pretrained("surface")).eval()
    torch.nn.init.normal_(pipeline.recovery.head.weight, std=0.1)
    return pipeline


def assert_same(pipeline: Pipeline, images: Tensor) -> None:
    """Compare the stages with those of the same weights where the recovery is always computed."""
    for image in images[:, None]:
        found = pipeline(image)
        for name, stage in pipeline.inspect(image)._asdict().items():
            assert torch.equal(getattr(found, name), stage), name


@pytest.mark.parametrize("kind", SCORES)
@pytest.mark.parametrize("threshold", [-np.inf, 1.0, np.inf])
def test_stages_are_the_same_bit_for_bit(kind: str, threshold: float) -> None:
    pipeline = made(SCORES[kind])
    pipeline.masking.threshold.fill_(threshold)
    assert_same(pipeline, torch.rand(2, 1, *SIZE))


@pytest.mark.parametrize("align", [False, True])
def test_stages_are_the_same_with_features_of_positions(align: bool) -> None:
    pipeline, images = made(ScoreSettings(align=align)), parts(8)
    learn_features(pipeline, images)
    assert pipeline.scorer.feature_distance is not None
    for threshold in (1.0, np.inf):
        pipeline.masking.threshold.fill_(threshold)
        assert_same(pipeline, images[:2])


def test_stages_of_a_tile_are_the_same() -> None:
    pipeline = made(ScoreSettings(), tiles=True)
    assert_same(pipeline, torch.rand(1, 1, *SIZE))


def test_no_recovery_is_computed_without_a_hole(monkeypatch: pytest.MonkeyPatch) -> None:
    called, compute = [], UNet.forward

    def recover(network: UNet, *given: Any) -> Recovery:
        called.append(network)
        return compute(network, *given)

    monkeypatch.setattr(UNet, "forward", recover)
    made(ScoreSettings())(torch.rand(3, 1, *SIZE))
    assert not called
    made(ScoreSettings(inside_mask=False))(torch.rand(3, 1, *SIZE))
    assert len(called) == 3


@settings(max_examples=30, deadline=None)
@given(st.floats(1e-6, 10), st.floats(1e-6, 10), st.floats(1e-3, 1), st.floats(0, 5))
def test_a_residual_of_zero_adds_exactly_nothing(
    middle: float, excess: float, truncation: float, weight: float
) -> None:
    pipeline = _PIPELINE
    score = replace(SCORES["both"], residual_truncation=truncation, residual_weight=weight)
    pipeline.scorer.settings = replace(pipeline.settings, score=score)
    pipeline.scorer.tails.copy_(torch.tensor([[middle, excess]] * 3))
    evidence, _ = pipeline.evidence(torch.rand(1, 1, *SIZE))
    assert all(not each.any() for each in evidence.residuals) and len(evidence.residuals) == 2
    added = of_residuals(pipeline.scorer, evidence)
    assert torch.equal(added, of_residuals(pipeline.scorer, evidence._replace(residuals=())))


_PIPELINE = made(ScoreSettings())


def test_nothing_is_excised_from_the_share_of_normal_images_with_the_least_attention() -> None:
    pipeline = made(ScoreSettings(), early_exit=0.5)
    images = torch.rand(9, 1, *SIZE) * torch.linspace(0.1, 1, 9).view(-1, 1, 1, 1)
    cells = [pipeline.cells(image[None]) for image in images]
    pipeline.masking.learn(cells)
    largest = torch.stack([each.max() for each in cells])
    assert pipeline.masking.least is not None
    assert float(pipeline.masking.least) == pytest.approx(float(largest.median()))
    quiet = largest < pipeline.masking.least
    selected = torch.stack([pipeline.masking.select(each).any() for each in cells])
    assert quiet.sum() == 4 and (quiet & selected).any()
    together = pipeline(images)
    assert torch.equal(together.mask.flatten(1).any(dim=1), selected & ~quiet)
    # What is normal is learnt from the holes of all images.
    assert torch.equal(pipeline.evidence(images)[1].flatten(1).any(dim=1), selected)
    assert_same(pipeline, images)
    plain = made(ScoreSettings())
    plain.load_learned(pipeline.state_dict())
    without = plain(images)
    assert torch.equal(without.score[~quiet], together.score[~quiet])
    assert (without.score[quiet] >= together.score[quiet]).all()


def test_a_model_without_early_exit_gets_one_when_it_learns_again() -> None:
    plain, exits = made(ScoreSettings()), made(ScoreSettings(), early_exit=0.5)
    exits.load_learned(plain.state_dict())
    assert exits.masking.least is not None and float(exits.masking.least) == -np.inf
    assert "masking.least" not in plain.state_dict()

"""What is learnt from normal images: mask threshold and normal statistics, against direct computations."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from excision.method.attention.model import Attention
from excision.method.normal_images import MOST_IMAGES, NormalImages
from excision.method.normal_statistics import learn_attention, learn_normal
from excision.method.pipeline import Pipeline
from excision.settings import AttentionSettings, RecoverySettings, ScoreSettings, Settings
from excision.tiling.image_format import ImageFormat

SIZE = (48, 40)
TINY = Settings(
    recovery=RecoverySettings(width=2, depth=2),
    score=ScoreSettings(relative=3.0),
)
IMAGES = torch.rand(7, 1, 1, *SIZE, generator=torch.Generator().manual_seed(1))


def tiny(settings: Settings = TINY) -> Pipeline:
    torch.manual_seed(0)
    return Pipeline(settings, ImageFormat(SIZE, 1), Attention("surface")).eval()


NORMAL = NormalImages(len(IMAGES), lambda index: IMAGES[index])


def watched(stage: str, done: int, total: int) -> None:
    assert stage and 0 < done <= total


def set_mask_threshold(pipeline: Pipeline) -> None:
    pipeline.masking.learn(map(pipeline.cells, IMAGES))


def set_normal_residual(pipeline: Pipeline) -> None:
    sums = pipeline.scorer.residual_sums()
    for image in IMAGES:
        sums.add(*pipeline.scorer.residual_of(pipeline.scorer_input(image)))
    pipeline.scorer.fit_residual(sums)


def set_normal_attention(pipeline: Pipeline) -> None:
    patch = pipeline.settings.mask.patch
    pipeline.attention.normal.learn(pipeline.attention.cells(image, patch) for image in IMAGES)


def test_the_threshold_leaves_the_budget_above_it() -> None:
    pipeline = tiny()
    set_mask_threshold(pipeline)
    cells = torch.cat([pipeline.cells(image).flatten() for image in IMAGES])
    above = (cells > pipeline.masking.threshold).float().mean().item()
    assert above == pytest.approx(TINY.mask.budget, abs=1 / len(cells) + 1e-9)


@pytest.mark.parametrize("masked", [True, False])
def test_good_images_are_on_average_as_usual(masked: bool) -> None:
    """Wherever many were excised, their own maps in units of the usual level have a mean of about one."""
    settings = replace(TINY, mask=replace(TINY.mask, enabled=masked, budget=0.5, cap=0.6))
    pipeline = tiny(settings)
    set_mask_threshold(pipeline)
    absolute = [pipeline.evidence(image) for image in IMAGES]
    set_normal_residual(pipeline)
    relative = [pipeline.evidence(image) for image in IMAGES]
    for (before, mask_before), (after, mask_after) in zip(absolute, relative, strict=True):
        for view, (was, became) in enumerate(zip(before.residuals, after.residuals, strict=True)):
            torch.testing.assert_close(became * pipeline.scorer.normal_residual[:, view : view + 1], was)
        assert torch.equal(mask_before, mask_after)
    counted = sum(int(mask.sum()) for _, mask in relative) if masked else IMAGES.numel()
    sums = [torch.cat(evidence.residuals, 1).sum(dim=(0, 2, 3)) for evidence, _ in relative]
    means = torch.stack(sums).sum(dim=0) / counted
    assert means.tolist() == pytest.approx([1] * (2 if masked else 1), rel=0.25)


def test_learning_twice_is_learning_once() -> None:
    pipeline = tiny()
    set_mask_threshold(pipeline)
    levels = []
    for _ in range(2):
        set_normal_residual(pipeline)
        levels.append(pipeline.scorer.normal_residual.clone())
    assert torch.equal(*levels) and not (levels[0] == 1).all()


def test_absolute_maps_stay_as_they_are() -> None:
    pipeline = tiny(replace(TINY, score=ScoreSettings(relative=0.0)))
    stages = set()
    learn_normal(pipeline, NORMAL, lambda stage, *_: stages.add(stage))
    assert "normal residual" not in stages and "tails" in stages
    assert (
        pipeline.scorer.normal_residual.shape == (1, 2, 1, 1) and (pipeline.scorer.normal_residual == 1).all()
    )


def test_many_images_are_sampled_from_first_to_last() -> None:
    read = []

    def image(index: int) -> torch.Tensor:
        read.append(index)
        return IMAGES[index % len(IMAGES)]

    done = []
    for _ in NormalImages(5000, image)(lambda *counts: done.append(counts)):
        pass
    assert done == [(number, MOST_IMAGES) for number in range(1, MOST_IMAGES + 1)]
    assert len(read) == MOST_IMAGES and (read[0], read[-1]) == (0, 4999)
    assert np.ptp(np.diff(read)) <= 1


def test_images_of_another_size_are_refused() -> None:
    with pytest.raises(ValueError, match=r"\(48, 40\)"):
        tiny()(torch.rand(1, 1, 64, 64))


def test_usual_attention_leaves_good_images_at_zero_with_a_spread_below_one() -> None:
    pipeline = tiny()
    raw = torch.cat([pipeline.cells(image) for image in IMAGES])
    set_normal_attention(pipeline)
    level, spread = pipeline.attention.normal.mean.clone(), pipeline.attention.normal.std.clone()
    cells = torch.cat([pipeline.cells(image) for image in IMAGES])
    torch.testing.assert_close(cells, (raw - level) / spread)
    # Neighbours are pooled, so a cell's own mean is near zero, and all together are at it.
    assert cells.mean().abs() < 0.1 and 0 < cells.std() < 1.2
    set_normal_attention(pipeline)
    torch.testing.assert_close(pipeline.attention.normal.mean, level)
    torch.testing.assert_close(pipeline.attention.normal.std, spread)


def test_absolute_attention_stays_as_the_network_gives_it() -> None:
    pipeline = tiny(replace(TINY, attention=AttentionSettings(relative=False)))
    learn_attention(pipeline, NORMAL)
    assert (pipeline.attention.normal.mean == 0).all() and (pipeline.attention.normal.std == 1).all()


def test_tails_are_left_alone_where_the_residual_speaks_alone() -> None:
    pipeline = tiny(replace(TINY, score=replace(TINY.score, evidence="residual")))
    learn_normal(pipeline, NORMAL)
    assert (pipeline.scorer.tails == 1).all() and not (pipeline.scorer.normal_residual == 1).all()


def test_all_that_is_learnt_tells_how_far_it_is() -> None:
    stages: dict[str, list[tuple[int, int]]] = {}

    def stage(name: str, done: int, total: int) -> None:
        watched(name, done, total)
        stages.setdefault(name, []).append((done, total))

    pipeline = tiny()
    learn_normal(pipeline, NORMAL, stage)
    assert list(stages) == [
        "normal attention",
        "normal features",
        "normal residual",
        "tails",
    ]
    assert all(counts[-1] == (len(IMAGES), len(IMAGES)) for counts in stages.values())

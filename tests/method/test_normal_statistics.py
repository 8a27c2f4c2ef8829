"""What good images are asked: mask threshold and usual level, against direct computations."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from excision.method.attention.model import Attention
from excision.method.normal_statistics import (
    MOST_IMAGES,
    set_mask_threshold,
    set_tails,
    set_usual_attention,
    set_usual_level,
)
from excision.method.pipeline import Pipeline
from excision.settings import AttentionSettings, ImageSettings, RecoverySettings, ScoreSettings, Settings

SIZE = (48, 40)
TINY = Settings(
    image=ImageSettings(SIZE, 1),
    recovery=RecoverySettings(width=2, depth=2),
    score=ScoreSettings(relative=3.0),
)
IMAGES = torch.rand(7, 1, 1, *SIZE, generator=torch.Generator().manual_seed(1))


def tiny(settings: Settings = TINY) -> Pipeline:
    torch.manual_seed(0)
    return Pipeline(settings, Attention("surface")).eval()


def ignore(done: int, total: int) -> None:
    assert 0 < done <= total


def test_the_threshold_leaves_the_budget_above_it() -> None:
    pipeline = tiny()
    set_mask_threshold(pipeline, lambda index: IMAGES[index], len(IMAGES), ignore)
    cells = torch.cat([pipeline.cells(image).flatten() for image in IMAGES])
    above = (cells > pipeline.mask_threshold).float().mean().item()
    assert above == pytest.approx(TINY.mask.budget, abs=1 / len(cells) + 1e-9)


@pytest.mark.parametrize("masked", [True, False])
def test_good_images_are_on_average_as_usual(masked: bool) -> None:
    """Wherever many were excised, their own maps in units of the usual level have a mean of about one."""
    settings = replace(TINY, mask=replace(TINY.mask, enabled=masked, budget=0.5, cap=0.6))
    pipeline = tiny(settings)
    set_mask_threshold(pipeline, lambda index: IMAGES[index], len(IMAGES), ignore)
    absolute = [pipeline.evidence(image) for image in IMAGES]
    set_usual_level(pipeline, lambda index: IMAGES[index], len(IMAGES), ignore)
    relative = [pipeline.evidence(image) for image in IMAGES]
    for (before, mask_before), (after, mask_after) in zip(absolute, relative, strict=True):
        for view, (was, became) in enumerate(zip(before.residuals, after.residuals, strict=True)):
            torch.testing.assert_close(became * pipeline.usual[:, view : view + 1], was)
        assert torch.equal(mask_before, mask_after)
    counted = sum(int(mask.sum()) for _, mask in relative) if masked else IMAGES.numel()
    sums = [torch.cat(evidence.residuals, 1).sum(dim=(0, 2, 3)) for evidence, _ in relative]
    means = torch.stack(sums).sum(dim=0) / counted
    assert means.tolist() == pytest.approx([1] * (2 if masked else 1), rel=0.25)


def test_learning_twice_is_learning_once() -> None:
    pipeline = tiny()
    set_mask_threshold(pipeline, lambda index: IMAGES[index], len(IMAGES), ignore)
    levels = []
    for _ in range(2):
        set_usual_level(pipeline, lambda index: IMAGES[index], len(IMAGES), ignore)
        levels.append(pipeline.usual.clone())
    assert torch.equal(*levels) and not (levels[0] == 1).all()


def test_absolute_maps_ask_nothing() -> None:
    pipeline = tiny(replace(TINY, score=ScoreSettings(relative=0.0)))
    set_usual_level(pipeline, lambda _: pytest.fail("an image was read"), 5, ignore)
    assert pipeline.usual.shape == (1, 2, 1, 1) and (pipeline.usual == 1).all()


def test_many_images_are_sampled_from_first_to_last() -> None:
    read = []

    def image(index: int) -> torch.Tensor:
        read.append(index)
        return IMAGES[index % len(IMAGES)]

    set_mask_threshold(tiny(), image, 5000, ignore)
    assert len(read) == MOST_IMAGES and (read[0], read[-1]) == (0, 4999)
    assert np.ptp(np.diff(read)) <= 1


def test_images_of_another_size_are_refused() -> None:
    with pytest.raises(ValueError, match=r"\(48, 40\)"):
        tiny()(torch.rand(1, 1, 64, 64))


def test_usual_attention_leaves_good_images_at_zero_with_a_spread_below_one() -> None:
    pipeline = tiny()
    raw = torch.cat([pipeline.cells(image) for image in IMAGES])
    set_usual_attention(pipeline, lambda index: IMAGES[index], len(IMAGES), ignore)
    level, spread = pipeline.level.clone(), pipeline.spread.clone()
    cells = torch.cat([pipeline.cells(image) for image in IMAGES])
    torch.testing.assert_close(cells, (raw - level) / spread)
    # Neighbours are pooled, so a cell's own mean is near zero, and all together are at it.
    assert cells.mean().abs() < 0.1 and 0 < cells.std() < 1.2
    set_usual_attention(pipeline, lambda index: IMAGES[index], len(IMAGES), ignore)
    torch.testing.assert_close(pipeline.level, level)
    torch.testing.assert_close(pipeline.spread, spread)


def test_absolute_attention_stays_as_the_network_gives_it() -> None:
    pipeline = tiny(replace(TINY, attention=AttentionSettings(relative=False)))
    set_usual_attention(pipeline, lambda _: pytest.fail("an image was read"), 5, ignore)
    assert (pipeline.level == 0).all() and (pipeline.spread == 1).all()


def test_tails_are_those_of_the_largest_evidence() -> None:
    pipeline = tiny()
    set_usual_attention(pipeline, lambda index: IMAGES[index], len(IMAGES), ignore)
    set_mask_threshold(pipeline, lambda index: IMAGES[index], len(IMAGES), ignore)
    set_tails(pipeline, lambda index: IMAGES[index], len(IMAGES), ignore)
    found = [pipeline.evidence(image)[0] for image in IMAGES]
    kinds = [[each.max() for each in (*evidence.residuals, evidence.attention)] for evidence in found]
    for row, values in enumerate(zip(*kinds, strict=True)):
        largest = np.sort([value.item() for value in values])
        median = largest[len(largest) // 2]
        excess = np.mean(largest[len(largest) // 2 + 1 :] - median)
        np.testing.assert_allclose(pipeline.tails[row].numpy(), (median, excess), rtol=1e-5)


def test_tails_are_left_alone_where_the_residual_speaks_alone() -> None:
    pipeline = tiny(replace(TINY, score=replace(TINY.score, evidence="residual")))
    set_tails(pipeline, lambda _: pytest.fail("an image was read"), 5, ignore)
    assert (pipeline.tails == 1).all()

"""Tuning the attention: it learns, it is seeded, it resumes, and it keeps what it knew."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from excision.method.attention.model import Attention
from excision.method.attention.tuning.lessons import LessonSource
from excision.method.attention.tuning.training import tune
from excision.method.run_folder import TUNING

SIZE = (64, 64)


def source(seed: int = 0) -> LessonSource:
    rng = np.random.default_rng(2)
    images = []
    for _ in range(4):
        rows = rng.normal(0.5, 0.08, (SIZE[0], 1, 1)) + rng.normal(0, 0.01, (*SIZE, 1))
        images.append((65535 * rows.clip(0, 1)).astype(np.uint16))
    return LessonSource(4, lambda index: images[index], SIZE, seed, replay=0.3)


def tuned(steps: int, folder: Path | None = None, interrupt_at: int | None = None) -> dict[str, torch.Tensor]:
    attention = Attention.pretrained("surface")

    def progress(done: int, total: int, figures: dict[str, float]) -> None:
        assert done <= total and np.isfinite(figures["loss"])
        if done == interrupt_at:
            raise KeyboardInterrupt

    tune(attention, source(), steps, 100, folder, progress)
    assert not any(parameter.requires_grad for parameter in attention.parameters())
    return {name: value.clone() for name, value in attention.state_dict().items()}


def test_an_interrupted_tuning_ends_with_the_same_bits(tmp_path: Path) -> None:
    whole = tuned(4)
    with pytest.raises(KeyboardInterrupt):
        tuned(4, folder=tmp_path, interrupt_at=2)
    assert (tmp_path / TUNING).is_file()
    resumed = tuned(4, folder=tmp_path)
    for name, value in whole.items():
        assert torch.equal(resumed[name], value), name


def test_tuning_lowers_the_loss_on_new_lessons() -> None:
    from excision.method.attention.pretrain import lesson_loss

    examination = [source(seed=9).batch(step) for step in range(3)]

    def loss(attention: Attention) -> float:
        with torch.no_grad():
            return sum(lesson_loss(attention.network, lesson).item() for lesson in examination)

    attention = Attention.pretrained("surface")
    before = loss(attention)
    tune(attention, source(), 12, 100)
    assert loss(attention) < before

"""What fitting does to a pipeline, in its order: tune, look, train, and learn what is usual."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from excision.method.attention.tuning.training import tune_attention
from excision.method.normal_statistics import (
    set_familiar,
    set_mask_threshold,
    set_tails,
    set_usual_attention,
    set_usual_level,
)
from excision.method.pipeline import Pipeline
from excision.method.recovery.batches import BatchSource
from excision.method.recovery.training import train
from excision.ops.memory_format import image_tensor
from excision.training.loop import Progress
from excision.training.training_set import TrainingSet

Stage = Callable[[str, int, int], None]
Part = Callable[[int, int], None]

TUNING_STAGE = "tuning attention"
"""The stage that trains too, and counts optimiser steps."""


def train_pipeline(
    pipeline: Pipeline,
    data: TrainingSet,
    device: torch.device,
    run: Path | None = None,
    progress: Progress | None = None,
    stage: Stage | None = None,
) -> None:
    """Tune the attention, choose the mask threshold, and train the recovery.

    Args:
        pipeline: freshly built, on `device`; changed in place.
        data: what is trained on.
        device: where it computes.
        run: folder for checkpoints and log; None keeps none.
        progress: called as (finished steps, total steps, figures) in training.
        stage: called as (what, done, all) in all else.

    Raises:
        ModelError: the training went astray, or the checkpoint is damaged.
    """
    settings = pipeline.settings

    def chosen_cells(image: NDArray[np.uint16]) -> NDArray[np.bool_]:
        with torch.no_grad():
            cells = pipeline.choose(pipeline.cells(image_tensor(image, device)))
        chosen: NDArray[np.bool_] = cells[0, 0].cpu().numpy()
        return chosen

    if settings.mask.enabled:
        tune_attention(pipeline, data, settings, run, part(stage, TUNING_STAGE))
        read, count = _reader(data, device), len(data.training)
        set_usual_attention(pipeline, read, count, part(stage, "usual attention"))
        set_mask_threshold(pipeline, read, count, part(stage, "mask threshold"))
    source = BatchSource(len(data.training), data.read, chosen_cells, settings.mask, settings.training)
    train(pipeline.recovery, source, settings, device, run, progress)


def learn_usual(
    pipeline: Pipeline, data: TrainingSet, device: torch.device, stage: Stage | None = None
) -> None:
    """Learn from what was trained on how large all evidence usually is.

    Args:
        pipeline: trained, on `device`; changed in place.
        data: what was trained on.
        device: where it computes.
        stage: called as (what, done, all).
    """
    read, count = _reader(data, device), len(data.training)
    set_familiar(pipeline, read, count, part(stage, "familiar features"))
    set_usual_level(pipeline, read, count, part(stage, "usual residual"))
    set_tails(pipeline, read, count, part(stage, "usual maxima"))


def part(stage: Stage | None, what: str) -> Part:
    """Give a callback for one stage that takes (done, all)."""
    return partial(stage, what) if stage is not None else lambda *_: None


def _reader(data: TrainingSet, device: torch.device) -> Callable[[int], torch.Tensor]:
    return lambda index: image_tensor(data.read(index), device)

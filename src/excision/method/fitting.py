"""What fitting does to a pipeline, in its order: tune, look, train, and learn what is usual."""

from __future__ import annotations

from collections.abc import Callable
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
from excision.progress import StageProgress, TrainingProgress, of_stage
from excision.training.training_set import TrainingSet

TUNING_STAGE = "tuning attention"
"""The stage that trains too, and counts optimiser steps."""


def train_pipeline(
    pipeline: Pipeline,
    data: TrainingSet,
    device: torch.device,
    run: Path | None = None,
    progress: TrainingProgress | None = None,
    stage: StageProgress | None = None,
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
            cells = pipeline.select_cells(pipeline.cells(image_tensor(image, device)))
        chosen: NDArray[np.bool_] = cells[0, 0].cpu().numpy()
        return chosen

    if settings.mask.enabled:
        tune_attention(pipeline.attention, data, settings, run, of_stage(stage, TUNING_STAGE))
        read, count = _reader(data, device), len(data.training)
        set_usual_attention(pipeline, read, count, of_stage(stage, "usual attention"))
        set_mask_threshold(pipeline, read, count, of_stage(stage, "mask threshold"))
    source = BatchSource(len(data.training), data.read, chosen_cells, settings.mask, settings.training)
    train(pipeline.recovery, source, settings, device, run, progress)


def learn_usual(
    pipeline: Pipeline, data: TrainingSet, device: torch.device, stage: StageProgress | None = None
) -> None:
    """Learn from what was trained on how large all evidence usually is.

    Args:
        pipeline: trained, on `device`; changed in place.
        data: what was trained on.
        device: where it computes.
        stage: called as (what, done, all).
    """
    read, count = _reader(data, device), len(data.training)
    set_familiar(pipeline, read, count, of_stage(stage, "familiar features"))
    set_usual_level(pipeline, read, count, of_stage(stage, "usual residual"))
    set_tails(pipeline, read, count, of_stage(stage, "usual maxima"))


def _reader(data: TrainingSet, device: torch.device) -> Callable[[int], torch.Tensor]:
    return lambda index: image_tensor(data.read(index), device)

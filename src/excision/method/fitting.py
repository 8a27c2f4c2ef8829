"""Training of a pipeline: tune the attention, set the mask threshold, and train the recovery."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from excision.method.attention.tuning.training import tune_attention
from excision.method.normal_images import NormalImages
from excision.method.normal_statistics import learn_attention
from excision.method.pipeline import Pipeline
from excision.method.recovery.batches import BatchSource
from excision.method.recovery.training import train
from excision.ops.memory_format import image_tensor
from excision.progress import StageProgress, TrainingProgress, of_stage
from excision.training.training_set import TrainingSet

TUNING_STAGE = "tuning attention"
"""Name of the tuning stage, which also trains and counts optimiser steps."""


def train_pipeline(
    pipeline: Pipeline,
    data: TrainingSet,
    device: torch.device,
    run: Path | None = None,
    progress: TrainingProgress | None = None,
    stage: StageProgress | None = None,
) -> None:
    """Tune the attention, set the mask threshold, and train the recovery.

    Args:
        pipeline: freshly built, on `device`; changed in place.
        data: the training images.
        device: device that the pipeline is on.
        run: folder for checkpoints and log; None writes neither.
        progress: called with (finished steps, total steps, figures) in training.
        stage: called with (stage, done, total) in all other stages.

    Raises:
        ModelError: the loss is not finite, or the checkpoint is damaged.
    """
    settings = pipeline.settings

    def selected_cells(image: NDArray[np.uint16]) -> NDArray[np.bool_]:
        cells = pipeline.masking.select(pipeline.cells(image_tensor(image, device)))
        selected: NDArray[np.bool_] = cells[0, 0].cpu().numpy()
        return selected

    if settings.mask.enabled:
        tune_attention(pipeline.attention, data, settings, run, of_stage(stage, TUNING_STAGE))
        learn_attention(pipeline, NormalImages.of(data, device), stage)
    source = BatchSource(len(data.training), data.read, selected_cells, settings.mask, settings.training)
    train(pipeline.recovery, source, settings, device, run, progress)

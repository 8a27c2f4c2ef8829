"""The steps of fitting a pipeline, in order: tune the attention, train the recovery, learn the scoring."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from excision.method.attention.tuning.training import tune_attention
from excision.method.pipeline import Pipeline
from excision.method.recovery.batches import BatchSource
from excision.method.recovery.training import train
from excision.ops.memory_format import image_tensor
from excision.progress import Progress, StageProgress, TrainingProgress, of_stage
from excision.training.training_set import TrainingSet

# Enough for any quantile over cells, and few enough to be fast on a large data set.
MOST_IMAGES = 256

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


def learn_attention(pipeline: Pipeline, normal: NormalImages, stage: StageProgress | None = None) -> None:
    """Learn the normal attention of each cell (unless attention stays absolute) and the mask threshold.

    Args:
        pipeline: pipeline with tuned attention; changed in place.
        normal: images to learn from.
        stage: called with (stage, done, total).
    """
    settings = pipeline.settings
    if settings.attention.relative:
        images = normal(of_stage(stage, "normal attention"))
        absolute = (pipeline.attention.cells(image, settings.mask.patch) for image in images)
        pipeline.attention.normal.learn(absolute)
    pipeline.masking.learn(map(pipeline.cells, normal(of_stage(stage, "mask threshold"))))


def learn_scoring(pipeline: Pipeline, normal: NormalImages, stage: StageProgress | None = None) -> None:
    """Learn how large each kind of evidence is on normal images.

    Args:
        pipeline: trained pipeline; changed in place.
        normal: images to learn from.
        stage: called with (stage, done, total).
    """
    scorer = pipeline.scorer
    scorer.learn_features(lambda: normal(of_stage(stage, "normal features")))
    scorer.learn_residual(map(pipeline.scorer_input, normal(of_stage(stage, "normal residual"))))
    scorer.learn_tails(map(pipeline.scorer_input, normal(of_stage(stage, "tails"))))


class NormalImages:
    """At most `MOST_IMAGES` training images, evenly spread over the data; can be iterated repeatedly.

    Args:
        count: number of training images.
        read: returns a training image (1, C, H, W) in [0, 1] by its index.
    """

    def __init__(self, count: int, read: Callable[[int], Tensor]) -> None:
        self._read = read
        self._chosen = np.unique(np.linspace(0, count - 1, min(count, MOST_IMAGES)).round().astype(int))

    @classmethod
    def of(cls, data: TrainingSet, device: torch.device) -> NormalImages:
        """Take the images of a training set, moved to a device."""
        return cls(len(data.training), lambda index: image_tensor(data.read(index), device))

    def __call__(self, progress: Progress) -> Iterator[Tensor]:
        """Iterate over the images; each is read only when it is needed.

        Args:
            progress: called with (done, total).
        """
        for done, index in enumerate(self._chosen, start=1):
            yield self._read(int(index))
            progress(done, len(self._chosen))

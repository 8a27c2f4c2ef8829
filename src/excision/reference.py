"""What good images are asked before and after training: how much attention and what residual are usual."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor

from excision.pipeline import Pipeline
from excision.scoring import usual_level

# Enough for any quantile of cells, and few enough that a large data set does not make the user wait.
MOST_IMAGES = 256

Progress = Callable[[int, int], None]


def set_mask_threshold(
    pipeline: Pipeline, read: Callable[[int], Tensor], count: int, progress: Progress
) -> None:
    """Take the quantile of attention at which an average training image loses the budget.

    Args:
        pipeline: whose threshold is set.
        read: gives a training image (1, C, H, W) in [0, 1] by its place.
        count: number of training images.
        progress: called as (done, all).
    """
    cells = [pipeline.cells(image).flatten().cpu().numpy() for image in _evenly(read, count, progress)]
    quantile = np.quantile(np.concatenate(cells), 1 - pipeline.settings.mask.budget)
    pipeline.mask_threshold = float(quantile)


def set_usual_level(
    pipeline: Pipeline, read: Callable[[int], Tensor], count: int, progress: Progress
) -> None:
    """Learn what the anomaly map usually is at each place; nothing is done where maps stay absolute.

    Args:
        pipeline: whose usual level is set.
        read: gives a training image (1, C, H, W) in [0, 1] by its place.
        count: number of training images.
        progress: called as (done, all).
    """
    if pipeline.settings.score.relative == 0:
        return
    pipeline.usual.fill_(1)
    total = torch.zeros_like(pipeline.usual, dtype=torch.float64)
    seen = torch.zeros_like(total)
    for image in _evenly(read, count, progress):
        stages = pipeline(image)
        total += stages.anomaly_map
        seen += stages.mask if pipeline.counts_inside_alone else 1
    pipeline.usual.copy_(usual_level(total, seen, pipeline.settings.score.relative))


@torch.no_grad()
def _evenly(read: Callable[[int], Tensor], count: int, progress: Progress) -> Iterator[Tensor]:
    """Give at most `MOST_IMAGES` training images, evenly spread."""
    chosen = np.unique(np.linspace(0, count - 1, min(count, MOST_IMAGES)).round().astype(int))
    for done, index in enumerate(chosen, start=1):
        yield read(int(index))
        progress(done, len(chosen))

"""What good images are asked before and after training: how much attention and what residual are usual."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor

from excision.method.pipeline import Pipeline
from excision.method.scoring.edge_features import edge_features
from excision.method.scoring.residuals import anomaly_score, mean_residual
from excision.method.scoring.surprisal import tail
from excision.ops.filters import gaussian_blur
from excision.progress import Progress

# Enough for any quantile of cells, and few enough that a large data set does not make the user wait.
MOST_IMAGES = 256

_NEIGHBOURS = 1.0  # cells, standard deviation
_LEAST_SPREAD = 0.3  # logits; a cell that was always alike is not judged by rounding
_LEFT_BY_ALIGNMENT = 0.5  # of what the place does not explain


def set_usual_attention(
    pipeline: Pipeline, read: Callable[[int], Tensor], count: int, progress: Progress
) -> None:
    """Learn what attention is usual at each cell; nothing is done where attention stays absolute.

    A cell is pooled with its neighbours, since the parts never lie quite alike.

    Args:
        pipeline: whose usual attention is set.
        read: gives a training image (1, C, H, W) in [0, 1] by its place.
        count: number of training images.
        progress: called as (done, all).
    """
    if not pipeline.settings.attention.relative:
        return
    pipeline.level.zero_()
    pipeline.spread.fill_(1)
    total, squares, seen = (torch.zeros_like(pipeline.level, dtype=torch.float64) for _ in range(3))
    for image in _evenly(read, count, progress):
        cells = pipeline.cells(image)
        total += cells
        squares += cells.double().square()
        seen += 1
    deviation = (squares / seen - (total / seen).square()).clamp_min(0).sqrt()
    pipeline.level.copy_(gaussian_blur(total / seen, _NEIGHBOURS))
    pipeline.spread.copy_(gaussian_blur(deviation, _NEIGHBOURS) + _LEAST_SPREAD)


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
    """Learn what the residual usually is at each place; nothing is done where it stays absolute.

    Args:
        pipeline: whose usual level is set.
        read: gives a training image (1, C, H, W) in [0, 1] by its place.
        count: number of training images.
        progress: called as (done, all).
    """
    if pipeline.settings.score.relative == 0:
        return
    pipeline.usual.fill_(1)
    usual = pipeline.usual[:, : pipeline.residuals]
    total = torch.zeros_like(usual, dtype=torch.float64)
    seen = torch.zeros_like(total[:, :1])
    for image in _evenly(read, count, progress):
        evidence, mask = pipeline.evidence(image)
        total += torch.cat(evidence.residuals, dim=1)
        seen += mask if pipeline.counts_inside_alone else 1
    usual.copy_(mean_residual(total, seen, pipeline.settings.score.relative))


def set_familiar(pipeline: Pipeline, read: Callable[[int], Tensor], count: int, progress: Progress) -> None:
    """Learn which features are usual at each place, where that is to count.

    A place is one of the image; or one of the part, if that explains so much more of the features that at
    most half of what was unexplained is left. On a surface without a shape to align there is no such gain.

    Args:
        pipeline: whose familiar features and alignment are set; None where they are not worth counting.
        read: gives a training image (1, C, H, W) in [0, 1] by its place.
        count: number of training images.
        progress: called as (done, all), anew for each of the five times that the images are gone through.
    """
    pipeline.familiar = pipeline.alignment = None
    familiar, aligned = pipeline.new_familiar(), pipeline.new_familiar()
    if familiar is None or aligned is None:
        return
    familiar.learn(lambda: map(edge_features, _evenly(read, count, progress)))
    if pipeline.settings.score.align:
        alignment = pipeline.new_alignment()
        alignment.learn(_evenly(read, count, progress))

        def as_it_lies(image: Tensor) -> Tensor:
            return edge_features(alignment.align(image, alignment(image)))

        aligned.learn(lambda: map(as_it_lies, _evenly(read, count, progress)))
        if 1 - aligned.explained_variance < _LEFT_BY_ALIGNMENT * (1 - familiar.explained_variance):
            pipeline.alignment, familiar = alignment, aligned
    if familiar.counts:
        pipeline.familiar = familiar


def set_tails(pipeline: Pipeline, read: Callable[[int], Tensor], count: int, progress: Progress) -> None:
    """Learn how large the largest of each residual and the largest attention of a good image are.

    Args:
        pipeline: whose tails are set; its usual level and usual attention are.
        read: gives a training image (1, C, H, W) in [0, 1] by its place.
        count: number of training images.
        progress: called as (done, all).
    """
    if not pipeline.counts_attention:
        return
    top = pipeline.settings.score.top
    largest = []
    for image in _evenly(read, count, progress):
        evidence, _ = pipeline.evidence(image)
        parts = (*evidence.residuals, evidence.attention)
        largest.append(torch.cat([anomaly_score(part, top) for part in parts]))
    pipeline.tails.copy_(torch.tensor([tail(each) for each in torch.stack(largest, dim=1)]))


@torch.no_grad()
def _evenly(read: Callable[[int], Tensor], count: int, progress: Progress) -> Iterator[Tensor]:
    """Give at most `MOST_IMAGES` training images, evenly spread."""
    chosen = np.unique(np.linspace(0, count - 1, min(count, MOST_IMAGES)).round().astype(int))
    for done, index in enumerate(chosen, start=1):
        yield read(int(index))
        progress(done, len(chosen))

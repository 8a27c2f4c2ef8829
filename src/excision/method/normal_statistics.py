"""The normal statistics of a pipeline, and copies of them that each leave one fold of the images out.

What training does not adapt by gradients is learnt here, in one pass after another over the same images:
normal attention and mask threshold, feature distances, normal residual, and the tails of the evidence.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Sequence
from typing import TypeVar

import torch
from torch import Tensor, nn

from excision.method.normal_images import NormalImages
from excision.method.pipeline import Pipeline
from excision.method.scoring.evidence import Largest
from excision.progress import StageProgress, of_stage
from excision.training.side_by_side import several_at_once, side_by_side

T = TypeVar("T")


def learn_attention(
    pipeline: Pipeline, normal: NormalImages, stage: StageProgress | None = None
) -> list[Tensor]:
    """Learn the normal attention of each cell (unless attention stays absolute) and the mask threshold.

    Args:
        pipeline: pipeline with tuned attention; changed in place.
        normal: images to learn from.
        stage: called with (stage, done, total).

    Returns:
        The absolute attention (1, 1, h, w) of each image.
    """
    with several_at_once(_device(pipeline)) as count:
        return _learn_attention(pipeline, normal, stage, count)


def learn_normal(
    pipeline: Pipeline, normal: NormalImages, stage: StageProgress | None = None
) -> list[Pipeline]:
    """Learn all normal statistics, with tails cross-fitted over folds of whole groups.

    The evidence of an image would be underestimated by statistics that the image, or another one of its
    group, took part in. The tails are therefore those of evidence by copies of the pipeline whose statistics
    leave the fold of the image out (cross-fitting; Chernozhukov et al., "Double/debiased machine learning",
    Econometrics Journal 21, 2018). The networks, the alignment, and whether features are compared at all are
    the same in every copy.

    Args:
        pipeline: trained pipeline; changed in place.
        normal: images to learn from.
        stage: called with (stage, done, total).

    Returns:
        The copy for each fold. It shares the networks, and its tails leave the fold out, too. The list is
        empty if there is only one image.
    """
    with several_at_once(_device(pipeline)) as count:
        absolute = _learn_attention(pipeline, normal, stage, count)
        copies = _learn_features(pipeline, normal, absolute, stage, count)
        _learn_residual(pipeline, copies, normal, absolute, stage, count)
        _learn_tails(pipeline, copies, normal, absolute, stage, count)
    return copies


def with_own_statistics(pipeline: Pipeline) -> Pipeline:
    """Copy what `learn_normal` changes in a pipeline; the networks stay shared."""
    features = pipeline.scorer.network
    backbone = () if features is None else (features.backbone,)
    return _sharing(pipeline, pipeline.attention.network, pipeline.recovery, *backbone)


def _learn_attention(
    pipeline: Pipeline, normal: NormalImages, stage: StageProgress | None, count: int
) -> list[Tensor]:
    """Learn as `learn_attention` does, from `count` images at once."""
    images = normal(of_stage(stage, "normal attention"))
    absolute = list(side_by_side(pipeline.absolute_cells, images, count))
    _fit_attention(pipeline, absolute)
    return absolute


def _learn_features(
    pipeline: Pipeline,
    normal: NormalImages,
    absolute: Sequence[Tensor],
    stage: StageProgress | None,
    count: int,
) -> list[Pipeline]:
    """Learn which features are normal; return the copy of the pipeline for each fold."""
    moments = pipeline.scorer.learn_features(
        lambda: normal(of_stage(stage, "normal features")),
        normal.folds,
        lambda image: pipeline.look(image).features,
        count,
    )
    copies = [_sharing_networks(pipeline) for _ in range(normal.fold_count if normal.fold_count > 1 else 0)]
    for fold, each in enumerate(copies):
        _fit_attention(each, _without(fold, absolute, normal.folds))
        each.scorer.fit_features(moments.without(fold))
    return copies


def _fit_attention(pipeline: Pipeline, absolute: Sequence[Tensor]) -> None:
    if not pipeline.settings.mask.enabled:
        return
    normal = pipeline.attention.normal
    if pipeline.settings.attention.relative:
        normal.learn(absolute)
    pipeline.masking.learn(map(normal, absolute))


def _learn_residual(
    pipeline: Pipeline,
    copies: Sequence[Pipeline],
    normal: NormalImages,
    absolute: Sequence[Tensor],
    stage: StageProgress | None,
    count: int,
) -> None:
    """Learn the normal residual of the pipeline and of each copy; a copy recovers with its own masks."""
    if pipeline.settings.score.relative == 0:
        return
    learners = [*copies, pipeline]
    sums = [each.scorer.residual_sums() for each in learners]
    images = normal(of_stage(stage, "normal residual"))
    # One image with one learner at a time, so that few residuals are held before they are added.
    shown = (
        (number, image, cells)
        for image, cells, fold in zip(images, absolute, normal.folds, strict=True)
        for number, each in enumerate(learners)
        if number != fold or each is pipeline
    )

    def residual(item: tuple[int, Tensor, Tensor]) -> tuple[int, tuple[list[Tensor], Tensor | None]]:
        number, image, cells = item
        learner = learners[number]
        return number, learner.scorer.residual_of(learner.scorer_input(image, cells, for_residual=True))

    for number, found in side_by_side(residual, shown, count):
        sums[number].add(*found)
    for each, of_it in zip(learners, sums, strict=True):
        each.scorer.fit_residual(of_it)


def _learn_tails(
    pipeline: Pipeline,
    copies: Sequence[Pipeline],
    normal: NormalImages,
    absolute: Sequence[Tensor],
    stage: StageProgress | None,
    count: int,
) -> None:
    """Learn the tails from the evidence of each image by the copy that leaves its fold out."""
    if not pipeline.scorer.counts_attention:
        return
    images = normal(of_stage(stage, "tails"))

    def judged(item: tuple[Tensor, Tensor, int]) -> Largest:
        image, cells, fold = item
        judge = copies[fold] if copies else pipeline
        return judge.scorer.largest(judge.scorer_input(image, cells))

    items = zip(images, absolute, normal.folds, strict=True)
    largest = list(side_by_side(judged, items, count))
    pipeline.scorer.fit_tails(largest)
    for fold, each in enumerate(copies):
        each.scorer.fit_tails(_without(fold, largest, normal.folds))


def _device(pipeline: Pipeline) -> torch.device:
    return next(pipeline.parameters()).device


def _sharing_networks(pipeline: Pipeline) -> Pipeline:
    """Copy the statistics of a pipeline; the networks and the alignment stay shared."""
    scorer = pipeline.scorer
    return _sharing(pipeline, pipeline.attention.network, pipeline.recovery, scorer.alignment, scorer.network)


def _sharing(pipeline: Pipeline, *parts: nn.Module | None) -> Pipeline:
    """Copy a pipeline except for parts of it."""
    return copy.deepcopy(pipeline, {id(part): part for part in parts})


def _without(fold: int, items: Iterable[T], folds: Iterable[int]) -> list[T]:
    """Return the items that are not of this fold."""
    return [item for item, its_fold in zip(items, folds, strict=True) if its_fold != fold]

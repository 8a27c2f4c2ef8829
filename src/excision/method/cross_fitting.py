"""Out-of-fold scores of the training images: each by statistics that its group took no part in."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Generic, TypeVar

import torch

from excision.method.normal_images import NormalImages
from excision.method.normal_statistics import learn_normal
from excision.method.pipeline import Pipeline
from excision.predictions import Detection
from excision.progress import StageProgress, of_stage
from excision.training.side_by_side import side_by_side
from excision.training.training_set import TrainingSet
from excision.training.usable import Picture

D = TypeVar("D", bound=Detection)
Inspect = Callable[[Pipeline, Picture], D]
"""Inspects an image with a pipeline."""


class CrossFit(Generic[D]):
    """Copies of a pipeline by which each training image is inspected as if its group were new.

    The networks are those of the pipeline: they have seen the training images, so that a good training image
    scores a little lower than a new one. What is out of fold is everything else: normal attention, mask
    threshold, feature distance, normal residual, and tails.

    Args:
        copies: what `learn_normal` returned, or the pipeline alone if that is nothing.
        fold_of: fold of each training image by name.
        inspect: inspects an image with a pipeline.
    """

    def __init__(self, copies: Sequence[Pipeline], fold_of: Mapping[str, int], inspect: Inspect[D]) -> None:
        self._copies = copies
        self._fold_of = fold_of
        self._inspect = inspect

    @classmethod
    def of(
        cls, copies: Sequence[Pipeline], normal: NormalImages, data: TrainingSet, inspect: Inspect[D]
    ) -> CrossFit[D]:
        """Take the copies that were learnt from the normal images of a training set."""
        fold_of = {name: normal.fold_of[group] for name, group in data.source_groups.items()}
        return cls(copies, fold_of, inspect)

    @property
    def is_out_of_fold(self) -> bool:
        """Whether there are copies that leave a fold out; a single training image has none."""
        return len(self._copies) > 1

    def inspect(self, name: str, picture: Picture) -> D:
        """Inspect a training image by the statistics that leave its group out.

        Raises:
            KeyError: there is no training image of this name.
            ImageError: the image cannot be read.
        """
        return self._inspect(self._copies[self._fold_of[name]], picture)

    def scores(self, data: TrainingSet, stage: StageProgress | None = None, count: int = 1) -> list[float]:
        """Return the out-of-fold anomaly score of each training image, in the order of `data.sources`.

        Args:
            data: the training images.
            stage: called with (stage, done, total).
            count: number of images that are inspected at once.

        Raises:
            ImageError: an image can no longer be read.
        """
        tell = of_stage(stage, "cross-fitted scores")
        found: list[float] = []
        named = zip(data.sources, data.training_images(), strict=True)
        for score in side_by_side(lambda each: self.inspect(*each).score, named, count):
            found.append(score)
            tell(len(found), len(data.sources))
        return found


def cross_fit(
    pipeline: Pipeline,
    data: TrainingSet,
    device: torch.device,
    inspect: Inspect[D],
    stage: StageProgress | None = None,
) -> CrossFit[D]:
    """Learn the statistics of a trained pipeline again, for each fold without its groups.

    Args:
        pipeline: trained pipeline; its own statistics are learnt again, which changes nothing if they were
            learnt from `data`.
        data: training images; tiles must be materialised.
        device: device that the pipeline is on.
        inspect: inspects an image with a pipeline.
        stage: called with (stage, done, total).
    """
    normal = NormalImages.of(data, device)
    copies = learn_normal(pipeline, normal, stage)
    return CrossFit.of(copies or [pipeline], normal, data, inspect)

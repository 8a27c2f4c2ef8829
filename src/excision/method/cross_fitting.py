"""Out-of-fold scores of the training images: each by statistics that its group took no part in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from excision.method.normal_images import NormalImages
from excision.method.normal_statistics import learn_normal
from excision.method.pipeline import Pipeline
from excision.predictions import Detection
from excision.progress import StageProgress, of_stage
from excision.training.training_set import TrainingSet
from excision.training.usable import Picture

D = TypeVar("D", bound=Detection)
Inspect = Callable[[Pipeline, Picture], D]
"""Inspects an image with a pipeline."""


@dataclass(frozen=True, slots=True)
class CrossScore:
    """How anomalous a training image is among the images of other groups.

    Attributes:
        name: name of the image.
        group: its group.
        score: its out-of-fold anomaly score.
        p_value: conformal p-value in (0, 1] of the score among the out-of-fold scores of the other groups, as
            in `cross_p_values`.
    """

    name: str
    group: str
    score: float
    p_value: float


class CrossFit(Generic[D]):
    """Copies of a pipeline by which each training image is inspected as if its group were new.

    The networks are those of the pipeline: they have seen the training images, so that a good training image
    scores a little lower than a new one. What is out of fold is everything else: normal attention, mask
    threshold, feature distance, normal residual, and tails.

    Args:
        copies: `learn_normal` of the pipeline.
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

    def inspect(self, name: str, picture: Picture) -> D:
        """Inspect a training image by the statistics that leave its group out.

        Raises:
            KeyError: there is no training image of this name.
            ImageError: the image cannot be read.
        """
        return self._inspect(self._copies[self._fold_of[name]], picture)

    def scores(self, data: TrainingSet, stage: StageProgress | None = None) -> list[float]:
        """Return the out-of-fold anomaly score of each training image, in the order of `data.sources`.

        Args:
            data: the training images.
            stage: called with (stage, done, total).

        Raises:
            ImageError: an image can no longer be read.
        """
        tell = of_stage(stage, "cross-fitted scores")
        found: list[float] = []
        for name, picture in zip(data.sources, data.training_images(), strict=True):
            found.append(self.inspect(name, picture).score)
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
        data: training images, at least two; tiles must be materialised.
        device: device that the pipeline is on.
        inspect: inspects an image with a pipeline.
        stage: called with (stage, done, total).
    """
    normal = NormalImages.of(data, device)
    copies = learn_normal(pipeline, normal, stage)
    return CrossFit.of(copies or [pipeline], normal, data, inspect)


def cross_scores(
    fit: CrossFit[D], data: TrainingSet, stage: StageProgress | None = None
) -> tuple[CrossScore, ...]:
    """Return the out-of-fold score of each training image.

    An anomaly map is not kept: `CrossFit.inspect` computes that of an image again.

    Args:
        fit: `cross_fit` on the same images.
        data: the training images.
        stage: called with (stage, done, total).

    Raises:
        ImageError: an image can no longer be read.
    """
    scores = fit.scores(data, stage)
    groups = list(data.source_groups.values())
    p_values = cross_p_values(scores, groups)
    return tuple(map(CrossScore, data.sources, groups, scores, p_values.tolist()))


def cross_p_values(scores: Sequence[float], groups: Sequence[str]) -> NDArray[np.float64]:
    """Compute the conformal p-value of each score among those of the other groups.

    Each of G groups has the weight 1 / G, divided evenly among its images; the image's own group counts as
    the new one: p = (1 + sum over the other groups of the share of scores that are at least as large) / G
    (Lee, Barber, Willett, "Distribution-free inference with hierarchical data", 2023).

    Args:
        scores: (N,) anomaly scores.
        groups: group of each.

    Returns:
        (N,) float64 in (0, 1].
    """
    values, sizes = np.asarray(scores, dtype=np.float64), Counter(groups)
    order = np.argsort(values, kind="stable")
    ascending = values[order]
    weights = np.array([1 / sizes[groups[place]] for place in order])
    # Weight of the scores from each place of the order to the end.
    beyond = np.append(weights[::-1].cumsum()[::-1], 0.0)
    reached = beyond[np.searchsorted(ascending, values, side="left")]
    own = np.empty_like(values)
    for group in sizes:
        members = np.flatnonzero(np.array([each == group for each in groups]))
        of_group = np.sort(values[members])
        own[members] = 1 - np.searchsorted(of_group, values[members], side="left") / len(members)
    return np.clip((1 + reached - own) / len(sizes), 1 / len(sizes), 1.0)

"""Cross-calibration: images that the networks were trained on help to set the threshold, too.

Held-out images are scored by the model as it is. An image that the networks were trained on is scored by
statistics that its group took no part in (`CrossFit`). The networks may remember such an image, and its score
may be too low. Whether it is shows on the held-out images, which the networks have not seen.
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from excision.errors import NetworkMemoryWarning
from excision.method.calibration import keeps_wish
from excision.method.calibration_scores import CalibrationScores, Score, held_out_scores
from excision.method.cross_fitting import CrossFit
from excision.predictions import Detection
from excision.progress import StageProgress
from excision.settings import Settings
from excision.training.training_set import TrainingSet

LEVEL = 0.05
"""Probability at which scores of training images count as too low, and held-out images calibrate alone."""

_SHUFFLES = 1999

D = TypeVar("D", bound=Detection)


def with_cross_calibration(data: TrainingSet, settings: Settings) -> TrainingSet:
    """Let the training images calibrate as well, where the held-out images cannot promise the wanted rate.

    Args:
        data: images of a training; unchanged.
        settings: settings of its calibration.
    """
    chosen = settings.calibration
    if not chosen.cross_fit or chosen.folds:
        return data
    sizes = list(Counter(data.groups[name] for name in data.calibration).values())
    return replace(data, cross_fits=not keeps_wish(sizes, chosen.false_alarm_rate, chosen.confidence))


def cross_calibration_scores(
    data: TrainingSet, fit: CrossFit[D], score: Score, stage: StageProgress | None, count: int = 1
) -> CalibrationScores:
    """Score training and held-out images; only the latter are returned if the networks remember the former.

    Args:
        data: images of a training.
        fit: inspects each training image by statistics that its group took no part in.
        score: scores a held-out image.
        stage: called with (stage, done, total).
        count: number of images that are scored at once.

    Raises:
        ImageError: an image can no longer be read.
    """
    seen = fit.scores(data, stage, count)
    new = held_out_scores(data, score, stage, count)
    seen_groups = [data.groups[name] for name in data.sources]
    chance = memory_p_value(seen, seen_groups, new.scores, new.groups)
    if chance < LEVEL:
        warnings.warn(
            "training images score lower than held-out ones, so the networks may remember them "
            f"(permutation test, p = {chance:.2g}). The held-out images alone set the threshold",
            NetworkMemoryWarning,
            stacklevel=2,
        )
        return new
    names = (*data.sources, *new.names)
    return CalibrationScores.of([*seen, *new.scores], names, data, cross_fitted=len(seen))


def memory_p_value(
    seen: Sequence[float], seen_groups: Sequence[str], new: Sequence[float], new_groups: Sequence[str]
) -> float:
    """Test whether images that the networks were trained on score lower than those that they have not seen.

    A permutation test by groups: how often the mean rank of the scores of new groups is at least as large if
    the groups are dealt out at random (Pitman, "Significance tests which may be applied to samples from any
    populations", Supplement to the Journal of the Royal Statistical Society 4, 1937).

    Args:
        seen: out-of-fold scores of images that the networks were trained on.
        seen_groups: group of each.
        new: scores of images that were held out.
        new_groups: group of each; none of them is among `seen_groups`.

    Returns:
        The p-value, above 0 and at most 1. It is small if memory shows.
    """
    ranks = _ranks(np.array([*seen, *new], dtype=np.float64))
    names, numbers = np.unique([*seen_groups, *new_groups], return_inverse=True)
    means = np.bincount(numbers, weights=ranks) / np.bincount(numbers)
    is_new = np.isin(names, np.array(list(new_groups)))
    count = int(is_new.sum())
    found = means[is_new].mean()
    rng = np.random.default_rng(0)
    shuffled = [rng.permutation(means)[:count].mean() for _ in range(_SHUFFLES)]
    return float((1 + np.sum(np.array(shuffled) >= found - 1e-12)) / (_SHUFFLES + 1))


def _ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give the rank of each value from 1 on; equal values have the mean of their ranks."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = counts.cumsum()
    mean: NDArray[np.float64] = ((last - counts + 1 + last) / 2)[inverse]
    return mean

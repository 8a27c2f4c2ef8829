"""Suspects: good training images that look defective, found from their out-of-fold anomaly scores."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

FALSE_DISCOVERY_RATE = 0.1
"""Largest expected share of good images among the suspects, if the tail is as assumed."""

_FROM, _TO = 0.5, 0.8
"""Quantiles between which the tail is fitted: the scores above may be those of defects."""

_FEWEST = 20
"""Fewer images do not show what is usual."""


@dataclass(frozen=True, slots=True)
class ScoredImage:
    """A good image of the training data, and its score by statistics that its group took no part in.

    Attributes:
        name: name of the image.
        score: out-of-fold anomaly score.
        part: "training" if the networks have seen it, "calibration" if it was held out.
    """

    name: str
    score: float
    part: Literal["training", "calibration"]


@dataclass(frozen=True, slots=True)
class Suspect:
    """A good image that looks defective.

    Attributes:
        name: name of the image.
        score: its out-of-fold anomaly score.
        chance: probability that a good image reaches this score, if good scores have an exponential tail.
        part: "training" or "calibration", as in `ScoredImage`.
    """

    name: str
    score: float
    chance: float
    part: Literal["training", "calibration"]


def find_suspects(images: Sequence[ScoredImage]) -> tuple[Suspect, ...]:
    """Find the images whose scores are out of line with those of the others, strongest first.

    The tail of the good scores is taken to be exponential above their median. Its scale follows from the
    quantiles at 50 and 80 %, so that defects among the images do not move it as long as they are fewer than
    one in five. Of the resulting p-values, those are kept that the procedure of Benjamini and Hochberg keeps
    at a false discovery rate of 10 % ("Controlling the false discovery rate", Journal of the Royal
    Statistical Society B 57, 1995). Where good scores have a heavier tail, good images are among the
    suspects: a person decides.

    Args:
        images: all good images; from fewer than 20, nothing is concluded.
    """
    if len(images) < _FEWEST:
        return ()
    p_values = tail_p_values([image.score for image in images])
    chosen = p_values <= _largest_kept(p_values)
    found = [
        Suspect(image.name, image.score, float(p_value), image.part)
        for image, p_value, keep in zip(images, p_values, chosen, strict=True)
        if keep
    ]
    return tuple(sorted(found, key=lambda suspect: (-suspect.score, suspect.name)))


def tail_p_values(scores: Sequence[float]) -> NDArray[np.float64]:
    """Compute the probability of each score by an exponential tail fitted to the middle of the scores.

    With the quantiles a at 50 % and b at 80 %, the scale is (b - a) / ln(0.5 / 0.2), and the p-value of a
    score s above a is 0.5 exp(-(s - a) / scale).

    Args:
        scores: (N,) finite anomaly scores.

    Returns:
        (N,) in (0, 1]; 1 at the median and below.
    """
    values = np.asarray(scores, dtype=np.float64)
    start, end = np.quantile(values, [_FROM, _TO])
    scale = max(float(end - start) / math.log((1 - _FROM) / (1 - _TO)), 1e-9 * max(1.0, abs(float(start))))
    tail = (1 - _FROM) * np.exp(-np.clip((values - start) / scale, 0, 700))
    return np.where(values > start, tail, 1.0)


def _largest_kept(p_values: NDArray[np.float64]) -> float:
    """Return the largest p-value that Benjamini and Hochberg keep; -1 if they keep none."""
    ascending = np.sort(p_values)
    limits = FALSE_DISCOVERY_RATE * np.arange(1, len(ascending) + 1) / len(ascending)
    kept = ascending[ascending <= limits]
    return float(kept[-1]) if len(kept) else -1.0

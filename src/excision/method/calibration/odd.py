"""An odd image among the good ones: its score is out of line with the tail of the others."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from excision.method.calibration.limits import FloatArray

LEVEL = 0.005
"""Chance at which the largest of scores with an exponential tail is called odd."""

SHARE = 0.05
"""Share of 1 - confidence that is spent on passing over an odd image."""

_FEWEST, _MOST = 3, 20
"""Spacings below the largest score that tell the scale of the tail."""

FEWEST_GROUPS = 2 * _FEWEST
"""Groups from which on one can be called odd."""


@dataclass(frozen=True, slots=True)
class Odd:
    """An image whose score is far above those of the other groups.

    Attributes:
        name: of the image, where known.
        score: its score, the largest of all.
        next_score: the largest score of the other groups.
        chance: probability of so large a gap if the tail of the scores is exponential.
        passed_over: whether the threshold passes over its group.
        other_threshold: threshold if that were decided the other way.
        other_rate: rate that this other threshold would promise, with the same confidence.
    """

    name: str | None
    score: float
    next_score: float
    chance: float
    passed_over: bool
    other_threshold: float
    other_rate: float


def gap_chance(largest: FloatArray) -> float:
    """Give the probability of a gap as large as that between the largest value and the next.

    The spacings of an exponential tail, each times its rank from the top, are independent and exponential
    with the same mean (Sukhatme, "Tests of significance for samples of the chi-square population with two
    degrees of freedom", Annals of Eugenics 8, 1937). So the gap over the mean of the m spacings below it
    follows F(2, 2 m), which exceeds f with probability (1 + f / m) to the power -m. The m spacings are those
    of the upper half of the values, at most 20.

    Args:
        largest: (G,) largest score of each group.

    Returns:
        0 to 1; 1 if there are too few groups to tell.
    """
    values = np.sort(largest)[::-1]
    count = min(_MOST, len(values) // 2)
    if count < _FEWEST:
        return 1.0
    ranks = np.arange(2, count + 2)
    spread = float((ranks * (values[1 : count + 1] - values[2 : count + 2])).sum())
    gap = float(values[0] - values[1])
    if gap <= 0:
        return 1.0
    return float((1 + gap / spread) ** -count) if spread > 0 else 0.0

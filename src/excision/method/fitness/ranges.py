"""The range of one statistic over training images, and how far outside an image is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

_TAIL, _FAR_TAIL = 0.05, 0.01
"""Shares of the images on either side that the unit is read from. The outermost image never counts: one odd
image must not decide what is usual."""

_FAR = 3.0
"""Deviation of the value at the far tail at most, however heavy the tails are."""

_FEWEST = 4
"""Images from which on the outermost does not count."""


@dataclass(frozen=True, slots=True)
class Range:
    """What training images show of one statistic.

    Attributes:
        centre: median.
        below: unit of deviations below the median: robust standard deviation, at least the floor.
        above: the same above the median.
        least: smallest value of a training image.
        most: largest value of a training image.
    """

    centre: float
    below: float
    above: float
    least: float
    most: float

    @classmethod
    def learn(cls, values: Sequence[float], floor: float) -> Range:
        """Learn from the values of training images, at least one.

        Args:
            values: one value per image.
            floor: smallest unit: what varies from day to day even if few images do not show it.
        """
        ordered = np.sort(np.asarray(values, dtype=np.float64))
        centre = float(np.median(ordered))
        return cls(
            centre=centre,
            below=max(floor, _unit(centre - ordered)),
            above=max(floor, _unit(ordered[::-1] - centre)),
            least=float(ordered[0]),
            most=float(ordered[-1]),
        )

    def deviation(self, value: float) -> float:
        """Return how many units a value is above the median; negative below."""
        difference = value - self.centre
        return difference / (self.above if difference > 0 else self.below)


def _unit(distances: NDArray[np.float64]) -> float:
    """Return the robust standard deviation on one side of the median.

    Args:
        distances: (N,) distances of all values to that side, from the largest to the smallest.
    """
    count = len(distances)
    least = 1 if count >= _FEWEST else 0
    tail, far = (max(least, int(share * (count - 1))) for share in (_TAIL, _FAR_TAIL))
    # Where that value lies in a normal distribution: Blom, "Statistical estimates and transformed
    # beta-variables", 1958.
    score = NormalDist().inv_cdf((count - tail - 0.375) / (count + 0.25))
    normal = float(distances[tail]) / score if score > 0 else 0.0
    return max(normal, float(distances[far]) / _FAR)

"""The range of one statistic over training images, and how far outside an image is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_TAIL = 0.01
"""Share of the images on either side that lie farther out than the value the unit is read from. The outermost
image never counts: one odd image must not decide what is usual."""

_UNIT = 0.3
"""Unit as a share of the distance of that value from the median.

Six units are then 4.2 standard deviations of a normal distribution, and 1 in 1,000 images exceeds that in at
least one of some 35 independent statistics."""

_FEWEST = 4
"""Images from which on the outermost does not count."""


@dataclass(frozen=True, slots=True)
class Range:
    """What training images show of one statistic.

    Attributes:
        centre: median.
        below: unit of deviations below the median: 0.3 of how far all but 1 % of the images lie away, at
            least the floor.
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
    """Return the unit on one side of the median.

    Args:
        distances: (N,) distances of all values to that side, from the largest to the smallest.
    """
    from statistics import NormalDist

    count, quantile = len(distances), NormalDist().inv_cdf
    place = max(1 if count >= _FEWEST else 0, int(_TAIL * (count - 1)))
    # Where that value lies in a normal distribution: Blom, "Statistical estimates and transformed
    # beta-variables", 1958. Of few images it lies closer to the median than 1 % would, and tells the spread
    # badly. With the square, normal images are unfit as rarely after 8, 12 or 20 images as after many.
    score = quantile((count - place - 0.375) / (count + 0.25))
    farther = max(1.0, quantile(1 - _TAIL) / score) ** 2 if score > 0 else 1.0
    return _UNIT * farther * float(distances[place])

"""What training images are like, and how far from them an image is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from excision.method.fitness.cells import Grid
from excision.method.fitness.image_statistics import ImageStatistics
from excision.method.fitness.ranges import Range
from excision.method.fitness.template import Template

Floats = NDArray[np.float64]

FLOORS = {
    "shadows": 0.08,
    "brightness": 0.06,
    "highlights": 0.06,
    "contrast": 0.08,
    "local_contrast": 0.08,
    "sharpness": 0.06,
    "scale": 0.06,
    "fine_sharpness": 0.06,
    "fine_scale": 0.06,
    "crispness_0": 0.05,
    "crispness_1": 0.05,
    "noise": 0.15,
    "level_asymmetry": 0.05,
    "saturation": 0.1,
    "match": 0.03,
    "gain": 0.03,
    "down": 0.006,
    "right": 0.006,
    "unlike": 0.15,
    "distance": 0.3,
    "polarity": 0.15,
    "mirrored": 0.004,
    "flipped": 0.004,
    "turned": 0.004,
}
"""Smallest unit of deviation of each statistic: what varies from day to day without harm.

For brightness, for instance, 0.06 is 4 %. Statistics that are not listed have `_FLOOR`.
"""

_FLOOR = 0.03
_CELL_FLOORS = np.array([[0.03], [0.1], [0.05]])

_UNLIKE_SHARE = 0.65
"""Quantile over cells of how unlike they are: a third of the image may be unlike before the image is."""

_PART = 0.7
"""Median correlation with the template from which on images show one part, and not a texture."""

_SHRINKAGE = 0.3
_FARTHEST = 8.0
"""Largest deviation that counts in the distance, so that no single statistic decides it."""

_ONE_SIDED = {
    "unlike": 1,
    "distance": 1,
    "polarity": 1,
    "mirrored": 1,
    "flipped": 1,
    "turned": 1,
    "gain": 1,
    "match": -1,
    "clipped_dark": 1,
    "clipped_bright": 1,
}
_PLACED = ("match", "gain", "down", "right", "mirrored", "flipped", "turned")
_TURNED = ("mirrored", "flipped", "turned")
NORM_NAMES = (*_PLACED, "unlike", "distance", "polarity")
"""Statistics that need to know what training images are like."""

_FOUND = 0.3
"""How much smaller than usual the match may be for the part to be found, and its place to mean something."""

_AS_GOOD = 3.0
"""Deviation of the match up to which a turned image fits: a defect may lie where the sides differ."""

_HALF_WAY = 8.0
"""Least deviation at which the negative, or the turned image, fits as well as the image itself."""


class Comparison(NamedTuple):
    """An image compared with training images.

    Attributes:
        values: statistics by name.
        deviations: deviation of each statistic that is judged, in units in which training images vary;
            negative below the median.
    """

    values: dict[str, float]
    deviations: dict[str, float]

    @property
    def largest(self) -> float:
        """Largest deviation, whatever its sign."""
        return max(map(abs, self.deviations.values()))


@dataclass(frozen=True)
class Norm:
    """What training images are like.

    Attributes:
        grid: rows and columns of cells.
        ranges: range of each statistic that is judged, by name.
        cell_centres: (3, K), medians of the statistics of each cell.
        cell_units: (3, K), units of their deviations.
        view: (2 R, 2 C), median view.
        means: (P,) means of the deviations of the statistics that the distance is made of.
        precision: (P, P), inverse of the shrunken covariance of these deviations.
    """

    grid: Grid
    ranges: Mapping[str, Range]
    cell_centres: Floats
    cell_units: Floats
    view: Floats
    means: Floats
    precision: Floats

    def __eq__(self, other: object) -> bool:
        """Tell whether all numbers are the same."""
        if not isinstance(other, Norm):
            return NotImplemented
        arrays = ("cell_centres", "cell_units", "view", "means", "precision")
        same = all(np.array_equal(getattr(self, name), getattr(other, name)) for name in arrays)
        return same and self.grid == other.grid and self.ranges == other.ranges

    def __hash__(self) -> int:
        return hash((self.grid, self.view.tobytes()))

    @classmethod
    def learn(cls, images: Sequence[ImageStatistics], grid: Grid) -> Norm:
        """Learn from the statistics of training images, at least one."""
        cells = np.stack([image.cells for image in images])
        centres = np.median(cells, axis=0)
        units = 1.4826 * np.median(np.abs(cells - centres), axis=0)
        # The unit of one cell is known badly from few images, that of all together well.
        common = 0.5 * np.median(units, axis=1, keepdims=True)
        units = np.maximum(np.maximum(units, common), _CELL_FLOORS)
        view = np.median(np.stack([image.view for image in images]), axis=0)
        ranges: dict[str, Range] = {}
        bare = cls(grid, ranges, centres, units, view, np.zeros(0), np.zeros((0, 0)))
        rows = [bare._placed(image) for image in images]
        ranges |= {name: _range(name, [row[name] for row, _ in rows]) for name in rows[0][0]}
        deviations = np.stack([bare._deviations(row) for row, _ in rows])
        means = deviations.mean(axis=0)
        norm = cls(grid, ranges, centres, units, view, means, _precision(deviations - means))
        far = [norm._distances(*row) for row in rows]
        ranges |= {name: _range(name, [each[name] for each in far]) for name in far[0]}
        return norm

    @property
    def channels(self) -> int:
        """Channels of the images: 1 (grey) or 3 (RGB)."""
        return 3 if "redness" in self.ranges else 1

    @property
    def shows_part(self) -> bool:
        """Whether images show a part in its place, not a texture."""
        return self.ranges["match"].centre >= _PART

    def compare(self, image: ImageStatistics) -> Comparison:
        """Compare an image with training images."""
        values, negative = self._placed(image)
        values |= self._distances(values, negative)
        deviations = {name: self.ranges[name].deviation(value) for name, value in values.items()}
        for name, side in _ONE_SIDED.items():
            deviations[name] = side * max(0.0, side * deviations[name])
        deviations["distance"] *= 0.5  # it adds up what the others show one by one
        clearly = deviations["gain"] if values["match"] > self.ranges["match"].centre - _FOUND else 0.0
        for name in ("down", "right"):
            deviations[name] = min(max(deviations[name], -clearly), clearly)
        del deviations["gain"]
        for name in _TURNED:
            if self.ranges["match"].deviation(values["match"] + values[name]) < -_AS_GOOD:
                deviations[name] = 0.0
        if not self.shows_part:
            for name in ("match", "down", "right", *_TURNED):
                del deviations[name]
        return Comparison(values, deviations)

    @cached_property
    def _template(self) -> Template:
        return Template(self.view)

    def _placed(self, image: ImageStatistics) -> tuple[dict[str, float], dict[str, float]]:
        """Return the statistics of an image that need no distances, and those of its negative that do."""
        found = self._template.find(image.view)
        unlike = np.sort((np.abs(image.cells - self.cell_centres) / self.cell_units).max(axis=0))
        values = {
            **image.named,
            **{name: getattr(found, name) for name in _PLACED},
            "unlike": float(unlike[int((len(unlike) - 1) * _UNLIKE_SHARE)]),
        }
        return values, {**image.negative, "match": found.negative}

    @cached_property
    def _units(self) -> tuple[list[str], Floats, Floats, Floats]:
        """Names of the statistics that the distance is made of, their medians, and units below and above."""
        names = distance_names(self.ranges)
        known = [self.ranges[name] for name in names]
        centre, below, above = np.array([(each.centre, each.below, each.above) for each in known]).T
        return names, centre, below, above

    def _deviations(self, values: Mapping[str, float]) -> Floats:
        """Return the deviations that the distance is made of: of all but place and cells."""
        names, centre, below, above = self._units
        away = np.array([values[name] for name in names]) - centre
        clipped: Floats = np.clip(away / np.where(away > 0, above, below), -_FARTHEST, _FARTHEST)
        return clipped

    def _distances(self, values: Mapping[str, float], negative: Mapping[str, float]) -> dict[str, float]:
        """Return the Mahalanobis distance of an image, and how much smaller that of its negative is."""
        distance = self._distance(values)
        return {"distance": distance, "polarity": distance - self._distance(negative)}

    def _distance(self, values: Mapping[str, float]) -> float:
        away = self._deviations(values) - self.means
        squared = float(away @ self.precision @ away) / len(away)
        return float(np.sqrt(max(squared, 0.0)))


def distance_names(names: Iterable[str]) -> list[str]:
    """Return which of these statistics the distance is made of, in the order of their names."""
    return sorted({*names} - {*NORM_NAMES} | {"match"})


def _range(name: str, values: Sequence[float]) -> Range:
    floor = FLOORS.get(name, _FLOOR)
    if name in {"polarity", *_TURNED}:
        floor = max(floor, float(-np.median(values)) / _HALF_WAY)
    return Range.learn(values, floor)


def _precision(away: Floats) -> Floats:
    """Invert the covariance, shrunken towards the identity so that few images do not make it singular.

    Ledoit, Wolf, "A well-conditioned estimator for large-dimensional covariance matrices", 2004, with a fixed
    weight.
    """
    count, size = away.shape
    weight = max(_SHRINKAGE, 0.5 * size / (count + size))
    covariance = (1 - weight) * (away.T @ away) / count + weight * np.eye(size)
    precision: Floats = np.linalg.inv(covariance)
    return precision

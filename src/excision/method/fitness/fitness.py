"""Whether an image is fit to be inspected: as training images are, by limits that promise a rate."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from excision.method.calibration import DEFAULT_CONFIDENCE, Calibration
from excision.method.fitness.cells import Grid, choose_grid
from excision.method.fitness.image_statistics import ImageStatistics, measure
from excision.method.fitness.limits import Widened, odd_from, promise_unfit, widen, within
from excision.method.fitness.norm import Comparison, Norm
from excision.method.fitness.promise import explain
from excision.method.fitness.reasons import told
from excision.method.fitness.turned import turned_back
from excision.ops.spread import evenly_spread

Working = NDArray[np.uint16]

MOST_IMAGES = 2500
"""Images that the statistics are learnt from: enough to promise 0.1 % with 90 % confidence."""

MOST_REFERENCES = 100
"""Groups whose medians are kept as a reference."""

_FOLDS = 10


@dataclass(frozen=True)
class Fitness:
    """What training images are like, and how much an image may differ from them.

    Attributes:
        norm: what training images are like.
        limit: an image is unfit if a statistic deviates more than this many units.
        wanted_rate: share of good images that may be unfit.
        calibration: deviations of good images, each from the norm of the other groups, and the rate that the
            limit promises.
        widened: by statistic, limits of its own below and above the median, where good images deviate more
            than `limit`. Empty in files of an earlier version.
        reference: by statistic of the image alone, its median in each group of good images, of at most 100
            groups: what a drift monitor compares the line with. Empty in files of an earlier version.
    """

    norm: Norm
    limit: float
    wanted_rate: float
    calibration: Calibration
    widened: Widened = field(default_factory=dict)
    reference: Mapping[str, tuple[float, ...]] = field(default_factory=dict)

    @classmethod
    def learn(
        cls,
        images: Iterable[Working],
        groups: Sequence[str] | None = None,
        *,
        unfit_rate: float,
        confidence: float,
    ) -> Fitness:
        """Learn from working images of good parts; see `Learner`.

        Args:
            images: working images (H, W, C), at least one; only their statistics are kept.
            groups: group of each image, in the same order; None takes each as its own group.
            unfit_rate: share of good images that may be unfit, between 0 and 1.
            confidence: confidence of the promise.

        Raises:
            ValueError: there is no image.
        """
        learner = Learner()
        for working in images:
            learner.add(working)
        names = [str(index) for index in range(learner.count)]
        return learner.learn(
            names if groups is None else groups, names, unfit_rate=unfit_rate, confidence=confidence
        )

    @property
    def confidence(self) -> float:
        """Confidence of the promise."""
        return self.calibration.confidence or DEFAULT_CONFIDENCE

    @property
    def odd(self) -> tuple[str, ...]:
        """Names of the good images that are unlike all others and would be unfit themselves."""
        beyond = odd_from(self.limit) if self.widened else self.limit
        return tuple(name for name, deviation in self._deviations if deviation > beyond)

    @property
    def let_pass(self) -> tuple[str, ...]:
        """Names of the good images for which limits were widened."""
        if not self.widened:
            return ()
        beyond = odd_from(self.limit)
        return tuple(name for name, deviation in self._deviations if self.limit < deviation <= beyond)

    @property
    def _deviations(self) -> Iterable[tuple[str, float]]:
        """Names and deviations of the good images, the farthest first."""
        return zip(reversed(self.calibration.names), reversed(self.calibration.scores), strict=True)

    def explain(self) -> str:
        """Say how many good images will be called unfit, from how many images, and what it assumes."""
        return explain(self.calibration, self.wanted_rate, self.odd, self.let_pass, [*self.widened])

    def judge(self, working: Working) -> tuple[dict[str, float], tuple[str, ...]]:
        """Judge a working image (H, W, C).

        Returns:
            The statistics by name, and why the image is unfit, in words; no reason if it is fit.
        """
        found = self.compare(working)
        if found.largest <= self.limit:
            return found.values, ()
        return found.values, turned_back(working, self.limit, self.compare) or told(
            found, self.norm.ranges, self.limit
        )

    def compare(self, working: Working) -> Comparison:
        """Compare a working image (H, W, C) with training images; `limit` is that of all deviations."""
        return within(self.norm.compare(measure(working, self.norm.grid)), self.widened, self.limit)


class Learner:
    """Collects the statistics of good images, and learns from them.

    Every image is compared with the norm of the other groups (cross-fitting in up to 10 folds of whole
    groups), so that its deviation is that of a new image. The limit, and what it promises, come from these
    deviations.
    """

    def __init__(self) -> None:
        self.count = 0
        self._grid: Grid | None = None
        self._kept: list[tuple[int, ImageStatistics]] = []
        self._every = 1

    def add(self, working: Working) -> None:
        """Measure a working image (H, W, C), which is not kept.

        Of many images, each second one is forgotten, then again each second one, so that memory stays flat.
        """
        if self.count % self._every == 0:
            self._grid = self._grid or choose_grid((working.shape[0], working.shape[1]))
            self._kept.append((self.count, measure(working, self._grid)))
            if len(self._kept) > MOST_IMAGES:
                self._kept, self._every = self._kept[::2], 2 * self._every
        self.count += 1

    def learn(
        self, groups: Sequence[str], names: Sequence[str], *, unfit_rate: float, confidence: float
    ) -> Fitness:
        """Learn from the images that were added.

        Args:
            groups: group of each image, in the order in which they were added.
            names: name of each image.
            unfit_rate: share of good images that may be unfit, between 0 and 1.
            confidence: confidence of the promise.

        Raises:
            ValueError: there is no image.
        """
        if self._grid is None:
            raise ValueError("there is no image to learn from")
        grid, kept = self._grid, [groups[index] for index, _ in self._kept]
        images = [each for _, each in self._kept]
        deviations = cross_fitted(images, kept, lambda part: Norm.learn(part, grid))
        found = promise_unfit(
            [max(map(abs, each.values())) for each in deviations],
            kept,
            [names[index] for index, _ in self._kept],
            rate=unfit_rate,
            confidence=confidence,
        )
        limit = found.threshold
        # Where the wanted rate is kept all the same, nothing needs to pass.
        widened = {} if found.promised_rate <= unfit_rate else widen(deviations, limit)
        return Fitness(Norm.learn(images, grid), limit, unfit_rate, found, widened, _reference(images, kept))


def _reference(images: Sequence[ImageStatistics], groups: Sequence[str]) -> dict[str, tuple[float, ...]]:
    """Return the median of each statistic in each group, of groups that are evenly spread."""
    members: dict[str, list[dict[str, float]]] = {}
    for image, group in zip(images, groups, strict=True):
        members.setdefault(group, []).append(image.named)
    known = list(members.values())
    places = evenly_spread(len(known), MOST_REFERENCES)
    return {
        name: tuple(float(np.median([image[name] for image in known[place]])) for place in places)
        for name in images[0].named
    }


def chosen(count: int) -> list[int]:
    """Choose at most `MOST_IMAGES` of so many images, evenly spread."""
    return evenly_spread(count, MOST_IMAGES)


def cross_fitted(
    images: Sequence[ImageStatistics],
    groups: Sequence[str],
    learn: Callable[[Sequence[ImageStatistics]], Norm],
) -> list[Mapping[str, float]]:
    """Return the deviations of each image from the norm of the folds that its group is not in."""
    # Not `make_folds`: with its folds the limits of KolektorSDD are not those that docs/fitness.md gives.
    folds = {group: place % _FOLDS for place, group in enumerate(_shuffled(sorted(set(groups))))}
    if len(folds) == 1:  # nothing to compare with: every image is compared with the others
        folds, groups = {str(i): i % _FOLDS for i in range(len(images))}, list(map(str, range(len(images))))
    found: list[Mapping[str, float]] = [{}] * len(images)
    for fold in sorted(set(folds.values())):
        others = [image for image, group in zip(images, groups, strict=True) if folds[group] != fold]
        norm = learn(others or images)
        for index, (image, group) in enumerate(zip(images, groups, strict=True)):
            if folds[group] == fold:
                found[index] = norm.compare(image).deviations
    return found


def _shuffled(groups: Sequence[str]) -> list[str]:
    order = np.random.default_rng(0).permutation(len(groups))
    return [groups[place] for place in order]

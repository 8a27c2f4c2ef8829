"""Parts for the drift studies: images of a data set with the model that inspects them, or drawn numbers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from excision.inspection.drift import SCORE

if TYPE_CHECKING:
    from excision import Detector
    from excision.method.fitness import Fitness

Pixels = NDArray[Any]
"""An image (H, W, C), floating point in [0, 1]."""


class Part(NamedTuple):
    """What a monitor sees of one part."""

    score: float
    statistics: Mapping[str, float]


@dataclass(frozen=True)
class Surface:
    """The parts of one data set that took no part in training.

    Attributes:
        name: of the data set.
        threshold: a larger score is flagged.
        groups: good parts by group.
        defects: defective parts.
        reference: of the monitor.
    """

    name: str
    threshold: float
    groups: Sequence[Sequence[Part]]
    defects: Sequence[Part]
    reference: Mapping[str, Sequence[float]]


class Recorded:
    """Images of a data set with the model that inspects them.

    Args:
        name: of the data set.
        run: run folder.
        data: data set.
    """

    def __init__(self, name: str, run: Path, data: Path) -> None:
        from excision import Detector

        self.name = name
        self.detector: Detector = Detector.load(run, device="cpu")
        self.run, self.data = run, data
        if self.detector.fitness_ is None:
            self.detector.fitness_ = learnt_fitness(self.detector, data)
        self._images: dict[int, Pixels] = {}

    def surface(self) -> Surface:
        """Inspect every image that took no part in training."""
        from excision.data import load_dataset
        from excision.data.groups import find_groups
        from excision.inspection.drift.reference import reference_of

        dataset = load_dataset(self.data)
        good = {sample.name: sample.image for sample in dataset.test if not sample.defective}
        grouping = find_groups(good)
        groups: dict[str, list[Part]] = defaultdict(list)
        for name, path in good.items():
            groups[grouping.of[name]].append(self.inspected(path))
        defects = [self.inspected(sample.image) for sample in dataset.test if sample.defective]
        threshold = self.detector.threshold
        reference = reference_of(self.detector, threshold)
        return Surface(self.name, threshold, list(groups.values()), defects, reference)

    def changed(self, part: Part, kind: str, after: int) -> Part:
        """Inspect the image of a part as it is so many parts after the beginning of the change."""
        return self.inspect(changed_image(self._images[id(part)], kind, after))

    def inspect(self, image: Pixels) -> Part:
        """Inspect an image (H, W, C) in [0, 1]."""
        found = self.detector.inspect(np.clip(image, 0, 1))
        return Part(found.score, found.image_statistics or {})

    def inspected(self, path: Path) -> Part:
        """Inspect the image of a file, and keep it for `changed`."""
        from excision.data.inputs import input_image

        image = self.detector.image_format.read(input_image(path).image).astype(np.float32) / 65535
        part = self.inspect(image)
        self._images[id(part)] = image
        return part


def learnt_fitness(detector: Detector, data: Path) -> Fitness:
    """Learn the fitness of a model that was trained before there was any, from its good training images."""
    from excision.data import load_dataset
    from excision.data.groups import find_groups
    from excision.method.fitness import Learner

    images = {sample.name: sample.image for sample in load_dataset(data).train}
    groups, learner = find_groups(images).of, Learner()
    for path in images.values():
        learner.add(detector.image_format.read(path))
    calibration = detector.settings.calibration
    return learner.learn(
        [groups[name] for name in images],
        list(images),
        unfit_rate=calibration.unfit_rate,
        confidence=calibration.confidence,
    )


def changed_image(image: Pixels, kind: str, after: int) -> Pixels:
    """Change an image (H, W, C) as it is so many parts after the beginning of a change."""
    step = after / 100
    changed: Pixels
    if kind == "light":
        changed = image * 1.01**step
    elif kind == "focus":
        changed = ndimage.gaussian_filter(image, (0.1 * step, 0.1 * step, 0))
    elif kind == "fixture":
        changed = ndimage.shift(image, (0, step, 0), order=1, mode="nearest")
    else:
        mean = image.mean(dtype=np.float64)
        changed = (image - mean) * 1.1 + 0.97 * mean
    return changed.astype(np.float32)


def drawn_surface() -> Surface:
    """Draw parts by numbers, in 40 groups of 6 that differ from each other."""
    random = np.random.default_rng(0)
    levels = random.normal(0, 0.3, (60, 1, 3))
    numbers = levels + random.normal(0, 1, (60, 6, 3))

    def part(row: NDArray[np.float64], more: float = 0.0) -> Part:
        statistics = {"brightness": 0.5 * 1.03 ** float(row[1]), "sharpness": 1.0 + 0.05 * float(row[2])}
        return Part(1.1 ** float(row[0]) + more, statistics)

    groups = [[part(row) for row in group] for group in numbers[:40]]
    calibration = [[part(row) for row in group] for group in numbers[40:]]
    reference = {SCORE: [float(np.median([each.score for each in group])) for group in calibration]}
    for name in groups[0][0].statistics:
        reference[name] = [
            float(np.median([each.statistics[name] for each in group])) for group in calibration
        ]
    defects = [part(row, more) for row, more in zip(numbers[:, 0], np.linspace(0.1, 3, 60), strict=True)]
    return Surface("drawn numbers", 1.3, groups, defects, reference)


def changed_numbers(part: Part, kind: str, after: int) -> Part:
    """Change drawn numbers roughly as images change."""
    step = after / 100
    light = {"light": 1.01**step, "new lot": 0.97}.get(kind, 1.0)
    focus = 0.98**step if kind == "focus" else 1.0
    score = part.score * (1 + 0.02 * step if kind == "fixture" else 1.0)
    changed = {
        "brightness": light * part.statistics["brightness"],
        "sharpness": focus * part.statistics["sharpness"],
    }
    return Part(score, changed)

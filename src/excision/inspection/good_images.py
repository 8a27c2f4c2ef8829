"""Good images for a calibration: found, told from those that were trained on, and scored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from excision.data import Dataset, Sample, load_dataset
from excision.data.groups import Collector, Grouping, GroupRule, group_samples
from excision.data.layouts import LAYOUTS
from excision.data.layouts.folder import lies_beside_good
from excision.data.records import GOOD
from excision.errors import DatasetError, ImageError
from excision.inspection.batch import find_images
from excision.method.fitness import Fitness, Learner
from excision.progress import Progress
from excision.runtime.inspector import Inspector
from excision.runtime.trained_on import TrainedOn, image_key


@dataclass(frozen=True, slots=True)
class GoodImages:
    """What was found.

    Attributes:
        images: image files, each once.
        notes: how folders were understood, one sentence each.
        stated: the group that a labelled data set states for an image.
        columns: columns of a table, each with its value for each image by its path.
    """

    images: list[Path]
    notes: list[str]
    stated: Mapping[Path, str]
    columns: Mapping[str, Mapping[str, str]]


@dataclass(slots=True)
class GoodScores:
    """What good images score.

    Attributes:
        scores: anomaly score of each image that counts.
        images: file of each of these images, in the same order.
        grouping: which of these images belong together, by the path of the file.
        trained_on: number of images left out because the model was trained on them; None if the folder does
            not say which these are.
        repeated: number of images left out because they have the same pixels as another.
        unreadable: why an image could not be read, one message each.
        looks: statistics of these images, from which their fitness can be learnt.
    """

    scores: list[float] = field(default_factory=list)
    images: list[Path] = field(default_factory=list)
    grouping: Grouping = field(default_factory=lambda: Grouping({}, "no image", sure=False))
    trained_on: int | None = None
    repeated: int = 0
    unreadable: list[str] = field(default_factory=list)
    looks: Learner = field(default_factory=Learner)

    @property
    def groups(self) -> list[str]:
        """The group of each score, in the same order."""
        return [self.grouping.of[str(path)] for path in self.images]

    def fitness(self, unfit_rate: float, confidence: float) -> Fitness:
        """Learn what these images, at least one, are like.

        Args:
            unfit_rate: share of good images that may be called unfit, between 0 and 1.
            confidence: of the promise.
        """
        names = [str(path) for path in self.images]
        return self.looks.learn(self.groups, names, unfit_rate=unfit_rate, confidence=confidence)


def find_good_images(paths: Sequence[Path]) -> GoodImages:
    """Find good images: given files, all images of plain folders, and the good images of labelled data sets.

    Raises:
        DatasetError: there is no image, a folder looks like a labelled data set but is ambiguous, or it seems
            to hold the defective images of one.
    """
    found: dict[Path, None] = {}
    notes: list[str] = []
    stated: dict[Path, str] = {}
    columns: dict[str, dict[str, str]] = {}
    for path in paths:
        if path.is_dir() and lies_beside_good(path):
            raise DatasetError(
                f"{path}: lies beside a folder of good images, so its images seem to be defective. Name good "
                "images only; if these are good, name the files or rename the folder to good/"
            )
        dataset = _labelled(path)
        if dataset is None:
            found |= dict.fromkeys(find_images([path]))
            continue
        samples = [sample for sample in dataset.samples if not sample.defective]
        good = [sample.image for sample in samples]
        found |= dict.fromkeys(good)
        stated |= {sample.image: sample.group for sample in samples if sample.group != sample.name}
        for column, values in dataset.columns.items():
            columns.setdefault(column, {}).update({str(s.image): values[s.name] for s in samples})
        if dataset.layout == "folder" and not any(sample.defective for sample in dataset.samples):
            continue
        notes.append(
            f"{path} is a labelled data set (layout {dataset.layout}): its {len(good)} good images are "
            "used, and no defective one."
        )
    return GoodImages(list(found), notes, stated, columns)


def _labelled(path: Path) -> Dataset | None:
    """Read a labelled data set; None for a plain file, and for a folder that no layout recognises."""
    if path.is_file() and path.suffix.lower() != ".csv":
        return None
    if not any(layout.recognise(path) for layout in LAYOUTS.values()):
        return None
    return load_dataset(path)


def score_good_images(
    inspector: Inspector, found: GoodImages, progress: Progress, rule: GroupRule | None = None
) -> GoodScores:
    """Score good images, each content once, except those that the model was trained on.

    Args:
        inspector: exported model.
        found: the images.
        progress: called with (done, total).
        rule: how a person says that their groups are to be formed; None finds them.

    Raises:
        DatasetError: the rule does not fit the images.
        ModelError: the model cannot compute, or the hashes of its training images are damaged.
    """
    known = TrainedOn.load(inspector.folder)
    good, seen = GoodScores(trained_on=None if known is None else 0), set[str]()
    samples = {
        path: Sample(str(path), path, "train", GOOD, None, found.stated.get(path, str(path)))
        for path in found.images
    }
    collector = Collector(samples.values(), rule)
    for done, path in enumerate(found.images, start=1):
        try:
            working = inspector.working(path)
            if _score(inspector, path, working, known, seen, good):
                collector.add(samples[path], working)
        except ImageError as error:
            good.unreadable.append(str(error))
        except OSError as error:
            good.unreadable.append(f"{path}: {error.strerror}")
        progress(done, len(found.images))
    counted = [samples[path] for path in good.images]
    good.grouping = group_samples(counted, rule, collector.looks, found.columns)[1]
    return good


def _score(
    inspector: Inspector,
    path: Path,
    working: NDArray[np.uint16],
    known: TrainedOn | None,
    seen: set[str],
    good: GoodScores,
) -> bool:
    """Score an image, and tell whether it counts."""
    key = image_key(working)
    if known is not None and (key in known.images or known.has_file(path)):
        good.trained_on = (good.trained_on or 0) + 1
        return False
    if key in seen:
        good.repeated += 1
        return False
    seen.add(key)
    good.scores.append(inspector.inspect_working(working).score)
    good.images.append(path)
    good.looks.add(working)
    return True

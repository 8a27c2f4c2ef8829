"""Measures how much lower good images score because the networks were trained on them.

A threshold could use every good image if out-of-fold scores of training images were like those of new good
images. In such a score, statistics and tails leave the image's group out, but the networks have seen it.
This script trains on some groups of a data set, with a fifth of them held out as by default, and leaves the
other groups untouched.

    python experiments/network_memory.py DATA [--images 60] [--splits 5] [--untouched 200] [--rate 0.05]

For each split the table shows the scores of training images out of fold and of untouched images, and the
probability that an untouched image scores higher: 0.5 if memory does not show, more if training images score
too low. Then two thresholds at the same rate and 90 % confidence: from the held-out images alone, and from
training and held-out images together. Each shows the promised rate and that of the untouched images. The last
lines count the splits in which a promise is broken beyond the chance that the untouched images leave.
"""

from __future__ import annotations

import argparse
import copy
import warnings
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from rich.console import Console
from rich.table import Table
from scipy.stats import binomtest

from excision.data import Dataset, Sample, load_dataset
from excision.data.groups import group_samples
from excision.detector import Detector
from excision.errors import FewImagesWarning
from excision.method.calibration import Calibration, calibrate
from excision.method.cross_fitting import cross_fit
from excision.method.pipeline import Pipeline
from excision.predictions import Prediction
from excision.settings import Settings
from excision.training.preparing import prepare
from excision.training.usable import Picture

CONFIDENCE = 0.9


class Split(NamedTuple):
    """Scores of one split.

    Attributes:
        training: out-of-fold scores of the training images.
        training_groups: group of each.
        held_out: scores of the held-out images.
        held_out_groups: group of each.
        untouched: scores of images that took no part.
    """

    training: list[float]
    training_groups: list[str]
    held_out: list[float]
    held_out_groups: list[str]
    untouched: list[float]

    def higher(self) -> float:
        """Return the probability that an untouched image scores higher than a training image."""
        new, seen = np.array(self.untouched)[:, None], np.array(self.training)
        return float(((new > seen) + 0.5 * (new == seen)).mean())

    def by_held_out(self, rate: float) -> Calibration:
        """Return the threshold from the held-out images."""
        return calibrate(self.held_out, rate, confidence=CONFIDENCE, groups=self.held_out_groups)

    def by_all(self, rate: float) -> Calibration:
        """Return the threshold from training and held-out images together."""
        groups = [*self.training_groups, *self.held_out_groups]
        return calibrate([*self.training, *self.held_out], rate, confidence=CONFIDENCE, groups=groups)

    def observed(self, calibration: Calibration) -> float:
        """Return the false-alarm rate of the untouched images."""
        return float(np.mean(np.array(self.untouched) > calibration.threshold))


def divided(
    good: Sequence[Sample], count: int, untouched: int, seed: int
) -> tuple[list[Sample], list[Sample]]:
    """Draw whole groups with about `count` images, and at most `untouched` images of the other groups."""
    groups = defaultdict(list)
    for sample in good:
        groups[sample.group].append(sample)
    rng = np.random.default_rng(seed)
    taken: list[Sample] = []
    order = rng.permutation(sorted(groups)).tolist()
    while order and len(taken) < count:
        taken += groups[order.pop()]
    rest = [sample for group in order for sample in groups[group]]
    return taken, [rest[place] for place in rng.permutation(len(rest))[:untouched]]


def measure(taken: Sequence[Sample], untouched: Sequence[Sample], settings: Settings) -> Split:
    """Train on good images, and score them and the untouched ones."""
    groups = {sample.name: sample.group for sample in taken}
    dataset = Dataset(taken[0].image.parent, "images", tuple(taken), columns={"group": groups})
    settings = replace(
        settings, calibration=replace(settings.calibration, groups="column:group", cross_fit=False)
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FewImagesWarning)
        detector = Detector(settings, device="cpu").fit(dataset)

    def inspect(pipeline: Pipeline, picture: Picture) -> Prediction:
        twin = copy.copy(detector)
        twin.pipeline_ = pipeline
        return twin.inspect(picture)

    data, held_out = prepare(dataset, settings), detector.calibration
    with data.materialised(None, lambda *_: None):
        seen = cross_fit(detector.pipeline, data, detector.device, inspect).scores(data)
    return Split(
        training=seen,
        training_groups=list(data.source_groups.values()),
        held_out=list(held_out.scores),
        held_out_groups=[data.groups[name] for name in held_out.names],
        untouched=[detector.inspect(sample.image).score for sample in untouched],
    )


def is_broken(split: Split, calibration: Calibration) -> bool:
    """Tell whether so many alarms on untouched images have a chance below 5 % at the promised rate."""
    alarms = round(split.observed(calibration) * len(split.untouched))
    return bool(binomtest(alarms, len(split.untouched), calibration.promised_rate, "greater").pvalue < 0.05)


def row(split: Split, rate: float) -> list[str]:
    """Return the cells of a split."""
    medians = [f"{np.median(each):.2f}" for each in (split.training, split.untouched)]
    tails = [f"{np.quantile(each, 0.9):.2f}" for each in (split.training, split.untouched)]
    cells = [f"{len(split.training)} in {len(set(split.training_groups))}", *medians, *tails]
    cells.append(f"{split.higher():.2f}")
    for found in (split.by_held_out(rate), split.by_all(rate)):
        cells += [f"{found.promised_rate:.1%}", f"{split.observed(found):.1%}"]
    return cells


COLUMNS = (
    "training images in groups",
    "median, training",
    "untouched",
    "90 %, training",
    "untouched",
    "untouched higher",
    "promised, held-out",
    "observed",
    "promised, all",
    "observed",
)


def main(words: Sequence[str] | None = None) -> None:
    """Train on several splits and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("data")
    parser.add_argument("--images", type=int, default=60)
    parser.add_argument("--splits", type=int, default=5)
    parser.add_argument("--untouched", type=int, default=200)
    parser.add_argument("--rate", type=float, default=0.05)
    parser.add_argument("--settings", type=Settings.load, default=Settings())
    given = parser.parse_args(words)
    good, _ = group_samples(s for s in load_dataset(given.data).samples if not s.defective)
    console, splits = Console(width=140), []
    table = Table(*COLUMNS)
    for seed in range(given.splits):
        taken, untouched = divided(good, given.images, given.untouched, seed)
        taken = [replace(sample, split="train") for sample in taken]
        splits.append(measure(taken, untouched, given.settings))
        table.add_row(*row(splits[-1], given.rate))
    console.print(table)
    for name, rule in (("held-out images", Split.by_held_out), ("all images", Split.by_all)):
        broken = sum(is_broken(split, rule(split, given.rate)) for split in splits)
        console.print(f"Promise from {name}: broken in {broken} of {len(splits)} splits")


if __name__ == "__main__":
    main()

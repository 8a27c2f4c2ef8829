"""Anomaly scores in a file to which each is written at once: an interrupted study goes on where it was."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from calibration_draws import Scores

from excision import Detector
from excision.data.records import Sample
from excision.system.files import write_text


@dataclass(frozen=True)
class Inspected:
    """What is kept of an inspected image: its anomaly score, and whether it is unfit."""

    score: float
    unfit: bool


def score_images(run: Path, samples: Sequence[Sample], file: Path) -> dict[str, float]:
    """Give the score of each image, by its name; see `inspect_images`."""
    return {name: inspected.score for name, inspected in inspect_images(run, samples, file).items()}


def inspect_images(run: Path, samples: Sequence[Sample], file: Path) -> dict[str, Inspected]:
    """Inspect images one by one; those that are stored are not inspected again.

    Args:
        run: finished run.
        samples: images to inspect.
        file: CSV file with name, label, group, score and "unfit" or "fit" of each.
    """
    known = dict(_stored(file))
    missing = [sample for sample in samples if sample.name not in known]
    if missing:
        detector = Detector.load(run)
        with file.open("a", encoding="utf-8", newline="") as stream:
            for sample in missing:
                prediction = detector.inspect(sample.image)
                found = Inspected(float(prediction.score), prediction.verdict == "unfit")
                fitness = "unfit" if found.unfit else "fit"
                row = [sample.name, sample.label, sample.group, repr(found.score), fitness]
                csv.writer(stream).writerow(row)
                stream.flush()
                known[sample.name] = found
    return known


def choose_defects(samples: Sequence[Sample], most: int | None) -> list[Sample]:
    """Give the good images, and at most so many of the defective ones, drawn at random."""
    good = [sample for sample in samples if not sample.defective]
    defective = [sample for sample in samples if sample.defective]
    if most is not None and most < len(defective):
        chosen = np.random.default_rng(0).choice(len(defective), most, replace=False)
        defective = [defective[number] for number in sorted(chosen)]
    return [*good, *defective]


def gather(scores: dict[str, float], samples: Sequence[Sample]) -> Scores:
    """Divide the scores by the labels of their images."""
    good = {sample.name: scores[sample.name] for sample in samples if not sample.defective}
    groups = {sample.name: sample.group for sample in samples}
    return Scores.of(good, groups, [scores[sample.name] for sample in samples if sample.defective])


def _stored(file: Path) -> Iterator[tuple[str, Inspected]]:
    """Give names and results; a last line that a kill cut off is removed."""
    if not file.is_file():
        return
    text = file.read_text("utf-8")
    whole = text[: text.rfind("\n") + 1]
    if whole != text:
        write_text(file, whole)
    for name, _, _, score, fitness in csv.reader(whole.splitlines()):
        yield name, Inspected(float(score), fitness == "unfit")

"""Anomaly scores in a file to which each is written at once: an interrupted study goes on where it was."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path

from calibration_draws import Scores

from excision import Detector
from excision.data.records import Sample
from excision.system.files import write_text


def score_images(run: Path, samples: Sequence[Sample], file: Path) -> dict[str, float]:
    """Inspect images one by one; those whose score is stored are not inspected again.

    Args:
        run: finished run.
        samples: images to inspect.
        file: CSV file with name, label, group and score of each.
    """
    known = dict(_stored(file))
    missing = [sample for sample in samples if sample.name not in known]
    if missing:
        detector = Detector.load(run)
        with file.open("a", encoding="utf-8", newline="") as stream:
            for sample in missing:
                score = float(detector.inspect(sample.image).score)
                csv.writer(stream).writerow([sample.name, sample.label, sample.group, repr(score)])
                stream.flush()
                known[sample.name] = score
    return known


def gather(scores: dict[str, float], samples: Sequence[Sample]) -> Scores:
    """Divide the scores by the labels of their images."""
    good = {sample.name: scores[sample.name] for sample in samples if not sample.defective}
    groups = {sample.name: sample.group for sample in samples}
    return Scores.of(good, groups, [scores[sample.name] for sample in samples if sample.defective])


def _stored(file: Path) -> Iterator[tuple[str, float]]:
    """Give names and scores; a last line that a kill cut off is removed."""
    if not file.is_file():
        return
    text = file.read_text("utf-8")
    whole = text[: text.rfind("\n") + 1]
    if whole != text:
        write_text(file, whole)
    for name, _, _, score in csv.reader(whole.splitlines()):
        yield name, float(score)

"""Inspect images in the order in which they were taken: when drift is noticed, and what held until then.

    python experiments/false_alarms_in_time.py ball_screw runs/ball_screw --order "_([0-9]{8})[0-9]{4}_"

DATA is a data set whose test images were taken after those that the finished run RUN was trained on. The
regular expression of `--order` matches the time in the name of an image; images with the same first
parenthesis stay together. All test images, good and defective, are given to the drift monitor in that order,
as they come on a line, where nobody knows which is which. They are counted in periods: a promise holds for
parts like the calibration images, so it says nothing about those after a warning.
"""

from __future__ import annotations

import argparse
import re
from pathlib import Path

import numpy as np

from excision import Dataset, Detector, load_dataset
from excision.data.records import Sample
from excision.inspection.drift import DriftMonitor, DriftSettings, DriftWarning
from excision.inspection.drift.reference import reference_of
from excision.predictions import Detection

PERIODS = 8


def main() -> None:
    arguments = _arguments()
    detector = Detector.load(arguments.run)
    samples = in_order(load_dataset(arguments.data), re.compile(arguments.order))
    monitor = DriftMonitor(
        DriftSettings(block=arguments.block, parts_per_false_warning=arguments.parts_per_false_warning),
        reference_of(detector, detector.threshold),
    )
    alarms, warning = follow(detector, samples, monitor)
    print(f"{detector.calibration.explain()}\n")
    print_periods(samples, alarms, warning)
    print(f"\n{'No drift was noticed' if warning is None else f'Warning after part {warning.part}'}", end="")
    print("." if warning is None else f": {warning.words}.")


def in_order(dataset: Dataset, order: re.Pattern[str]) -> list[tuple[str, Sample]]:
    """Give the test images, the earliest first, with what holds some of them together."""
    found = ((order.search(sample.name), sample) for sample in dataset.test)
    known = sorted(((time[0], time[1], sample) for time, sample in found if time), key=lambda each: each[0])
    return [(together, sample) for _, together, sample in known]


def follow(
    detector: Detector, samples: list[tuple[str, Sample]], monitor: DriftMonitor
) -> tuple[list[bool], DriftWarning | None]:
    """Inspect the images one by one; give which are called defective, and the first warning."""
    alarms, first = [], None
    for together, sample in samples:
        found: Detection = detector.inspect(sample.image)
        alarms.append(found.verdict == "defect")
        warning = monitor.update(
            found.score,
            found.image_statistics,
            flagged=found.verdict != "good",
            label=sample.name,
            group=together,
        )
        first = first or warning
    return alarms, first or monitor.finish()


def print_periods(
    samples: list[tuple[str, Sample]], alarms: list[bool], warning: DriftWarning | None
) -> None:
    """Print the alarms of each period, and on which side of the warning it lies."""
    print("| parts | from | to | good parts called defective | defects found | |")
    print("| ---: | --- | --- | ---: | ---: | --- |")
    for places in np.array_split(np.arange(len(samples)), PERIODS):
        first, last = int(places[0]), int(places[-1])
        counts = []
        for defective in (False, True):
            verdicts = [alarms[n] for n in places if samples[n][1].defective == defective]
            counts.append(f"{sum(verdicts)} of {len(verdicts)}")
        after = warning is not None and warning.part <= first
        during = warning is not None and first < warning.part <= last + 1
        side = "after the warning" if after else "warning" if during else ""
        times = f"{samples[first][0]} | {samples[last][0]}"
        print(f"| {first + 1}-{last + 1} | {times} | {' | '.join(counts)} | {side} |")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("data")
    parser.add_argument("run", type=Path)
    parser.add_argument("--order", required=True)
    parser.add_argument("--block", type=int, default=DriftSettings().block)
    parser.add_argument(
        "--parts-per-false-warning", type=int, default=DriftSettings().parts_per_false_warning
    )
    return parser.parse_args()


if __name__ == "__main__":
    main()

"""Compare feature networks and distances on a finished run, whose normal statistics are learnt again.

    python experiments/network_features.py DATA RUN [FEATURES:DISTANCE[:alone] ...]

For each choice, such as `efficientnet-lite0:memory`, or `edges:gaussian:alone` without the features of the
attention network, image AUROC and AP on the test images, the false-alarm rate and the detection rate at the
threshold, how much of the variance position explains, and the processor time of an inspection in torch on
one thread (the median of 25, the choices in turn). The normal images are divided as `Detector.recalibrate`
divides them. The scores are those of the test images, so this explains a default; it is no way to choose
one for a line.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import NamedTuple, get_args

import numpy as np
import torch

from excision import Dataset, Detector, load_dataset
from excision.evaluation.metrics import average_precision, image_auroc
from excision.settings.scoring import DistanceKind

CHOICES = ("edges:gaussian", "efficientnet-lite0:gaussian", "efficientnet-lite0:memory")
_TIMES = 25
_ALONE = ":alone"


class Figures(NamedTuple):
    """The figures of one choice."""

    auroc: float
    precision: float
    false_alarms: float
    detections: float
    explained: tuple[float, ...]


def figures(detector: Detector, dataset: Dataset) -> Figures:
    """Inspect the test images."""
    found = detector.predict([sample.image for sample in dataset.test])
    scores = np.array([each.score for each in found])
    defective = np.array([sample.defective for sample in dataset.test])
    alarms = scores > detector.threshold
    return Figures(
        image_auroc(defective, scores),
        average_precision(defective, scores),
        float(alarms[~defective].mean()),
        float(alarms[defective].mean()),
        tuple(float(each.explained_variance) for each in detector.pipeline.scorer.distances),
    )


def milliseconds(detectors: Mapping[str, Detector]) -> dict[str, float]:
    """Time an inspection by each detector, in turn."""
    image_format = next(iter(detectors.values())).image_format
    image = torch.rand(1, image_format.channels, *image_format.size)
    taken: dict[str, list[float]] = {name: [] for name in detectors}
    for _ in range(_TIMES):
        for name, detector in detectors.items():
            start = time.process_time()
            detector.pipeline(image)
            taken[name].append(1e3 * (time.process_time() - start))
    return {name: median(each) for name, each in taken.items()}


def main(arguments: Sequence[str]) -> None:
    """Print the table."""
    if len(arguments) < 2:
        sys.exit(__doc__)
    torch.set_num_threads(1)
    dataset, run = load_dataset(Path(arguments[0])), Path(arguments[1])
    learnt: dict[str, Detector] = {}
    print("| features | image AUROC | AP | false alarms | found | position explains |")
    print("| --- | ---: | ---: | ---: | ---: | --- |", flush=True)
    for choice in arguments[2:] or CHOICES:
        named = choice.removesuffix(_ALONE)
        features, _, distance = named.rpartition(":")
        kind = next(each for each in get_args(DistanceKind) if each == distance)
        run_of_choice = Detector.load(run, device="cpu")
        learnt[choice] = run_of_choice.with_features(features, kind, attention_features=named == choice)
        learnt[choice].recalibrate(dataset)
        found = figures(learnt[choice], dataset)
        explained = " and ".join(f"{each:.1%}" for each in found.explained) or "too little"
        print(
            f"| {choice} | {found.auroc:.3f} | {found.precision:.3f} | {found.false_alarms:.1%} | "
            f"{found.detections:.1%} | {explained} |",
            flush=True,
        )
    times = milliseconds(learnt)
    first = next(iter(times.values()))
    for choice, taken in times.items():
        print(f"{choice}: {taken:.1f} ms, {taken / first:.2f} times")


if __name__ == "__main__":
    main(sys.argv[1:])

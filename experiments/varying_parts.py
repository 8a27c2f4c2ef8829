"""Measure, kind by kind of defect, what a finished run finds on a part that varies by itself.

    python experiments/harder_sets.py label --out cloth_label
    excision train cloth_label --out run
    python experiments/varying_parts.py cloth_label run [FEATURES:DISTANCE ...]

For each choice of features and distance, such as `efficientnet-lite0:memory`, the normal statistics of the
run are learnt again. Printed are how positions are found, image AUROC and AP, the false-alarm rate and the
detection rate at the threshold for 5 % wanted false alarms, and for each kind of defect the image AUROC and
how many are found. Any run of the same size will do: its networks need not have seen these parts.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

import numpy as np
import torch

from excision import Dataset, Detector, load_dataset
from excision.evaluation.metrics import average_precision, image_auroc
from excision.settings.scoring import DistanceKind

_RATE = 0.05


def report(detector: Detector, dataset: Dataset) -> str:
    """Return the figures of a calibrated detector as one line."""
    scores = np.array([each.score for each in detector.predict([each.image for each in dataset.test])])
    defective = np.array([sample.defective for sample in dataset.test])
    threshold = detector.calibration.for_rate(_RATE).threshold
    alarms = scores > threshold
    kinds = np.array([sample.image.parent.name for sample in dataset.test])
    line = [
        f"{image_auroc(defective, scores):.3f} / {average_precision(defective, scores):.3f}",
        f"found {alarms[defective].mean():.0%}, false alarms {alarms[~defective].mean():.1%}",
    ]
    for kind in sorted(set(kinds[defective])):
        own = kinds == kind
        auroc = image_auroc(defective[own | ~defective], scores[own | ~defective])
        line.append(f"{kind} {auroc:.2f} ({alarms[own].sum()} of {own.sum()})")
    return " | ".join(line)


def main(arguments: Sequence[str]) -> None:
    """Print a line for each choice."""
    if len(arguments) < 2:
        sys.exit(__doc__)
    torch.set_num_threads(1)
    dataset, run = load_dataset(Path(arguments[0])), Path(arguments[1])
    for choice in arguments[2:] or ("edges:gaussian",):
        features, _, distance = choice.rpartition(":")
        kind = next(each for each in get_args(DistanceKind) if each == distance)
        detector = Detector.load(run, device="cpu").with_features(features, kind)
        detector.recalibrate(dataset)
        scorer = detector.pipeline.scorer
        explained = " and ".join(f"{float(each.explained_variance):.1%}" for each in scorer.distances)
        aligned = "not aligned" if scorer.alignment is None else "aligned"
        print(f"{choice}, {aligned}, position explains {explained} | {report(detector, dataset)}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])

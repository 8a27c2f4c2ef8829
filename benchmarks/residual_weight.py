"""Compare weights of the residual beside the attention on finished runs: every map is read off the same pass.

    python benchmarks/residual_weight.py DATA RUN [RUN ...]

The scores are those of the test images, so this explains a default; it is no way to choose one for a line.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from dataclasses import replace
from statistics import mean

import numpy as np
import torch

from excision import Dataset, Detector, load_dataset
from excision.data.images import load_working_image
from excision.evaluation.metrics import average_precision, image_auroc
from excision.scoring import anomaly_score

WEIGHTS = (0.0, 0.25, 0.5, 0.75, 1.0, 2.0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("data")
    parser.add_argument("runs", nargs="+")
    arguments = parser.parse_args()
    dataset = load_dataset(arguments.data)
    defective = np.array([sample.defective for sample in dataset.test])
    figures: dict[float, list[tuple[float, float]]] = defaultdict(list)
    for run in arguments.runs:
        for weight, scores in _scores(Detector.load(run), dataset).items():
            found = np.array(scores)
            figures[weight].append((image_auroc(defective, found), average_precision(defective, found)))
    print("| weight of the residual | image AUROC | image AP |")
    print("| ---: | ---: | ---: |")
    for weight, pairs in figures.items():
        print(f"| {weight:g} | {mean(p[0] for p in pairs):.3f} | {mean(p[1] for p in pairs):.3f} |")


def _scores(detector: Detector, dataset: Dataset) -> dict[float, list[float]]:
    pipeline, settings = detector.pipeline, detector.settings
    assert settings.image.size is not None
    assert settings.image.channels is not None
    scores: dict[float, list[float]] = defaultdict(list)
    for sample in dataset.test:
        working = load_working_image(sample.image, settings.image.size, settings.image.channels)
        image = torch.from_numpy(working.astype(np.float32) / np.float32(65535)).permute(2, 0, 1)[None]
        evidence, _ = pipeline.evidence(image)
        for weight in WEIGHTS:
            pipeline.settings = replace(settings, score=replace(settings.score, residual_weight=weight))
            maps = pipeline.join(evidence)
            scores[weight].append(float(anomaly_score(maps, settings.score.top)[0]))
    return scores


if __name__ == "__main__":
    main()

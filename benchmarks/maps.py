"""Compare absolute anomaly maps and smoothing on finished runs: every map is read off the same pass.

    python benchmarks/maps.py DATA RUN [RUN ...]

The scores are those of the test images, so this explains a default; it is no way to choose one for a line.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from itertools import product
from statistics import mean

import numpy as np
import torch

from excision import Dataset, Detector, load_dataset
from excision.data.images import load_working_image
from excision.evaluation.metrics import average_precision, image_auroc
from excision.masking import excise
from excision.scoring import anomaly_map, anomaly_score
from excision.settings import AnomalyMapKind, ScoreSettings

MAPS: tuple[AnomalyMapKind, ...] = ("squared", "likelihood", "ssim", "msgms")
SMOOTHINGS = (0.0, 1.0, 2.0, 4.0)
Key = tuple[AnomalyMapKind, float]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("data")
    parser.add_argument("runs", nargs="+")
    arguments = parser.parse_args()
    dataset = load_dataset(arguments.data)
    defective = np.array([sample.defective for sample in dataset.test])
    figures: dict[Key, list[tuple[float, float]]] = defaultdict(list)
    for run in arguments.runs:
        for key, scores in _scores(Detector.load(run), dataset).items():
            found = np.array(scores)
            figures[key].append((image_auroc(defective, found), average_precision(defective, found)))
    print("| map | " + " | ".join(f"smoothing {s:g} px" for s in SMOOTHINGS) + " |")
    print("| --- |" + " --- |" * len(SMOOTHINGS))
    for kind in MAPS:
        cells = [
            f"{mean(f[0] for f in figures[kind, s]):.3f} / {mean(f[1] for f in figures[kind, s]):.3f}"
            for s in SMOOTHINGS
        ]
        print(f"| {kind} | " + " | ".join(cells) + " |")


@torch.no_grad()
def _scores(detector: Detector, dataset: Dataset) -> dict[Key, list[float]]:
    pipeline, settings = detector.pipeline, detector.settings
    assert settings.image.size is not None
    assert settings.image.channels is not None
    scores: dict[Key, list[float]] = defaultdict(list)
    for sample in dataset.test:
        working = load_working_image(sample.image, settings.image.size, settings.image.channels)
        image = torch.from_numpy(working.astype(np.float32) / np.float32(65535)).permute(2, 0, 1)[None]
        mask = pipeline(image).mask
        holed = excise(image, mask, settings.mask.fill, settings.mask.patch)
        recovery = pipeline.recovery(holed, mask.to(image.dtype), settings.recovery.skips("inference"))
        for kind, smoothing in product(MAPS, SMOOTHINGS):
            maps = anomaly_map(image, recovery, mask, ScoreSettings(map=kind, smoothing=smoothing))
            scores[kind, smoothing].append(float(anomaly_score(maps, settings.score.top)[0]))
    return scores


if __name__ == "__main__":
    main()

"""Compare absolute anomaly maps and smoothing on finished runs: every map is read off the same pass.

    python experiments/maps.py DATA RUN [RUN ...]

The scores are those of the test images, so this explains a default; it is no way to choose one for a line.
"""

from __future__ import annotations

from collections import defaultdict
from itertools import product

import torch
from finished_runs import mean_figures, test_images

from excision import Dataset, Detector
from excision.method.masking import excise
from excision.method.scoring.residuals import anomaly_map, anomaly_score
from excision.settings import AnomalyMapKind, ScoreSettings

MAPS: tuple[AnomalyMapKind, ...] = ("squared", "likelihood", "ssim", "msgms")
SMOOTHINGS = (0.0, 1.0, 2.0, 4.0)
Key = tuple[AnomalyMapKind, float]


def main() -> None:
    figures = mean_figures(__doc__, _scores)
    print("| map | " + " | ".join(f"smoothing {s:g} px" for s in SMOOTHINGS) + " |")
    print("| --- |" + " --- |" * len(SMOOTHINGS))
    for kind in MAPS:
        cells = ["{:.3f} / {:.3f}".format(*figures[kind, s]) for s in SMOOTHINGS]
        print(f"| {kind} | " + " | ".join(cells) + " |")


@torch.no_grad()
def _scores(detector: Detector, dataset: Dataset) -> dict[Key, list[float]]:
    pipeline, settings = detector.pipeline, detector.settings
    scores: dict[Key, list[float]] = defaultdict(list)
    for image in test_images(detector, dataset):
        mask = pipeline(image).mask
        masked_image = excise(image, mask, settings.mask.fill, settings.mask.patch)
        recovery = pipeline.recovery(masked_image, mask.to(image.dtype), settings.recovery.skips("inference"))
        for kind, smoothing in product(MAPS, SMOOTHINGS):
            maps = anomaly_map(image, recovery, mask, ScoreSettings(map=kind, smoothing=smoothing))
            scores[kind, smoothing].append(float(anomaly_score(maps, settings.score.top)[0]))
    return scores


if __name__ == "__main__":
    main()

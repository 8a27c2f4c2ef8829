"""Compare how the residual counts beside the attention on finished runs: every map is read off the same pass.

    python benchmarks/residual_evidence.py DATA RUN [RUN ...]

The scores are those of the test images, so this explains a default; it is no way to choose one for a line.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from itertools import product

from finished_runs import mean_figures, test_images

from excision import Dataset, Detector
from excision.scoring import anomaly_score

WEIGHTS = (0.5, 0.75, 1.0, 1.5)
TRUNCATIONS = (1.0, 0.3, 0.1, 0.05)

Variant = tuple[float, float]


def main() -> None:
    figures = mean_figures(__doc__, _scores)
    print("| weight of the residual | truncation | image AUROC | image AP |")
    print("| ---: | ---: | ---: | ---: |")
    for (weight, truncation), (auroc, precision) in figures.items():
        print(f"| {weight:g} | {truncation:g} | {auroc:.3f} | {precision:.3f} |")


def _scores(detector: Detector, dataset: Dataset) -> dict[Variant, list[float]]:
    pipeline, settings = detector.pipeline, detector.settings
    scores: dict[Variant, list[float]] = defaultdict(list)
    for image in test_images(detector, dataset):
        evidence, _ = pipeline.evidence(image)
        for weight, truncation in ((0.0, 1.0), *product(WEIGHTS, TRUNCATIONS)):
            score = replace(settings.score, residual_weight=weight, residual_truncation=truncation)
            pipeline.settings = replace(settings, score=score)
            maps = pipeline.join(evidence)
            scores[weight, truncation].append(float(anomaly_score(maps, settings.score.top)[0]))
    return scores


if __name__ == "__main__":
    main()

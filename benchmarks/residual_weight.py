"""Compare weights of the residual beside the attention on finished runs: every map is read off the same pass.

    python benchmarks/residual_weight.py DATA RUN [RUN ...]

The scores are those of the test images, so this explains a default; it is no way to choose one for a line.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace

from finished_runs import mean_figures, test_images

from excision import Dataset, Detector
from excision.scoring import anomaly_score

WEIGHTS = (0.0, 0.25, 0.5, 0.75, 1.0, 2.0)


def main() -> None:
    figures = mean_figures(__doc__, _scores)
    print("| weight of the residual | image AUROC | image AP |")
    print("| ---: | ---: | ---: |")
    for weight, (auroc, precision) in figures.items():
        print(f"| {weight:g} | {auroc:.3f} | {precision:.3f} |")


def _scores(detector: Detector, dataset: Dataset) -> dict[float, list[float]]:
    pipeline, settings = detector.pipeline, detector.settings
    scores: dict[float, list[float]] = defaultdict(list)
    for image in test_images(detector, dataset):
        evidence, _ = pipeline.evidence(image)
        for weight in WEIGHTS:
            pipeline.settings = replace(settings, score=replace(settings.score, residual_weight=weight))
            maps = pipeline.join(evidence)
            scores[weight].append(float(anomaly_score(maps, settings.score.top)[0]))
    return scores


if __name__ == "__main__":
    main()

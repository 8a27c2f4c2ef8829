"""Compare how the residuals count beside the attention on finished runs: every map is read off the same pass.

    python experiments/residual_evidence.py DATA RUN [RUN ...]

The scores are those of the test images, so this explains a default; it is no way to choose one for a line.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from itertools import product
from typing import NamedTuple

import torch
from finished_runs import mean_figures, test_images

from excision import Dataset, Detector
from excision.method.scoring.evidence import Evidence
from excision.method.scoring.residuals import anomaly_score

WEIGHTS = (0.5, 0.75, 1.0)
TRUNCATIONS = (1.0, 0.3, 0.2, 0.1)


class Variant(NamedTuple):
    """Which residuals count, how much, and from where on."""

    residuals: str
    weight: float
    truncation: float


VARIANTS = (
    Variant("none", 0.0, 1.0),
    *(Variant(*values) for values in product(("pixel", "broad", "both"), WEIGHTS, TRUNCATIONS)),
)


def main() -> None:
    figures = mean_figures(__doc__, _scores)
    print("| residuals | weight | truncation | image AUROC | image AP |")
    print("| --- | ---: | ---: | ---: | ---: |")
    for variant, (auroc, precision) in figures.items():
        print(
            f"| {variant.residuals} | {variant.weight:g} | {variant.truncation:g} | "
            f"{auroc:.3f} | {precision:.3f} |"
        )


def _scores(detector: Detector, dataset: Dataset) -> dict[Variant, list[float]]:
    pipeline, settings = detector.pipeline, detector.settings
    scores: dict[Variant, list[float]] = defaultdict(list)
    for image in test_images(detector, dataset):
        evidence, _ = pipeline.evidence(image)
        for variant in VARIANTS:
            score = replace(
                settings.score, residual_weight=variant.weight, residual_truncation=variant.truncation
            )
            pipeline.scorer.settings = replace(settings, score=score)
            maps = pipeline.scorer.combine(_only(evidence, variant.residuals))
            scores[variant].append(float(anomaly_score(maps, settings.score.top)[0]))
    return scores


def _only(evidence: Evidence, residuals: str) -> Evidence:
    """Leave out the residual that is not to count."""
    kept = (
        found if residuals in (name, "both") else torch.zeros_like(found)
        for name, found in zip(("pixel", "broad"), evidence.residuals, strict=True)
    )
    return evidence._replace(residuals=tuple(kept))


if __name__ == "__main__":
    main()

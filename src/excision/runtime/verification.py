"""Verifies that an exported model agrees with torch, by replaying its golden images."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np

from excision.errors import ModelError
from excision.runtime.defect_criteria import DefectCriteria
from excision.runtime.golden_file import GOLDEN, Golden
from excision.runtime.inspector import Inspector

DRIFT_LIMITS = {"fp32": 1e-3, "bf16": 0.1, "int8": 0.25}
"""Default limit of the score drift, by precision."""

MOST_OF_MAP = 0.05
"""Largest share of pixels that may differ by more than that.

Single cells of the mask may: on another processor or in another precision, rounding moves their attention
across the mask threshold.
"""


@dataclass(frozen=True, slots=True)
class Proof:
    """How far an exported model differs from torch on some images.

    Attributes:
        images: number of images.
        score_drift: largest difference of a score, as a share of the decision threshold.
        map_difference: largest difference of a pixel of the anomaly map, as a share of the threshold.
        map_share: share of the maps' pixels that differ by more than the drift that the precision may have.
        verdicts_changed: number of images whose verdict by the backend's threshold differs from torch's.
        seconds: duration of the replay.
    """

    images: int
    score_drift: float
    map_difference: float
    map_share: float
    verdicts_changed: int
    seconds: float

    def check(self, allowed: float) -> None:
        """Check that the drift is within the limit.

        Raises:
            ModelError: the score drift is above `allowed`, or many pixels of the maps differ.
        """
        if self.score_drift > allowed:
            raise ModelError(
                f"the exported model drifts from torch by {self.score_drift:.2%} of the threshold, more than "
                f"the {allowed:.2%} allowed: choose another --precision, or another limit by --allow-drift"
            )
        if self.map_share > MOST_OF_MAP:
            raise ModelError(
                f"{self.map_share:.1%} of the anomaly maps' pixels differ from torch's: the golden images "
                "and the graph do not belong together; export the model again"
            )


def replay(inspector: Inspector, golden: Golden, torch_threshold: float | None = None) -> Proof:
    """Inspect the golden images again and compare.

    Args:
        inspector: inspector of the exported folder.
        golden: its golden images.
        torch_threshold: threshold of torch's verdicts; None takes that of the inspector.

    Raises:
        ModelError: the golden images are not those of the model, or the graph is damaged.
    """
    if golden.images.shape[1:] != (*inspector.description.size, inspector.description.channels):
        raise ModelError(
            f"{inspector.folder / GOLDEN}: images of the shape {golden.images.shape[1:]} are not those of "
            f"a model for {inspector.description.size} pixels and {inspector.description.channels} channels"
        )
    if torch_threshold is None:
        torch_threshold = inspector.threshold
    start = time.perf_counter()
    found = [inspector.inspect_working(image, DefectCriteria()) for image in golden.images]
    seconds = time.perf_counter() - start
    unit = max(abs(inspector.threshold), 1e-9)
    limit = DRIFT_LIMITS[inspector.description.precision] * unit
    scores = np.array([prediction.score for prediction in found])
    differences = [np.abs(each.anomaly_map - wanted) for each, wanted in zip(found, golden.maps, strict=True)]
    return Proof(
        images=len(found),
        score_drift=float(np.abs(scores - golden.scores).max()) / unit,
        map_difference=float(max(each.max() for each in differences)) / unit,
        map_share=float(np.mean([(each > limit).mean() for each in differences])),
        verdicts_changed=int(((scores > inspector.threshold) != (golden.scores > torch_threshold)).sum()),
        seconds=seconds,
    )


def verify(inspector: Inspector, allowed: float | None = None) -> Proof:
    """Replay the golden images of an exported folder on this machine.

    Args:
        inspector: inspector of the folder.
        allowed: largest score drift as a share of the threshold; None takes the default of the precision.

    Raises:
        ModelError: the golden images are damaged, or the model drifts too far.
    """
    proof = replay(inspector, Golden.load(inspector.folder))
    proof.check(DRIFT_LIMITS[inspector.description.precision] if allowed is None else allowed)
    return proof

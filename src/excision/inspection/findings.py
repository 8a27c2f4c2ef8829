"""The findings reported for a prediction: score, verdict, defect area, and boxes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from excision.ops.boxes import Box, scale_box
from excision.predictions import Detection, Verdict


@dataclass(frozen=True, slots=True)
class Findings:
    """The findings reported for an image.

    Attributes:
        score: anomaly score.
        p_value: conformal p-value of the score; None where it is unknown.
        verdict: "good", "review", "defect" or "unfit".
        unfit: why the image is not fit to be inspected; empty if it is.
        image_statistics: what the fitness of the image is judged by, by name; None if it is not judged.
        defect_area_share: share of the pixels above the lowest threshold, 0 to 1.
        boxes: boxes (x, y, width, height) in pixels of the image file around the regions above that
            threshold, strongest first, at most `MOST_BOXES`.
        shown_boxes: the same boxes in pixels of the displayed picture, which may be smaller.
    """

    score: float
    p_value: float | None
    verdict: Verdict
    unfit: tuple[str, ...]
    image_statistics: dict[str, float] | None
    defect_area_share: float
    boxes: tuple[Box, ...]
    shown_boxes: tuple[Box, ...]


def findings(detection: Detection, size: tuple[int, int] | None = None) -> Findings:
    """Return the findings of an image.

    Args:
        detection: detection with the anomaly map at full size.
        size: (H, W) of the image file in pixels; None takes that of the detection, or of its anomaly map.
    """
    height, width = detection.anomaly_map.shape
    boxes = detection.map_boxes()
    wanted, shown = size or detection.full_size, detection.shown_size
    return Findings(
        score=detection.score,
        p_value=detection.p_value,
        verdict=detection.verdict,
        unfit=detection.unfit,
        image_statistics=_finite(detection.image_statistics),
        defect_area_share=detection.defect_area_share,
        boxes=tuple(scale_box(box, (height, width), wanted) for box in boxes),
        shown_boxes=tuple(scale_box(box, (height, width), shown) for box in boxes),
    )


def _finite(statistics: Mapping[str, float] | None) -> dict[str, float] | None:
    """Return the statistics that JSON can hold."""
    if statistics is None:
        return None
    return {name: float(value) for name, value in statistics.items() if math.isfinite(value)}

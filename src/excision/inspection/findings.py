"""From a prediction to what is reported of it: score, verdict, defect area, and boxes."""

from __future__ import annotations

import math
from dataclasses import dataclass

from excision.ops.connected_components import find_regions
from excision.predictions import Box, Detection, Verdict

MOST_BOXES = 1000
"""Boxes that are reported of one image, the strongest first."""


@dataclass(frozen=True, slots=True)
class Findings:
    """What is reported of an image.

    Attributes:
        score: anomaly score.
        verdict: "good", "review" or "defect".
        defect_area_share: share of the pixels above the lowest threshold, 0 to 1.
        boxes: around each region above that threshold, strongest first, at most `MOST_BOXES`: (x, y, width,
            height) in pixels of the image file.
        shown_boxes: the same boxes in pixels of the picture that is shown, which may be smaller.
    """

    score: float
    verdict: Verdict
    defect_area_share: float
    boxes: tuple[Box, ...]
    shown_boxes: tuple[Box, ...]


def findings(detection: Detection, size: tuple[int, int] | None = None) -> Findings:
    """Give what is reported of an image.

    Args:
        detection: with the anomaly map at its full size.
        size: (H, W) of the image file in pixels; None takes that of the anomaly map.
    """
    height, width = detection.anomaly_map.shape
    above = detection.anomaly_map > detection.lowest_threshold
    # Most images are good, and looking for regions costs as much as all the rest here.
    regions = find_regions(above, detection.anomaly_map)[:MOST_BOXES] if above.any() else []
    shown = detection.image.shape[0], detection.image.shape[1]
    return Findings(
        score=detection.score,
        verdict=detection.verdict,
        defect_area_share=float(above.mean()),
        boxes=tuple(scale_box(region.box, (height, width), size or (height, width)) for region in regions),
        shown_boxes=tuple(scale_box(region.box, (height, width), shown) for region in regions),
    )


def scale_box(box: Box, size: tuple[int, int], other: tuple[int, int]) -> Box:
    """Give a box in pixels of the same image at another size, rounded outwards.

    Args:
        box: in the image at `size`.
        size: (H, W).
        other: (H, W) of the same image at the other size.
    """
    (x, y, width, height), scale_y, scale_x = box, other[0] / size[0], other[1] / size[1]
    left, top = math.floor(x * scale_x), math.floor(y * scale_y)
    right, bottom = math.ceil((x + width) * scale_x), math.ceil((y + height) * scale_y)
    return left, top, min(right, other[1]) - left, min(bottom, other[0]) - top

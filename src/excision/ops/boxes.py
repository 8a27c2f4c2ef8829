"""Boxes around the regions of an anomaly map, and the same boxes at another size of the image."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from excision.ops.connected_components import find_regions

MOST_BOXES = 1000
"""Largest number of boxes that are reported for one image, the strongest first."""

Box = tuple[int, int, int, int]
"""A rectangle (x, y, width, height) in pixels."""


def strongest_boxes(anomaly_map: NDArray[np.float32], threshold: float) -> list[Box]:
    """Give boxes around the `MOST_BOXES` strongest regions of a map (H, W) above a threshold."""
    above = anomaly_map > threshold
    # Most images are good, and finding regions takes as long as the rest of a report.
    regions = find_regions(above, anomaly_map)[:MOST_BOXES] if above.any() else []
    return [region.box for region in regions]


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

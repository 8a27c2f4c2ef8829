"""The stages of a prediction as pictures, (H, W, 3) uint8, drawn with numpy only.

Colours have the same meaning in every picture: the anomaly map is scaled by the decision threshold, not by
its own maximum, so that a good part looks dark and pictures can be compared.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

import numpy as np
from numpy.typing import NDArray

from excision.ops.boxes import Box

Picture = NDArray[np.uint8]

# Nine even samples of "inferno" (S. van der Walt and N. Smith, CC0): lightness rises steadily with the value,
# also for colour-blind readers and in a grey print.
_HEAT = (
    (0, 0, 4), (33, 12, 74), (87, 16, 110), (138, 34, 106), (188, 55, 84),
    (228, 90, 49), (249, 142, 9), (249, 203, 53), (252, 255, 164),
)  # fmt: skip

# Attention must not be mistaken for an anomaly: another hue, also with rising lightness.
_LOOK = (
    (4, 10, 24), (8, 29, 62), (12, 50, 96), (18, 76, 122), (29, 105, 140),
    (52, 136, 154), (96, 168, 170), (158, 202, 194), (226, 238, 226),
)  # fmt: skip

MASK_COLOUR = (86, 180, 233)
TRUTH_COLOUR = (64, 224, 128)
UNFIT_COLOUR = (87, 49, 143)
DEFECT_COLOUR = (255, 176, 0)
_DARK = (16, 16, 20)


def show_image(image: NDArray[np.float32]) -> Picture:
    """Convert an image (H, W, C) in [0, 1], with C 1 or 3, to a picture."""
    values = np.rint(np.clip(image, 0, 1) * 255).astype(np.uint8)
    return np.repeat(values, 3, axis=2) if values.shape[2] == 1 else values.copy()


def heat_map(anomaly_map: NDArray[np.float32], threshold: float) -> Picture:
    """Colour an anomaly map (H, W): black at 0, orange-red at the threshold, pale yellow from twice that on.

    Without a finite threshold above 0, the maximum of the map is used instead of twice the threshold.
    """
    return _coloured(_relative(anomaly_map, threshold) / 2, "heat")


def heat_colours() -> list[str]:
    """Give the colours of `heat_map` from 0 to twice the threshold in even steps, for a legend: "#rrggbb"."""
    return ["#{:02x}{:02x}{:02x}".format(*anchor) for anchor in _HEAT]


def attention_map(attention: NDArray[np.float32]) -> Picture:
    """Colour an attention map (H, W) from its lowest to its highest value, because its unit is arbitrary."""
    low = attention.min()
    extent = attention.max() - low
    return _coloured((attention - low) / extent if extent > 0 else np.zeros_like(attention), "look")


def overlay(
    image: NDArray[np.float32],
    anomaly_map: NDArray[np.float32],
    threshold: float,
    boxes: Iterable[Box] = (),
    ground_truth: NDArray[np.bool_] | None = None,
) -> Picture:
    """Draw the anomaly map over its image; the stronger the anomaly, the less of the image is visible.

    Args:
        image: (H, W, C) in [0, 1].
        anomaly_map: (H, W), in the unit of the threshold; pixels above it are outlined.
        threshold: decision threshold.
        boxes: boxes (x, y, width, height) in pixels to draw around regions.
        ground_truth: (H, W), the true defect, which is outlined; None if unknown.
    """
    strength = np.clip(_relative(anomaly_map, threshold), 0, 1)[..., np.newaxis] ** 2 * 0.65
    picture = _blend(show_image(image), heat_map(anomaly_map, threshold), strength)
    _draw_outline(picture, anomaly_map > threshold, DEFECT_COLOUR)
    for box in boxes:
        _draw_box(picture, box)
    if ground_truth is not None:
        _draw_outline(picture, ground_truth, TRUTH_COLOUR, outside=True)
    return picture


def show_mask(image: NDArray[np.float32], mask: NDArray[np.bool_]) -> Picture:
    """Tint the masked pixels (mask (H, W), True = excised) of an image and outline them."""
    tint = np.broadcast_to(np.array(MASK_COLOUR, np.uint8), (*mask.shape, 3))
    picture = _blend(show_image(image), tint, mask[..., np.newaxis] * 0.4)
    _draw_outline(picture, mask, MASK_COLOUR)
    return picture


def show_ground_truth(image: NDArray[np.float32], ground_truth: NDArray[np.bool_]) -> Picture:
    """Outline the true defect (H, W) on its image; the defect itself stays visible."""
    picture = show_image(image)
    _draw_outline(picture, ground_truth, TRUTH_COLOUR, outside=True)
    return picture


def _relative(anomaly_map: NDArray[np.float32], threshold: float) -> NDArray[np.float32]:
    """Scale the map by the threshold, or to a maximum of 2 if there is no usable threshold."""
    unit = threshold if 0 < threshold < np.inf else float(anomaly_map.max()) / 2
    relative: NDArray[np.float32] = anomaly_map / np.float32(unit) if unit > 0 else np.zeros_like(anomaly_map)
    return relative


def _coloured(values: NDArray[np.floating], table: str) -> Picture:
    """Look up values in a colour table for [0, 1]; values outside take the colour at its end."""
    indices = np.rint(np.clip(values, 0, 1) * 255).astype(np.uint8)
    picture: Picture = _table(table)[indices]
    return picture


@cache
def _table(name: str) -> Picture:
    anchors = np.array(_HEAT if name == "heat" else _LOOK, np.float64)
    positions = np.linspace(0, len(anchors) - 1, 256)
    channels = [np.interp(positions, np.arange(len(anchors)), anchors[:, c]) for c in range(3)]
    return np.rint(np.stack(channels, axis=1)).astype(np.uint8)


def _blend(below: Picture, above: Picture, opacity: NDArray[np.floating]) -> Picture:
    mixed = below * (1 - opacity) + above * opacity
    blended: Picture = np.rint(mixed).astype(np.uint8)
    return blended


def _draw_outline(
    picture: Picture, region: NDArray[np.bool_], colour: tuple[int, int, int], outside: bool = False
) -> None:
    """Draw the edge of a region, with a dark line around it, so that it is visible on any background."""
    width = _line_width(picture)
    if outside:
        line = _grown(region, width) & ~region
        halo = _grown(region, 2 * width) & ~_grown(region, width)
    else:
        line = region & _grown(~region, width)
        halo = _grown(region, width) & ~region
    picture[halo] = picture[halo] // 2 + np.array(_DARK, np.uint8) // 2
    picture[line] = colour


def _draw_box(picture: Picture, box: Box) -> None:
    x, y, width, height = box
    inside = np.zeros(picture.shape[:2], dtype=bool)
    # Leave a gap, so that the line does not cover the defect.
    air = 2 * _line_width(picture)
    inside[max(y - air, 0) : y + height + air, max(x - air, 0) : x + width + air] = True
    _draw_outline(picture, inside, DEFECT_COLOUR)


def _line_width(picture: Picture) -> int:
    shorter: int = min(picture.shape[:2])
    return max(1, round(shorter / 250))


def _grown(region: NDArray[np.bool_], steps: int) -> NDArray[np.bool_]:
    """Grow a region by a number of pixels in the four directions."""
    for _ in range(steps):
        grown = region.copy()
        grown[1:] |= region[:-1]
        grown[:-1] |= region[1:]
        grown[:, 1:] |= region[:, :-1]
        grown[:, :-1] |= region[:, 1:]
        region = grown
    return region

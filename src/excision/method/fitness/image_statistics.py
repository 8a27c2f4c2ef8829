"""Statistics of an image that a defect hardly changes, and another light, lens or product does."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from excision.method.fitness.cell_statistics import FINEST, WHITE, Floats, means, of_each_cell, quietest
from excision.method.fitness.cells import Grid, Whole, cut_cells, halved

DARKEST = 0.02
"""Added to a brightness before its logarithm is taken: black differs little from nearly black."""

_CLIPPED_LOW, _CLIPPED_HIGH = int(0.004 * WHITE), int(0.996 * WHITE)
_SUBSAMPLE = 4
_LOW = 15
"""Per cent of the pixels at either end that may be a defect."""

CHROMA = 0.02
"""Added to how colourful an image is before the logarithm is taken."""

GREY_NAMES = (
    *("shadows", "brightness", "highlights", "contrast", "clipped_dark", "clipped_bright", "level_asymmetry"),
    *("local_contrast", "sharpness", "scale", "fine_sharpness", "fine_scale", "crispness_0", "crispness_1"),
    *("noise", "direction_1", "slant_1", "direction_2", "slant_2", "asymmetry_1", "asymmetry_2"),
)
COLOUR_NAMES = ("saturation", "redness", "blueness")
"""Statistics of a grey image, and those that a colour image has in addition."""


class ImageStatistics(NamedTuple):
    """What is compared with training images.

    Attributes:
        named: statistics of the image as a whole, by name.
        negative: the same of its negative.
        cells: (3, K): brightness, contrast and fineness of each cell, relative to the image's own. The
            negative has the first row with its sign changed.
        view: (2 R, 2 C): brightness of quarters of cells, relative to the image's own; the negative changes
            its sign.
    """

    named: dict[str, float]
    negative: dict[str, float]
    cells: Floats
    view: Floats


def measure(working: NDArray[np.uint16], grid: Grid) -> ImageStatistics:
    """Compute the statistics of a working image (H, W, C), with 65535 for 1.

    All are medians or quantiles over cells or pixels, which a defect on a small part of the image hardly
    moves. Brightness, contrast, sharpness and noise are logarithms to the base 2.

    Raises:
        ValueError: the image is too small for the grid.
    """
    found = cut_cells(working, grid)
    octaves = [found.grey]
    for _ in range(2):
        octaves.append(halved(octaves[-1]))
    levels = _levels(found.grey)
    each = of_each_cell(octaves)
    rows = np.concatenate([*each.values()]).reshape(len(each), -1)
    ordered = dict(zip(each, np.sort(rows, axis=1), strict=True))
    medians = {name: _middle(values) for name, values in ordered.items()}
    texture = _texture(ordered, medians)
    asymmetries = {name: medians[name] for name in ("asymmetry_1", "asymmetry_2")}
    negative = {name: -value for name, value in asymmetries.items()}
    colours = (None, None) if found.colour is None else (found.colour, WHITE - found.colour)
    scale = levels.dark_bright + DARKEST
    cells = np.stack([each[name] - medians[name] for name in ("mean", "deviation", "fineness")])
    cells[0] /= scale
    return ImageStatistics(
        {**_light(levels), **texture, **asymmetries, **_colours(colours[0])},
        {**_light(levels.negative()), **texture, **negative, **_colours(colours[1])},
        cells,
        _view(octaves[2], grid, scale),
    )


class _Levels(NamedTuple):
    """Brightness that 15, 50 and 85 % of the pixels do not exceed, in [0, 1], and shares that are clipped."""

    low: float
    middle: float
    high: float
    dark: float
    bright: float

    @property
    def dark_bright(self) -> float:
        """How far apart dark and bright pixels are."""
        return self.high - self.low

    def negative(self) -> _Levels:
        """Return the levels of the negative."""
        return _Levels(1 - self.high, 1 - self.middle, 1 - self.low, self.bright, self.dark)


def _light(levels: _Levels) -> dict[str, float]:
    spread = levels.dark_bright
    amounts = np.array([levels.low, levels.middle, levels.high, spread])
    shadows, brightness, highlights, contrast = np.log2(amounts + DARKEST).tolist()
    return {
        "shadows": shadows,
        "brightness": brightness,
        "highlights": highlights,
        "contrast": contrast,
        # The square root tells 0 from 1 % as well as 30 from 40 %.
        "clipped_dark": math.sqrt(levels.dark),
        "clipped_bright": math.sqrt(levels.bright),
        "level_asymmetry": (levels.high + levels.low - 2 * levels.middle) / (spread + DARKEST),
    }


def _texture(ordered: dict[str, Floats], medians: dict[str, float]) -> dict[str, float]:
    """Compare the sizes of differences at three scales, each a factor of 2 above the one before.

    Args:
        ordered: statistics of all cells by name, in ascending order.
        medians: their medians.
    """
    fine, coarse, broad = (_upper(ordered[name]) for name in ("fine", "coarse", "broad"))
    directions = ("direction_1", "slant_1", "direction_2", "slant_2")
    return {
        "local_contrast": medians["deviation"],
        "sharpness": fine - coarse,
        "scale": coarse - broad,
        "fine_sharpness": medians["fineness"],
        "fine_scale": medians["coarseness"],
        "crispness_0": medians["crispness_0"],
        "crispness_1": medians["crispness_1"],
        "noise": float(np.log2(quietest(ordered["noise"]) + FINEST / 4)),
        **{name: medians[name] for name in directions},
    }


def _levels(grey: Whole) -> _Levels:
    pixels = np.sort(grey[1::_SUBSAMPLE, :, 1::_SUBSAMPLE], axis=None)
    count = len(pixels)
    low, middle, high = (
        float(pixels[(count - 1) * share // 100]) / WHITE for share in (_LOW, 50, 100 - _LOW)
    )
    dark = pixels.searchsorted(_CLIPPED_LOW, "right") / count
    bright = 1 - pixels.searchsorted(_CLIPPED_HIGH, "left") / count
    return _Levels(low, middle, high, float(dark), float(bright))


def _colours(found: Floats | None) -> dict[str, float]:
    if found is None:
        return {}
    unit = found / WHITE
    red, green, blue = np.log2(unit.T + DARKEST)
    chroma = unit.max(axis=1) - unit.min(axis=1)
    return {
        "saturation": float(np.log2(_median(chroma) + CHROMA)),
        "redness": _median(red - green),
        "blueness": _median(blue - green),
    }


def _view(octave: Whole, grid: Grid, scale: float) -> Floats:
    """Return the brightness of the quarters of all cells, less their median, in units of `scale`."""
    tall, count, wide = octave.shape
    if tall < 2 or wide < 2:
        quarters = np.broadcast_to(means(octave, 1.0)[:, None, None], (count, 2, 2))
    else:
        half = octave[: tall // 2 * 2, :, : wide // 2 * 2].reshape(2, tall // 2, count, 2, wide // 2)
        total = half.sum(axis=1, dtype=np.int32).sum(axis=3, dtype=np.int32).transpose(1, 0, 2)
        quarters = total / ((tall // 2) * (wide // 2))
    view = quarters.reshape(*grid, 2, 2).transpose(0, 2, 1, 3).reshape(2 * grid[0], 2 * grid[1])
    relative: Floats = (view - _median(view)) / (16 * WHITE * scale)
    return relative


def _median(values: Floats) -> float:
    """Return the median of all values; `numpy.median`, which gives the same, first loads masked arrays."""
    return _middle(np.sort(values, axis=None))


def _middle(ordered: Floats) -> float:
    """Return the median of values (N,) in ascending order."""
    return float(ordered[(len(ordered) - 1) // 2] + ordered[len(ordered) // 2]) / 2


def _upper(ordered: Floats) -> float:
    """Return the upper quartile of ordered values: what cells with content show, if others are empty."""
    return float(ordered[(len(ordered) - 1) * 3 // 4])

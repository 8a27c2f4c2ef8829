"""Statistics of an image that a defect hardly changes, and another light, lens or product does."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from excision.method.fitness.cells import Grid, Whole, cut_cells, halved

Floats = NDArray[np.float64]

_WHITE = 65535.0
DARKEST = 0.02
"""Added to a brightness before its logarithm is taken: black differs little from nearly black."""

FINEST = 0.125 / 255
"""The same for differences between neighbouring pixels: an eighth of a step of 8 bits."""

_CLIPPED_LOW, _CLIPPED_HIGH = int(0.004 * _WHITE), int(0.996 * _WHITE)
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
    deviations = np.log2(_deviations(octaves[1]) + FINEST)
    gradients = [_gradients(octave, 4.0**-power, diagonal=power > 0) for power, octave in enumerate(octaves)]
    sizes = [np.log2(each[:2].mean(axis=0) + FINEST) for each in gradients]
    texture = _texture(octaves, sizes, deviations) | _directions(gradients)
    asymmetries = {f"asymmetry_{power}": _median(_asymmetry(octaves[power])) for power in (1, 2)}
    negative = {name: -value for name, value in asymmetries.items()}
    colours = (None, None) if found.colour is None else (found.colour, _WHITE - found.colour)
    scale = levels.dark_bright + DARKEST
    means = _cell_means(found.grey)
    cells = np.stack([(means - _median(means)) / scale, deviations, sizes[0] - sizes[1]])
    cells[1:] -= [[_median(row)] for row in cells[1:]]
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
    return {
        "shadows": float(np.log2(levels.low + DARKEST)),
        "brightness": float(np.log2(levels.middle + DARKEST)),
        "highlights": float(np.log2(levels.high + DARKEST)),
        "contrast": float(np.log2(spread + DARKEST)),
        # The square root tells 0 from 1 % as well as 30 from 40 %.
        "clipped_dark": float(np.sqrt(levels.dark)),
        "clipped_bright": float(np.sqrt(levels.bright)),
        "level_asymmetry": (levels.high + levels.low - 2 * levels.middle) / (spread + DARKEST),
    }


def _texture(octaves: list[Whole], sizes: list[Floats], deviations: Floats) -> dict[str, float]:
    """Compare the sizes of differences at three scales, each a factor of 2 above the one before."""
    fine, coarse, broad = sizes
    return {
        "local_contrast": _median(deviations),
        "sharpness": _upper(fine) - _upper(coarse),
        "scale": _upper(coarse) - _upper(broad),
        "fine_sharpness": _median(fine - coarse),
        "fine_scale": _median(coarse - broad),
        "crispness_0": _median(_bends(octaves[0], 1.0) - fine),
        "crispness_1": _median(_bends(octaves[1], 0.25) - coarse),
        "noise": float(np.log2(noise_of(octaves[0]) + FINEST / 4)),
    }


def _directions(gradients: list[Floats]) -> dict[str, float]:
    named = {}
    for power in (1, 2):
        down, across, falling, rising = gradients[power]
        named[f"direction_{power}"] = _median(_balance(across, down))
        named[f"slant_{power}"] = _median(_balance(falling, rising))
    return named


def _cell_means(grey: Whole) -> Floats:
    total: Floats = grey.sum(axis=(1, 2), dtype=np.int64) / (grey.shape[1] * grey.shape[2] * _WHITE)
    return total


def _levels(grey: Whole) -> _Levels:
    pixels = np.sort(grey[:, 1::_SUBSAMPLE, 1::_SUBSAMPLE], axis=None)
    count = len(pixels)
    low, middle, high = (
        float(pixels[(count - 1) * share // 100]) / _WHITE for share in (_LOW, 50, 100 - _LOW)
    )
    dark = np.searchsorted(pixels, _CLIPPED_LOW, "right") / count
    bright = 1 - np.searchsorted(pixels, _CLIPPED_HIGH, "left") / count
    return _Levels(low, middle, high, float(dark), float(bright))


def _deviations(octave: Whole) -> Floats:
    """Return the standard deviation of each cell, in [0, 1], from sums of 2 x 2 pixels."""
    values = octave.reshape(len(octave), -1).astype(np.float64)
    mean = values.sum(axis=1, keepdims=True) / values.shape[1]
    variance = np.maximum((values * values).sum(axis=1) / values.shape[1] - mean[:, 0] ** 2, 0)
    deviation: Floats = np.sqrt(variance) / (4 * _WHITE)
    return deviation


def _gradients(octave: Whole, unit: float, *, diagonal: bool) -> Floats:
    """Return the mean absolute differences of neighbours, (2 or 4, K): down, across, and both diagonals."""
    differences = [octave[:, 1:] - octave[:, :-1], octave[:, :, 1:] - octave[:, :, :-1]]
    if diagonal:
        differences += [octave[:, 1:, 1:] - octave[:, :-1, :-1], octave[:, 1:, :-1] - octave[:, :-1, 1:]]
    return np.stack([_mean_size(each) for each in differences]) * (unit / _WHITE)


def _bends(octave: Whole, unit: float) -> Floats:
    """Return the logarithm of the mean absolute second differences of each cell, (K,)."""
    down = octave[:, 2:] - 2 * octave[:, 1:-1] + octave[:, :-2]
    across = octave[:, :, 2:] - 2 * octave[:, :, 1:-1] + octave[:, :, :-2]
    bends: Floats = np.log2((_mean_size(down) + _mean_size(across)) * (unit / 2 / _WHITE) + FINEST / 2)
    return bends


def _mean_size(values: Whole) -> Floats:
    """Return the mean absolute value of each cell, (K,); overwrites the values, which are differences."""
    if values.size == 0:
        return np.zeros(len(values))
    # No sum exceeds 8 x 65535 x 32 x 32, so that 32 bits hold it.
    flat = np.abs(values, out=values).reshape(len(values), -1)
    size: Floats = flat.sum(axis=1, dtype=np.int32) / flat.shape[1]
    return size


def noise_of(grey: Whole) -> float:
    """Estimate the standard deviation of the noise, in [0, 1], on the quietest quarter of the cells.

    Immerkaer, "Fast Noise Variance Estimation", 1996: a mask to which smooth content and straight edges are
    invisible.
    """
    down = grey[:, 2:] - 2 * grey[:, 1:-1] + grey[:, :-2]
    both = down[:, :, 2:] - 2 * down[:, :, 1:-1] + down[:, :, :-2]
    noise = np.sort(_mean_size(both)) * (np.sqrt(np.pi / 2) / 6 / _WHITE)
    return float(noise[len(noise) // 4])


def _balance(one: Floats, other: Floats) -> Floats:
    balance: Floats = (one - other) / (one + other + FINEST)
    return balance


def _asymmetry(octave: Whole) -> Floats:
    """Return how much stronger bright lines and spots are than dark ones, in [-1, 1], for each cell.

    The sign changes if the image is inverted.
    """
    centre = octave[:, 1:-1, 1:-1]
    if centre.size == 0:
        return np.zeros(len(octave))
    around = octave[:, 2:, 1:-1] + octave[:, :-2, 1:-1] + octave[:, 1:-1, 2:] + octave[:, 1:-1, :-2]
    ridge = (4 * centre - around).reshape(len(octave), -1).astype(np.float64)
    energy = (ridge * ridge).sum(axis=1)
    signed = (ridge * np.abs(ridge)).sum(axis=1)
    quiet = ridge.shape[1] * (4 * _WHITE * FINEST) ** 2
    asymmetry: Floats = signed / (energy + quiet)
    return asymmetry


def _colours(means: Floats | None) -> dict[str, float]:
    if means is None:
        return {}
    red, green, blue = (np.log2(means[:, channel] / _WHITE + DARKEST) for channel in range(3))
    unit = means / _WHITE
    chroma = unit.max(axis=1) - unit.min(axis=1)
    return {
        "saturation": float(np.log2(_median(chroma) + CHROMA)),
        "redness": _median(red - green),
        "blueness": _median(blue - green),
    }


def _view(octave: Whole, grid: Grid, scale: float) -> Floats:
    """Return the brightness of the quarters of all cells, less their median, in units of `scale`."""
    count, tall, wide = octave.shape
    if tall < 2 or wide < 2:
        quarters = np.broadcast_to(octave.sum(axis=(1, 2))[:, None, None] / (tall * wide), (count, 2, 2))
    else:
        half = octave[:, : tall // 2 * 2, : wide // 2 * 2].reshape(count, 2, tall // 2, 2, wide // 2)
        quarters = half.sum(axis=(2, 4), dtype=np.int64) / ((tall // 2) * (wide // 2))
    view = quarters.reshape(*grid, 2, 2).transpose(0, 2, 1, 3).reshape(2 * grid[0], 2 * grid[1])
    relative: Floats = (view - _median(view)) / (16 * _WHITE * scale)
    return relative


def _median(values: Floats) -> float:
    """Return the median of all values; `numpy.median`, which gives the same, first loads masked arrays."""
    ordered = np.sort(values, axis=None)
    return float(ordered[(len(ordered) - 1) // 2] + ordered[len(ordered) // 2]) / 2


def _upper(values: Floats) -> float:
    """Return the upper quartile: what cells with content show, if others are empty."""
    return float(np.sort(values)[(len(values) - 1) * 3 // 4])

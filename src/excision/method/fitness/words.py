"""What each statistic of an image is called, and its value in a unit that people know.

The statistics are kept as they are compared: as logarithms, square roots or shares. Whatever is shown to
people (a drift warning, a chart, a metric) has the words and the unit of this table.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from excision.method.fitness.cell_statistics import FINEST
from excision.method.fitness.image_statistics import CHROMA, DARKEST

_FARTHEST = 20.0
"""The logarithm to the base 2 of anything measured in [0, 1] in steps of 16 bits is nearer to 0."""


class Measure(NamedTuple):
    """How a statistic is shown.

    Attributes:
        words: what it is called, as within a sentence.
        unit: of the plain value, as after a number, such as "% of white"; empty for a plain number.
        plain: gives the value in this unit; it keeps the order of values.
        is_ratio: whether a change is best said in per cent of what the value was.
    """

    words: str
    unit: str
    plain: Callable[[float], float]
    is_ratio: bool

    def written(self, value: float) -> str:
        """Write a plain value with its unit."""
        return f"{value:.3g}{' ' if self.unit else ''}{self.unit}"

    def compared(self, now: float, before: float, basis: str) -> str:
        """Say how a plain value differs from another, such as "12 % lower than in training".

        Args:
            now: plain value.
            before: plain value that it is compared with.
            basis: where that is from, such as "in training".
        """
        if not self.is_ratio or min(now, before) <= 0:
            percent = " %" if self.unit.startswith("%") else ""
            return f"{self.written(now)}, compared with {before:.3g}{percent} {basis}"
        ratio = now / before
        if ratio >= 2:
            return f"{_digits(ratio)} times as high as {basis}"
        percent = _digits(100 * abs(ratio - 1))
        if float(percent) < 0.1:
            return f"as {basis}"
        return f"{percent} % {'higher' if ratio > 1 else 'lower'} than {basis}"


def measure_of(name: str) -> Measure:
    """Return how a statistic is shown; one that is not known, under its own name and as it is."""
    return _MEASURES.get(name) or Measure(name.replace("_", " "), "", _same, is_ratio=False)


def place_of(name: str) -> int:
    """Return where a statistic stands in a list for people: what is easiest to understand comes first."""
    return next((place for place, known in enumerate(_MEASURES) if known == name), len(_MEASURES))


def _digits(value: float) -> str:
    return f"{value:.0f}" if value >= 9.95 else f"{value:.2g}"


def _same(value: float) -> float:
    return value


def _amount(words: str, unit: str, added: float = 0.0, factor: float = 100.0) -> Measure:
    """Give the measure of a logarithm to the base 2 of an amount to which something was added."""

    def plain(value: float) -> float:
        # Other predictors may measure what has the same name otherwise.
        return factor * (2.0**value - added) if abs(value) <= _FARTHEST else value

    return Measure(words, unit, plain, is_ratio=True)


def _clipped(words: str) -> Measure:
    """Give the measure of the square root of a share."""
    return Measure(words, "% of the image", lambda value: 100 * value * abs(value), is_ratio=False)


def _share(words: str, unit: str = "%") -> Measure:
    return Measure(words, unit, lambda value: 100 * value, is_ratio=False)


def _deviation(words: str) -> Measure:
    return Measure(words, "standard deviations", _same, is_ratio=True)


_WHITE = "% of white"

_MEASURES = {
    "brightness": _amount("brightness", _WHITE, DARKEST),
    "contrast": _amount("contrast", _WHITE, DARKEST),
    "sharpness": _amount("sharpness of edges", "", factor=1),
    "noise": _amount("noise", _WHITE, FINEST / 4),
    "clipped_bright": _clipped("share of overexposed pixels"),
    "clipped_dark": _clipped("share of underexposed pixels"),
    "distance": _deviation("difference of the whole image from the training images"),
    "match": _share("likeness of the part to the training images"),
    "shadows": _amount("brightness of dark areas", _WHITE, DARKEST),
    "highlights": _amount("brightness of bright areas", _WHITE, DARKEST),
    "local_contrast": _amount("contrast of small areas", _WHITE, FINEST),
    "level_asymmetry": _share("balance of bright and dark areas"),
    "scale": _amount("sharpness of large edges", "", factor=1),
    "fine_sharpness": _amount("sharpness of the texture", "", factor=1),
    "fine_scale": _amount("fineness of the texture", "", factor=1),
    "crispness_0": _amount("crispness of fine detail", "", factor=1),
    "crispness_1": _amount("crispness of coarse detail", "", factor=1),
    "direction_1": _share("direction of the fine texture"),
    "direction_2": _share("direction of the coarse texture"),
    "slant_1": _share("slant of the fine texture"),
    "slant_2": _share("slant of the coarse texture"),
    "asymmetry_1": _share("balance of bright and dark fine detail"),
    "asymmetry_2": _share("balance of bright and dark coarse detail"),
    "saturation": _amount("colourfulness", _WHITE, CHROMA),
    "redness": _amount("red compared with green", "", factor=1),
    "blueness": _amount("blue compared with green", "", factor=1),
    "gain": _share("likeness gained by moving the part into place"),
    "down": _share("vertical position of the part", "% of the height"),
    "right": _share("horizontal position of the part", "% of the width"),
    "mirrored": _share("likeness to a mirrored part"),
    "flipped": _share("likeness to an upside-down mirrored part"),
    "turned": _share("likeness to a part turned by 180 degrees"),
    "unlike": _deviation("difference of image areas from the training images"),
    "polarity": Measure("likeness to a negative", "standard deviations", _same, is_ratio=False),
}

"""Lengths in pixels or millimetres, as people state them."""

from __future__ import annotations

import math
import re

from excision.errors import SettingsError

MOST_PIXELS_LONG = 1e6
"""Longest length in pixels of an image."""

_LENGTH = re.compile(r"\s*(\d+(?:[.,]\d+)?|[.,]\d+)\s*(mm|px|pixels?)?\s*", re.IGNORECASE)


def parse_length(text: str, mm_per_pixel: float | None, what: str) -> float:
    """Read a length such as "3px", "3" or "0.5mm".

    Args:
        text: number and unit; pixels where there is no unit.
        mm_per_pixel: millimetres for a pixel of the image as given; None if unknown.
        what: name of the length in an error.

    Returns:
        The length in pixels of the image as given, above 0.

    Raises:
        SettingsError: it is not understood, not above 0, or millimetres need `mm_per_pixel`.
    """
    found = _LENGTH.fullmatch(text)
    if found is None:
        raise SettingsError(f'{what} is {text!r}: write for example "3px" or "0.5mm"')
    return in_pixels(found[1], found[2], mm_per_pixel, f"{what} {text!r}")


def in_pixels(number: str, unit: str | None, mm_per_pixel: float | None, what: str) -> float:
    """Convert a number, with a point or a comma, and its unit to pixels.

    Raises:
        SettingsError: it is not above 0, or millimetres need `mm_per_pixel`.
    """
    value = float(number.replace(",", "."))
    if unit is not None and unit.lower() == "mm":
        if mm_per_pixel is None:
            raise SettingsError(f"{what} is in millimetres: state --mm-per-pixel, too")
        value /= mm_per_pixel
    if not 0 < value <= MOST_PIXELS_LONG or not math.isfinite(value):
        raise SettingsError(f"{what} has a size of {value:g} pixels: it must be above 0")
    return value

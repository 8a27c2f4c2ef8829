"""Checks of `model.json`: every entry has the type and range that it needs, and agrees with the others."""

from __future__ import annotations

import math
import re
import reprlib
from typing import Any, get_args

from excision.errors import SettingsError
from excision.method.calibration import Calibration, check_thresholds
from excision.method.stored_calibration import is_number, require
from excision.runtime.backend import PRECISIONS
from excision.tiling.image_format import MOST_PIXELS, Channels

_MOST_AREA = 2**40  # pixels; more than any large image has
_SHA256 = re.compile(r"[0-9a-f]{64}")


def whole(content: Any, name: str, least: int, most: int) -> int:
    """Return a whole number between these bounds.

    Raises:
        ValueError: it is none.
    """
    fits = isinstance(content, int) and not isinstance(content, bool) and least <= content <= most
    require(fits, f"{name} is {reprlib.repr(content)}: it must be a whole number from {least} to {most}")
    return int(content)


def size(content: Any) -> tuple[int, int]:
    """Return (H, W) of the working image in pixels."""
    pair = isinstance(content, list) and len(content) == 2
    require(pair, f"size is {reprlib.repr(content)}: it must be [height, width]")
    height, width = (whole(side, "a side of size", 1, MOST_PIXELS) for side in content)
    require(
        height * width <= MOST_PIXELS,
        f"size is {height} x {width} pixels: no model has more than {MOST_PIXELS} pixels",
    )
    return height, width


def channels(content: Any) -> Channels:
    """Return the number of channels."""
    allowed = get_args(Channels)
    require(
        type(content) is int and content in allowed, f"channels is {reprlib.repr(content)}: it must be 1 or 3"
    )
    found: Channels = content
    return found


def check_backend(backend: Any, precision: Any) -> None:
    """Check that the backend is known and computes in this precision."""
    known = isinstance(backend, str) and backend in PRECISIONS
    require(known, f"backend is {reprlib.repr(backend)}, none of {', '.join(PRECISIONS)}")
    allowed = PRECISIONS[backend]
    require(
        isinstance(precision, str) and precision in allowed,
        f"precision is {reprlib.repr(precision)}, and {backend} computes in none but {', '.join(allowed)}",
    )


def check_both(decision: Calibration, review: Calibration | None) -> None:
    """Check that both thresholds are usable together."""
    try:
        check_thresholds(decision.threshold, None if review is None else review.threshold)
    except SettingsError as error:
        raise ValueError(str(error)) from error


def minimum_area(content: Any, image: tuple[int, int], tiled: bool) -> int:
    """Return the minimum area in pixels; an image that is not tiled must have room for it."""
    return whole(content, "minimum_area", 1, _MOST_AREA if tiled else math.prod(image))


def mask_threshold(content: Any) -> float | None:
    """Return the mask threshold; None for no mask."""
    fits = content is None or is_number(content)
    require(fits, f"mask_threshold is {reprlib.repr(content)}: it must be a finite number or null")
    return None if content is None else float(content)


def text(content: Any, name: str) -> str | None:
    """Return a text or None."""
    require(
        content is None or isinstance(content, str), f"{name} is {reprlib.repr(content)}: it must be text"
    )
    found: str | None = content
    return found


def named_texts(content: Any, name: str) -> dict[str, str]:
    """Return texts by name."""
    fits = isinstance(content, dict) and all(isinstance(value, str) for value in content.values())
    require(fits, f"{name} is {reprlib.repr(content)}: it must give texts by name")
    return dict(content)


def counts(content: Any, name: str) -> dict[str, int]:
    """Return counts by name."""
    require(isinstance(content, dict), f"{name} is {reprlib.repr(content)}: it must give counts by name")
    return {key: whole(value, f"{name}.{reprlib.repr(key)}", 0, 2**63) for key, value in content.items()}


def hashes(content: Any) -> dict[str, str]:
    """Return SHA-256 hashes by file name."""
    found = named_texts(content, "files")
    for name, digits in found.items():
        require(_SHA256.fullmatch(digits) is not None, f"files: {reprlib.repr(name)} has no SHA-256")
    return found

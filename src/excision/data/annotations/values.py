"""Values out of annotation files, each checked before it is used. Every error begins with where it stands."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from excision.data.annotations.fill import Points
from excision.errors import DatasetError
from excision.system.names import printable

MOST_POINTS = 1_000_000
"""Points of one shape."""

FARTHEST = 1e6
"""Coordinates in pixels beyond this are mistakes; smaller ones outside of the image are clipped."""

_LONGEST_LABEL = 100


def mapping(value: Any, where: str) -> dict[str, Any]:
    """Give a JSON object."""
    if not isinstance(value, dict):
        raise DatasetError(f"{where}: is not a JSON object")
    return value


def entries(holder: dict[str, Any], key: str, where: str) -> list[Any]:
    """Give the list under a key; it may be missing, which gives an empty one."""
    value = holder.get(key)
    if value is None:
        return []
    if not isinstance(value, list):
        raise DatasetError(f'{where}: "{key}" is not a list')
    return value


def number(value: Any, where: str) -> float:
    """Give a finite number."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise DatasetError(f"{where}: {str(value)[:50]!r} is not a number")
    try:
        found = float(value)
    except OverflowError:
        found = math.inf
    if not math.isfinite(found):
        raise DatasetError(f"{where}: a number is not finite")
    return found


def whole(value: Any, where: str) -> int:
    """Give a whole number of pixels, at least one."""
    found = number(value, where)
    if found != int(found) or not 1 <= found <= FARTHEST:
        raise DatasetError(f"{where}: {value} is not a size in pixels")
    return int(found)


def points(values: list[Any], where: str) -> Points:
    """Give (N, 2) points in pixels from a flat list x, y, x, y or from pairs [x, y]."""
    if values and isinstance(values[0], list):
        if not all(isinstance(pair, list) and len(pair) == 2 for pair in values):
            raise DatasetError(f"{where}: a point does not have two coordinates")
        values = [value for pair in values for value in pair]
    if not values or len(values) % 2:
        raise DatasetError(f"{where}: {len(values)} coordinates are not pairs of x and y")
    if len(values) > 2 * MOST_POINTS:
        raise DatasetError(f"{where}: has more than {MOST_POINTS} points; simplify the shape")
    found = np.array([number(value, where) for value in values]).reshape(-1, 2)
    if np.abs(found).max() > FARTHEST:
        raise DatasetError(f"{where}: the coordinate {np.abs(found).max():.4g} lies far outside of any image")
    return found


def label_text(value: Any, where: str) -> str:
    """Give the name of a class, without white space around it."""
    text = str(value).strip() if isinstance(value, str | int) and not isinstance(value, bool) else ""
    if not text or len(text) > _LONGEST_LABEL or printable(text) != text:
        raise DatasetError(
            f"{where}: {str(value)[:50]!r} is not the name of a class; it needs 1 to {_LONGEST_LABEL} "
            "characters in one line"
        )
    return text

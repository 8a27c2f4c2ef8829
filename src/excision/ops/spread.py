"""Choosing from a sequence."""

from __future__ import annotations

import numpy as np


def evenly_spread(count: int, most: int) -> list[int]:
    """Return at most `most` evenly spread indices of a sequence of length `count`, ascending, each once."""
    places: list[int] = np.unique(np.linspace(0, count - 1, min(count, most)).round().astype(int)).tolist()
    return places

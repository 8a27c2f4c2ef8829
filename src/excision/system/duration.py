"""Durations as people write them: a number with its unit."""

from __future__ import annotations

import math
import re
from typing import Annotated

Duration = Annotated[float, "duration"]
"""Seconds, more than 0; in a file "500 ms", "2 s", "1.5 min" or "8 h"."""

_UNITS = {"ms": 0.001, "s": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
_WRITTEN = re.compile(rf"(\d{{1,12}}(?:\.\d{{1,9}})?)\s*({'|'.join(_UNITS)})")

EXAMPLE = 'a duration such as "500 ms", "2 s", "5 min" or "8 h"'


def read_duration(text: str) -> float:
    """Read a duration.

    Raises:
        ValueError: it is none, or not more than 0.
    """
    found = _WRITTEN.fullmatch(text.strip())
    seconds = float(found[1]) * _UNITS[found[2]] if found else 0.0
    if not 0 < seconds < math.inf:
        raise ValueError(f"{text[:40]!r} is not {EXAMPLE}")
    return seconds


def write_duration(seconds: float) -> str:
    """Write a duration in its largest unit that needs no more than three decimals."""
    for unit in ("h", "min", "s"):
        count = seconds / _UNITS[unit]
        if count >= 1 and abs(round(count, 3) - count) < 1e-9 * count:
            return f"{_plain(count)} {unit}"
    return f"{_plain(1000 * seconds)} ms"


def _plain(number: float) -> str:
    return f"{number:.3f}".rstrip("0").rstrip(".")

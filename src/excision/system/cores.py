"""The cores of this machine that this process may use, and counts of what is to run on them."""

from __future__ import annotations

import os
import reprlib
from numbers import Integral
from typing import Any

from excision.errors import SettingsError


def cores() -> int:
    """Return the number of cores that this process may use, which `taskset` or a container may limit."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def checked_count(name: str, count: Any) -> int:
    """Give a number of threads or workers as an int.

    Args:
        name: of the argument, for the message.
        count: as somebody gave it.

    Raises:
        SettingsError: it is not a whole number of at least 1.
    """
    if not isinstance(count, Integral) or isinstance(count, bool) or count < 1:
        raise SettingsError(f"{name} is {reprlib.repr(count)}: it must be a whole number of at least 1")
    return int(count)

"""Checks a calibration that was read from a file: the threshold must follow from the scores beside it."""

from __future__ import annotations

import math
import reprlib
from collections.abc import Collection
from typing import Any, TypeGuard

from excision.method.calibration import Calibration, calibrate

_RATE_ROUNDING = 1e-9


def require(condition: bool, message: str) -> None:
    """Raise a ValueError with this message unless the condition holds."""
    if not condition:
        raise ValueError(message)


def check_entries(content: Any, names: Collection[str], optional: Collection[str], what: str) -> None:
    """Check that a JSON object has these entries, and no others.

    Raises:
        ValueError: it is no object, or an entry is missing or unknown.
    """
    require(isinstance(content, dict), f"{what} is {reprlib.repr(content)}: it must be an object")
    for name in names:
        require(name in content, f"{what} has no entry {name!r}")
    unknown = [name for name in content if name not in names and name not in optional]
    require(not unknown, f"{what} has an unknown entry {reprlib.repr(unknown[:1])}")


def stored_calibration(content: Any, what: str) -> Calibration:
    """Return a threshold that follows from its scores, or that a person set.

    Raises:
        ValueError: an entry is wrong, or threshold and rate do not follow from the scores.
    """
    check_entries(content, ("threshold", "wanted_rate", "promised_rate", "scores"), (), what)
    scores, wanted = content["scores"], content["wanted_rate"]
    require(isinstance(scores, list) and bool(scores), f"{what}.scores must be a list of numbers")
    require(all(map(is_number, scores)), f"{what}.scores must be finite numbers")
    ascending = tuple(map(float, scores))
    require(ascending == tuple(sorted(ascending)), f"{what}.scores must ascend")
    for name in ("threshold", "promised_rate"):
        require(is_number(content[name]), f"{what}.{name} must be a finite number")
    require(wanted is None or (is_number(wanted) and 0 < wanted < 1), f"{what}.wanted_rate is not a rate")
    found = Calibration(
        float(content["threshold"]),
        None if wanted is None else float(wanted),
        float(content["promised_rate"]),
        ascending,
    )
    expected = (
        found.at(found.threshold) if found.wanted_rate is None else calibrate(ascending, found.wanted_rate)
    )
    require(
        found.threshold == expected.threshold,
        f"{what}.threshold is {found.threshold!r}, and its scores and rate give {expected.threshold!r}",
    )
    require(
        abs(found.promised_rate - expected.promised_rate) <= _RATE_ROUNDING,
        f"{what}.promised_rate is {found.promised_rate!r}, and its scores promise {expected.promised_rate!r}",
    )
    return found


def is_number(content: Any) -> TypeGuard[float]:
    """Return whether a value is a finite number."""
    if not isinstance(content, int | float) or isinstance(content, bool):
        return False
    try:
        return math.isfinite(content)
    except OverflowError:  # a whole number that no float can hold
        return False

"""Numbers in words."""

from __future__ import annotations

import math

_ROUNDING = 1e-9


def percent(rate: float) -> str:
    """Write a rate as it was given, in per cent: "0.25 %"."""
    return f"{100 * rate:.4g} %"


def at_most(rate: float) -> str:
    """Write the upper limit of a rate in per cent with two significant digits, never less than it is."""
    hundred = 100 * rate
    if not 0 < hundred < 100:
        return percent(rate)
    step = 10.0 ** (math.floor(math.log10(hundred)) - 1)
    return f"{math.ceil(hundred / step - _ROUNDING) * step:.4g} %"


def counted(count: int, one: str, many: str) -> str:
    """Write a number with its noun."""
    return f"{count} {one if count == 1 else many}"

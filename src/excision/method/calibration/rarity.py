"""How rare a part is among good ones, by its conformal p-value, in words."""

from __future__ import annotations

import math
from typing import NamedTuple

from excision.method.calibration.rates import ROUNDING


class Basis(NamedTuple):
    """What a p-value comes from: numbers of calibration images, and of groups of them."""

    images: int
    groups: int


TEXTS = {
    "none": "no good part of the {images} that calibrate looks like this: fewer than one in {parts}",
    "none_in_groups": (
        "no good part of the {images} in {groups} groups that calibrate looks like this: "
        "fewer than one in {parts}"
    ),
    "one_in": "one good part in {parts} looks like this",
    "share": "{share} % of good parts look like this",
}
"""What a p-value says, by the kind that `rarity` gives; to look like a part is to score at least as much."""

_SELDOM = 0.2


def rarity(p_value: float, basis: Basis | None = None) -> tuple[str, dict[str, int]]:
    """Return which of `TEXTS` says how rare such a part is among good ones, and the numbers in it.

    Args:
        p_value: conformal p-value.
        basis: what it comes from, which tells whether it is the smallest that there can be; None where that
            is not known.
    """
    # Rounded down: a part is never called rarer than it is.
    parts = math.floor(1 / p_value + 1e-6)
    if basis is not None and p_value <= 1 / (basis.groups + 1) + ROUNDING:
        kind = "none" if basis.groups == basis.images else "none_in_groups"
        return kind, {**basis._asdict(), "parts": parts}
    if p_value > _SELDOM:
        return "share", {"share": round(100 * p_value)}
    return "one_in", {"parts": parts}


def in_words(p_value: float, basis: Basis | None = None) -> str:
    """Say how rare such a part is among good ones: see `rarity`."""
    kind, numbers = rarity(p_value, basis)
    return TEXTS[kind].format(**numbers)

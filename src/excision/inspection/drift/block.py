"""The block of parts that is being filled."""

from __future__ import annotations

import math
from collections.abc import Mapping
from statistics import median
from typing import Any, Self

from excision.inspection.drift.history import MOST_STATISTICS
from excision.inspection.drift.statistic import MOSTLY_FLAGGED
from excision.inspection.drift.stored import need, need_count, need_numbers, need_object
from excision.inspection.drift.wording import SCORE

# A block never cuts a group of images, but no group may fill the memory.
_LONGEST, _LEAST_LONGEST = 10, 1000


class Block:
    """Collects the parts of a block.

    Args:
        size: parts of a full block.

    Attributes:
        parts: how many it has so far.
        start: number of its first part.
        label: name of that part.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self.parts = 0
        self.start, self.label = 1, ""
        self._group: str | None = None
        self._flagged = 0
        self._values: dict[str, list[float]] = {}

    @property
    def longest(self) -> int:
        """Parts from which on a group is cut after all."""
        return max(_LONGEST * self.size, _LEAST_LONGEST)

    @property
    def is_full(self) -> bool:
        """Whether it has as many parts as a block needs."""
        return self.parts >= self.size

    def ends_before(self, group: str | None) -> bool:
        """Tell whether a part of this group belongs to the next block."""
        return self.is_full and (group != self._group or self.parts >= self.longest)

    def open(self, start: int, label: str) -> None:
        """Begin with a part of this number and name."""
        self.start, self.label, self.parts = start, label, 0
        self._flagged, self._values = 0, {}

    def add(
        self, score: float | None, statistics: Mapping[str, float], *, flagged: bool, group: str | None
    ) -> None:
        """Add a part; values that are not finite are left out."""
        self.parts += 1
        self._group = group
        self._flagged += flagged
        if score is not None and math.isfinite(score) and not flagged:
            self._values.setdefault(SCORE, []).append(float(score))
        for name, value in statistics.items():
            if math.isfinite(value) and (name in self._values or len(self._values) < MOST_STATISTICS):
                self._values.setdefault(name, []).append(float(value))

    @property
    def names(self) -> set[str]:
        """Statistics that at least one part has."""
        return set(self._values)

    def value(self, name: str) -> float | None:
        """Return the median of the parts; None where most of them lack the statistic.

        Flagged parts do not count for the score; where they are more than half of the judged parts, the value
        is above every score. A part that has no score and is not flagged was not judged.
        """
        known = self._values.get(name, [])
        judged = len(known) + (self._flagged if name == SCORE else 0)
        if 2 * judged < self.parts:
            return None
        if 2 * len(known) < judged:
            return MOSTLY_FLAGGED
        return median(known)

    def state(self) -> dict[str, Any]:
        """Return what `restored` needs, ready for JSON."""
        return {
            "block": {name: list(values) for name, values in self._values.items()},
            "in_block": self.parts,
            "flagged": self._flagged,
            "start": self.start,
            "label": self.label,
            "group": self._group,
        }

    @classmethod
    def restored(cls, size: int, state: Mapping[str, Any]) -> Self:
        """Continue where a state was taken; earlier versions did not count what was flagged.

        Raises:
            ResultsError: this is no such state.
        """
        block = cls(size)
        values = need_object(state, "block", MOST_STATISTICS)
        block._values = {name: need_numbers(values, name, block.longest) for name in values}
        block.parts, block.start = need_count(state, "in_block"), need_count(state, "start")
        missing = max(block.parts - len(block._values.get(SCORE, [])), 0)
        block._flagged = need_count({"flagged": missing, **state}, "flagged")
        label, group = state.get("label"), state.get("group")
        need(isinstance(label, str) and (group is None or isinstance(group, str)), "label")
        block.label, block._group = str(label), group
        return block

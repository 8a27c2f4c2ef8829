"""How a drift monitor works."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from excision.errors import SettingsError
from excision.inspection.drift.stored import need


@dataclass(frozen=True, slots=True)
class DriftSettings:
    """How a drift monitor works.

    Attributes:
        block: parts in a block. Parts within a block may resemble each other; blocks should not.
        parts_per_false_warning: parts that pass on average, or more, until a false warning.
        learning: parts from which a statistic is learnt where there are no values of calibration images.
        lots: whether good parts come in lots that are longer than a block and differ as the groups of the
            calibration images do. Only what lies beyond the range of these groups, half as wide again on
            each side, is drift then, and only statistics of which these groups are known are watched, until
            somebody accepts a lot. Whoever lets the monitor learn anew gives up this knowledge.
    """

    block: int = 20
    parts_per_false_warning: int = 100_000
    learning: int = 1000
    lots: bool = False

    def __post_init__(self) -> None:
        if not 1 <= self.block <= 10_000:
            raise SettingsError(
                f"the block of the drift monitor is {self.block}: it must be 1 to 10000 parts"
            )
        if self.parts_per_false_warning < 100:
            raise SettingsError("the drift monitor must allow at least 100 parts per false warning")
        if self.learning < 0:
            raise SettingsError("the drift monitor cannot learn from fewer than 0 parts")

    def state(self) -> dict[str, Any]:
        """Return what `restored` needs, ready for JSON."""
        return dataclasses.asdict(self)

    @classmethod
    def restored(cls, state: Mapping[str, Any]) -> Self:
        """Read what `state` gave; earlier versions did not know of lots.

        Raises:
            ResultsError: this is no such state.
        """
        told = {"lots": False, **state}
        kinds = {field.name: type(field.default) for field in dataclasses.fields(cls)}
        need(told.keys() == kinds.keys(), "settings")
        need(all(type(told[name]) is kind for name, kind in kinds.items()), "settings")
        return cls(**told)

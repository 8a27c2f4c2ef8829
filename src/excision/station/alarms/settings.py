"""The table `[alarms]` of a station's file."""

from __future__ import annotations

import re
from dataclasses import dataclass

from excision.errors import SettingsError

MOST = 1000
"""Results that an alarm looks back on."""

_OF = re.compile(r"\s*(\d{1,4})\s+of\s+(\d{1,4})\s*")


@dataclass(frozen=True, slots=True)
class AlarmSettings:
    """`[alarms]`: what raises an alarm. Without the table, nothing does.

    Attributes:
        defects_in_a_row: verdicts `defect` of one model one after another; None for never.
        defects: so many of the last parts of one model, such as "5 of 50"; None for never.
        unfit_in_a_row: images of one model, one after another, that are unfit or cannot be inspected.
        faults: whether an alarm is raised when nothing can be stored, or a camera or a signal is at fault.
        drift: whether a drift warning raises an alarm.
    """

    defects_in_a_row: int | None = None
    defects: str | None = None
    unfit_in_a_row: int | None = None
    faults: bool = True
    drift: bool = True

    def __post_init__(self) -> None:
        for name in ("defects_in_a_row", "unfit_in_a_row"):
            number = getattr(self, name)
            if number is not None and not 1 <= number <= MOST:
                raise SettingsError(f"{name} is {number}: it must be 1 to {MOST}")
        if self.defects is not None:
            found = _OF.fullmatch(self.defects)
            few, many = (int(found[1]), int(found[2])) if found else (0, 0)
            if not 1 <= few <= many <= MOST:
                raise SettingsError(f'defects is {self.defects!r}: write "5 of 50", with {MOST} at most')

    @property
    def defects_of(self) -> tuple[int, int] | None:
        """Give how many defects of how many parts raise an alarm, or None."""
        found = None if self.defects is None else _OF.fullmatch(self.defects)
        return None if found is None else (int(found[1]), int(found[2]))

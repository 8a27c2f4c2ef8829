"""The tables `[defects]` and `[shifts]` of a station's file."""

from __future__ import annotations

import re
import zoneinfo
from dataclasses import dataclass
from datetime import time
from typing import Literal, get_args

from excision.errors import SettingsError
from excision.station.store.records import LONGEST_NAME

Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
DAYS: tuple[Day, ...] = get_args(Day)
"""Names of the days of a week, Monday first."""

MOST_CLASSES, MOST_SHIFTS = 100, 50
_CLOCK = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])")
_MINUTES = 24 * 60


@dataclass(frozen=True, slots=True)
class DefectsSettings:
    """`[defects]`: kinds of defects that people may name.

    Attributes:
        classes: their names, in the order in which they are offered.
    """

    classes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if len(self.classes) > MOST_CLASSES or len(set(self.classes)) < len(self.classes):
            raise SettingsError(f"classes must name each class once, {MOST_CLASSES} at most")
        for name in self.classes:
            if not name.strip() or name != name.strip() or len(name) > LONGEST_NAME or not name.isprintable():
                raise SettingsError(
                    f"classes holds {name[:60]!a}: a name has 1 to {LONGEST_NAME} printable characters"
                )

    def check_class(self, name: str) -> str:
        """Give the name of a class.

        Raises:
            SettingsError: the station knows none of that name.
        """
        if name not in self.classes:
            known = ", ".join(self.classes) or "none: the station's file has no [defects] classes"
            raise SettingsError(f"there is no class of defect {name!r}; known are {known}")
        return name


def class_of(defects: DefectsSettings | None, truth: str, name: str | None) -> str | None:
    """Give the class of a new label; a good part has none. Without a list of classes, any name will do.

    Raises:
        SettingsError: the station has a list, and the class is not on it.
    """
    chosen = " ".join((name or "").split())
    if truth != "defect" or not chosen:
        return None
    return chosen if defects is None or not defects.classes else defects.check_class(chosen)


@dataclass(frozen=True, slots=True)
class ShiftTable:
    """`[[shifts.shift]]`: a shift that comes again every week.

    Attributes:
        name: of the shift.
        start: local time at which it begins, such as "22:00".
        end: local time at which it ends; not after `start`, it is on the next day.
        days: on which it begins.
    """

    name: str
    start: str
    end: str
    days: tuple[Day, ...] = DAYS

    def __post_init__(self) -> None:
        if not 0 < len(self.name.strip()) <= 40 or not self.name.isprintable():
            raise SettingsError("name must have 1 to 40 characters that can be printed")
        for key in ("start", "end"):
            if not _CLOCK.fullmatch(getattr(self, key)):
                raise SettingsError(
                    f'{key} is {getattr(self, key)[:20]!a}: it must be a time such as "22:00"'
                )
        if not self.days:
            raise SettingsError("days is empty: leave it out for every day")

    @property
    def begins(self) -> time:
        """Local time at which it begins."""
        return time.fromisoformat(self.start)

    @property
    def ends(self) -> time:
        """Local time at which it ends, on the next day where that is not after the beginning."""
        return time.fromisoformat(self.end)

    @property
    def minutes(self) -> int:
        """Its length by the clock on the wall, in minutes: 1 to 1440."""
        start, end = (each.hour * 60 + each.minute for each in (self.begins, self.ends))
        return (end - start) % _MINUTES or _MINUTES


@dataclass(frozen=True, slots=True)
class ShiftsSettings:
    """`[shifts]`: the calendar of shifts.

    Attributes:
        zone: name of the time zone of the plant, such as "Europe/Berlin"; None takes that of the machine.
        shift: the shifts. No two may overlap; times between them belong to no shift.
    """

    zone: str | None = None
    shift: tuple[ShiftTable, ...] = ()

    def __post_init__(self) -> None:
        if self.zone is not None:
            try:
                zoneinfo.ZoneInfo(self.zone)
            except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError) as error:
                raise SettingsError(
                    f"zone is {self.zone[:60]!r}: this machine knows no such time zone"
                ) from error
        if len(self.shift) > MOST_SHIFTS:
            raise SettingsError(f"shift has {len(self.shift)} tables; {MOST_SHIFTS} are the most")
        taken: dict[int, str] = {}
        for each in self.shift:
            start = each.begins.hour * 60 + each.begins.minute
            for day in each.days:
                first = DAYS.index(day) * _MINUTES + start
                for minute in range(first, first + each.minutes):
                    other = taken.setdefault(minute % (7 * _MINUTES), each.name)
                    if other != each.name or minute - first >= 7 * _MINUTES:
                        raise SettingsError(f"shift {each.name} overlaps with {other}")

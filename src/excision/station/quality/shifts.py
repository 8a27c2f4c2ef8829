"""Shifts as spans of time: over midnight, in the time zone of the plant, also when clocks change."""

from __future__ import annotations

import datetime
import zoneinfo
from collections.abc import Iterator
from dataclasses import dataclass

from excision.station.quality.settings import DAYS, ShiftsSettings

MOST_SPANS = 2000


@dataclass(frozen=True, slots=True)
class Span:
    """One shift of one day, or any other period.

    Attributes:
        name: of the shift, or of the period.
        start: seconds since 1970 in UTC.
        end: seconds since 1970 in UTC, no longer part of it.
        day: local date on which it begins.
    """

    name: str
    start: float
    end: float
    day: datetime.date


def zone_of(settings: ShiftsSettings | None) -> datetime.tzinfo:
    """Give the time zone of the plant; that of the machine where the calendar names none."""
    if settings is not None and settings.zone is not None:
        return zoneinfo.ZoneInfo(settings.zone)
    return MachineZone()


class MachineZone(datetime.tzinfo):
    """The time zone that this machine is set to, with its changes of the clock."""

    def utcoffset(self, moment: datetime.datetime | None) -> datetime.timedelta | None:
        """Give the offset at a local time."""
        return None if moment is None else moment.replace(tzinfo=None).astimezone().utcoffset()

    def dst(self, _moment: datetime.datetime | None) -> datetime.timedelta | None:
        """Give None: the machine does not say it."""
        return None

    def tzname(self, moment: datetime.datetime | None) -> str | None:
        """Give the short name at a local time."""
        return None if moment is None else moment.replace(tzinfo=None).astimezone().tzname()

    def fromutc(self, moment: datetime.datetime) -> datetime.datetime:
        """Give the local time of a moment in UTC."""
        local = moment.replace(tzinfo=datetime.UTC).astimezone()
        return local.replace(tzinfo=self)


def shifts_between(settings: ShiftsSettings, since: float, until: float) -> list[Span]:
    """Give the shifts that overlap a period, in order.

    A shift lasts from its beginning to its end by the clock on the wall: a night on which clocks go back is
    an hour longer. A time that the clock jumps over counts as the moment of the jump; of a time that comes
    twice, the first counts.

    Args:
        settings: the calendar.
        since: seconds since 1970 in UTC.
        until: seconds since 1970 in UTC.
    """
    zone = zone_of(settings)
    found = [
        span
        for day in _days(since, until, zone)
        for span in _of_day(settings, day, zone)
        if span.start < until and span.end > since
    ]
    return sorted(found, key=lambda span: span.start)


def days_between(zone: datetime.tzinfo, since: float, until: float) -> list[Span]:
    """Give the local days that overlap a period, in order."""
    one = datetime.timedelta(days=1)
    midnight = datetime.time(0)
    spans = [
        Span(day.isoformat(), _moment(day, midnight, zone), _moment(day + one, midnight, zone), day)
        for day in _days(since, until, zone)
    ]
    return [span for span in spans if span.start < until and span.end > since]


def hours_between(zone: datetime.tzinfo, since: float, until: float) -> list[Span]:
    """Give the hours that overlap a period, in order; they begin with those since 1970."""
    spans = []
    for hour in range(int(since // 3600), -int(-until // 3600)):
        local = datetime.datetime.fromtimestamp(3600 * hour, zone)
        spans.append(Span(f"{local:%m-%d %H:%M}", 3600.0 * hour, 3600.0 * (hour + 1), local.date()))
    return spans


def shift_at(settings: ShiftsSettings, moment: float) -> Span | None:
    """Give the shift of a moment, or None between shifts."""
    return next(iter(shifts_between(settings, moment, moment + 1e-6)), None)


def _days(since: float, until: float, zone: datetime.tzinfo) -> Iterator[datetime.date]:
    """Give the local days of a period, with one before and one after it."""
    one = datetime.timedelta(days=1)
    day = datetime.datetime.fromtimestamp(since, zone).date() - one
    last = datetime.datetime.fromtimestamp(until, zone).date() + one
    for _ in range(MOST_SPANS):
        if day > last:
            return
        yield day
        day += one


def _of_day(settings: ShiftsSettings, day: datetime.date, zone: datetime.tzinfo) -> Iterator[Span]:
    for shift in settings.shift:
        if DAYS[day.weekday()] not in shift.days:
            continue
        over = datetime.timedelta(days=0 if shift.ends > shift.begins else 1)
        start, end = _moment(day, shift.begins, zone), _moment(day + over, shift.ends, zone)
        if end > start:
            yield Span(shift.name, start, end, day)


def _moment(day: datetime.date, clock: datetime.time, zone: datetime.tzinfo) -> float:
    """Give the moment of a local time; one that the clock jumps over is that of the jump."""
    local = datetime.datetime.combine(day, clock, zone)
    moment = local.timestamp()
    shown = datetime.datetime.fromtimestamp(moment, zone).replace(tzinfo=None)
    if shown == local.replace(tzinfo=None):
        return moment
    # The offset before the jump is the one an hour and more before; look for the jump itself, by halves.
    low, high = moment - 3 * 3600, moment
    before = datetime.datetime.fromtimestamp(low, zone).utcoffset()
    while high - low > 1:
        middle = (low + high) // 2
        if datetime.datetime.fromtimestamp(middle, zone).utcoffset() == before:
            low = middle
        else:
            high = middle
    return float(high)

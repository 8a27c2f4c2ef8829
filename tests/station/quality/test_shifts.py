"""Shifts over midnight and over changes of the clock, against a look at every quarter of an hour."""

from __future__ import annotations

import datetime
import time
import zoneinfo
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from excision.errors import SettingsError
from excision.station.quality.settings import DAYS, Day, DefectsSettings, ShiftsSettings, ShiftTable
from excision.station.quality.shifts import (
    MachineZone,
    Span,
    days_between,
    hours_between,
    shift_at,
    shifts_between,
    zone_of,
)

BERLIN = zoneinfo.ZoneInfo("Europe/Berlin")
THREE = (
    ShiftTable("early", "06:00", "14:00"),
    ShiftTable("late", "14:00", "22:00"),
    ShiftTable("night", "22:00", "06:00"),
)
PLANT = ShiftsSettings("Europe/Berlin", THREE)


def at(text: str) -> float:
    return datetime.datetime.fromisoformat(text).replace(tzinfo=BERLIN).timestamp()


def one(plant: ShiftsSettings, name: str, day: str) -> Span:
    """Give the shift of that name which begins on a day."""
    since = at(f"{day}T00:00")
    found = shifts_between(plant, since, since + 90_000)
    (span,) = [each for each in found if (each.name, each.day.isoformat()) == (name, day)]
    return span


def hours(name: str, day: str) -> float:
    span = one(PLANT, name, day)
    return (span.end - span.start) / 3600


def test_the_night_shift_is_longer_or_shorter_when_clocks_change() -> None:
    assert hours("night", "2026-03-02") == 8
    assert hours("night", "2026-03-28") == 7
    assert hours("night", "2026-10-24") == 9
    assert hours("late", "2026-10-25") == 8
    (day,) = days_between(BERLIN, at("2026-10-25T12:00"), at("2026-10-25T13:00"))
    assert day.end - day.start == 25 * 3600


def test_a_shift_belongs_to_the_day_on_which_it_begins() -> None:
    found = shift_at(PLANT, at("2026-03-03T02:30"))
    assert found is not None
    assert (found.name, found.day.isoformat()) == ("night", "2026-03-02")
    fridays = ShiftsSettings("Europe/Berlin", (ShiftTable("night", "22:00", "06:00", ("fri",)),))
    inside = shift_at(fridays, at("2026-03-07T05:59"))
    assert inside is not None and inside.day.weekday() == 4
    assert shift_at(fridays, at("2026-03-08T05:59")) is None
    assert shift_at(ShiftsSettings(), 0.0) is None


def test_a_time_that_the_clock_jumps_over_is_the_moment_of_the_jump() -> None:
    odd = ShiftsSettings("Europe/Berlin", (ShiftTable("odd", "02:30", "10:30"),))
    assert one(odd, "odd", "2026-03-29").start == at("2026-03-29T01:59:59") + 1
    # Of a time that comes twice, the first counts.
    twice = one(odd, "odd", "2026-10-25")
    assert twice.end - twice.start == 9 * 3600


@settings(max_examples=25)
@given(
    st.sampled_from(["Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "UTC"]),
    st.integers(0, 365 * 24),
    st.lists(st.integers(4 * 4, 24 * 4 - 1), min_size=1, max_size=4, unique=True),
    st.sets(st.sampled_from(DAYS), min_size=1),
)
def test_shifts_are_those_of_a_look_at_the_clock(
    name: str, hour: int, edges: list[int], days: set[Day]
) -> None:
    """Edges stay clear of the hours in which clocks change; those are above."""
    zone = zoneinfo.ZoneInfo(name)
    clocks = [f"{edge // 4:02}:{edge % 4 * 15:02}" for edge in sorted(edges)]
    chosen = tuple(day for day in DAYS if day in days)
    tables = tuple(
        ShiftTable(f"s{place}", start, clocks[(place + 1) % len(clocks)], chosen)
        for place, start in enumerate(clocks)
    )
    since = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC).timestamp() + 3600 * hour
    spans = shifts_between(ShiftsSettings(name, tables), since, since + 2 * 86_400)
    for quarter in range(0, 2 * 96, 3):
        moment = since + 900 * quarter
        local = datetime.datetime.fromtimestamp(moment, zone)
        now, expected = f"{local:%H:%M}", []
        for table in tables:
            begun = local.date() if now >= table.start else local.date() - datetime.timedelta(days=1)
            if table.end <= table.start:
                within = table.start <= now or now < table.end
            else:
                within = table.start <= now < table.end
            if within and DAYS[begun.weekday()] in days:
                expected.append(table.name)
        assert [span.name for span in spans if span.start <= moment < span.end] == expected, local


def test_the_zone_of_the_machine_changes_its_clock_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    try:
        mine = ShiftsSettings(None, THREE)
        assert isinstance(zone_of(mine), MachineZone)
        for day in ("2026-03-28", "2026-10-24", "2026-07-01"):
            begin = at(f"{day}T00:00")
            assert shifts_between(mine, begin, begin + 200_000) == shifts_between(
                PLANT, begin, begin + 200_000
            )
    finally:
        monkeypatch.undo()
        time.tzset()


def test_hours_are_those_since_1970() -> None:
    spans = hours_between(zoneinfo.ZoneInfo("Asia/Kolkata"), 3600.0 * 5 + 1, 3600.0 * 7)
    assert [(span.start, span.end) for span in spans] == [(18_000, 21_600), (21_600, 25_200)]


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda: ShiftsSettings("Mars/Base", ()), "zone"),
        (lambda: ShiftsSettings("../etc/passwd", ()), "zone"),
        (lambda: ShiftTable("a", "25:00", "06:00"), "start"),
        (lambda: ShiftTable("", "05:00", "06:00"), "name"),
        (lambda: ShiftTable("a", "05:00", "06:00", ()), "days"),
        (lambda: ShiftsSettings(None, (*THREE, ShiftTable("b", "05:00", "07:00"))), "overlaps"),
        (lambda: DefectsSettings(("a", "a")), "once"),
        (lambda: DefectsSettings(("a\n",)), "classes"),
    ],
)
def test_what_is_wrong_is_refused_with_its_key(make: Callable[[], object], why: str) -> None:
    with pytest.raises(SettingsError, match=why):
        make()


def test_a_whole_day_is_a_shift() -> None:
    assert ShiftTable("all", "06:00", "06:00").minutes == 1440
    ShiftsSettings("UTC", (ShiftTable("all", "06:00", "06:00"),))

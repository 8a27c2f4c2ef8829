"""The hand-over sheet: what a shift leaves to the next one, on one page."""

from __future__ import annotations

import json
import time
from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from excision.station.quality.counts import (
    Bar,
    Group,
    defects_by_class,
    groups_of_lots,
    groups_of_spans,
    pareto,
)
from excision.station.quality.settings import ShiftsSettings
from excision.station.quality.shifts import Span, shifts_between, zone_of
from excision.station.station import Station
from excision.station.store.query import Query

_HOURS = 8
_MOST_MODELS, _MOST_BARS, _MOST_EVENTS, _MOST_LOTS = 8, 6, 6, 6
"""What fits on one page."""

_WEEK = 7 * 86_400.0


@dataclass(frozen=True, slots=True)
class ModelRow:
    """What a model found in the shift.

    Attributes:
        name: of the model.
        shift: its counts in the shift.
        before: its counts in the seven days before.
        confirmed: defects that somebody labelled defect.
        false_alarms: defects that somebody labelled good.
        unjudged: defects without a label.
    """

    name: str
    shift: Group
    before: Group
    confirmed: int
    false_alarms: int
    unjudged: int


@dataclass(frozen=True, slots=True)
class Sheet:
    """A hand-over sheet.

    Attributes:
        station: name of the station; None where it has none.
        name: of the shift; empty where there is no calendar.
        start: local time.
        end: local time; of a shift that runs, its end to come.
        is_running: whether it has not ended.
        models: what each model found, the busiest first.
        more_models: models that have no room.
        classes: of labelled defects.
        lots: that had results in the shift, with all that was counted of them, the latest first.
        events: changes in the shift: time, who, model, what.
        more_events: changes that have no room.
    """

    station: str | None
    name: str
    start: datetime
    end: datetime
    is_running: bool
    models: list[ModelRow]
    more_models: int
    classes: list[Bar]
    lots: list[Group]
    events: list[dict[str, Any]]
    more_events: int


def sheet_of(station: Station, back: int = 0, now: float | None = None) -> Sheet:
    """Make the sheet of the present shift, or of one before it.

    Args:
        station: with its results.
        back: how many shifts before the present one.
        now: seconds since 1970 in UTC; None for the present.
    """
    now = time.time() if now is None else now
    shifts = station.settings.file.one(ShiftsSettings)
    zone = zone_of(shifts)
    span = _span(shifts, back, now)
    names = list(station.models.names)
    rows = [_model_row(station, name, span) for name in names]
    rows = sorted(rows, key=lambda row: -sum(row.shift.counts.values()))
    classes: dict[str, int] = {}
    lots: dict[str, Group] = {}
    for name in names:
        for kind, count in defects_by_class(station.store, name, since=span.start, until=span.end).items():
            classes[kind] = classes.get(kind, 0) + count
        for lot in groups_of_lots(station.store, name, since=span.start):
            if lot.start < span.end:
                lots[lot.name] = _together(lots.get(lot.name), lot)
    events = _events(station, span)
    return Sheet(
        station.name,
        span.name,
        datetime.fromtimestamp(span.start, zone),
        datetime.fromtimestamp(span.end, zone),
        span.end > now,
        rows[:_MOST_MODELS],
        max(0, len(rows) - _MOST_MODELS),
        pareto(classes)[:_MOST_BARS],
        sorted(lots.values(), key=lambda lot: -lot.end)[:_MOST_LOTS],
        events[:_MOST_EVENTS],
        max(0, len(events) - _MOST_EVENTS),
    )


def _span(shifts: ShiftsSettings | None, back: int, now: float) -> Span:
    if shifts is not None and shifts.shift:
        begun = [
            span for span in shifts_between(shifts, now - (back + 8) * 86_400.0, now + 1) if span.start <= now
        ]
        if begun:
            return begun[max(0, len(begun) - 1 - back)]
    end = now - 3600.0 * _HOURS * back
    start = end - 3600.0 * _HOURS
    return Span("", start, end, datetime.fromtimestamp(start).date())


def _model_row(station: Station, name: str, span: Span) -> ModelRow:
    week = Span("", span.start - _WEEK, span.start, span.day)
    shift, before = groups_of_spans(station.store, [span, week], name)
    tally = station.store.tally(Query(span.start, span.end, verdict="defect", model=name))
    said = {truth: images for (_, truth), images in tally.items()}
    return ModelRow(name, shift, before, said.get("defect", 0), said.get("good", 0), said.get(None, 0))


def _together(one: Group | None, other: Group) -> Group:
    """Give what two models counted in one lot."""
    if one is None:
        return other
    counts = Counter(one.counts) + Counter(other.counts)
    return Group(one.name, min(one.start, other.start), max(one.end, other.end), dict(counts))


def _events(station: Station, span: Span) -> list[dict[str, Any]]:
    rows = station.store.rows(
        "SELECT time, who, model, what, details FROM events WHERE time >= ? AND time < ? AND model != '' "
        "ORDER BY id DESC LIMIT 100",
        (span.start, span.end),
    )
    return [{**dict(row), "details": json.loads(row["details"])} for row in rows]

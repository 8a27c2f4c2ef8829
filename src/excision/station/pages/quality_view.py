"""What the page Quality shows: which results, in which groups, and their charts and tables."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, tzinfo
from functools import cached_property
from typing import Any, Literal, get_args
from urllib.parse import urlencode

from excision.station.pages.quality_source import QualitySource
from excision.station.pages.scale import Choice, choice_of
from excision.station.quality.counts import (
    MOST_GROUPS,
    Bar,
    Group,
    defects_by_class,
    groups_of_lots,
    groups_of_spans,
    pareto,
)
from excision.station.quality.shifts import (
    Span,
    days_between,
    hours_between,
    shifts_between,
    zone_of,
)
from excision.station.quality.spc import AverageChart, ProportionChart, ewma_chart, p_chart
from excision.station.store.query import Query

By = Literal["hour", "shift", "day", "lot"]
BYS: tuple[By, ...] = get_args(By)

_DAY = 86_400.0
_DEFAULT = {"hour": 2 * _DAY, "shift": 14 * _DAY, "day": 60 * _DAY, "lot": 60 * _DAY}
"""Seconds back from now that are shown where nothing else is asked for."""

_LONGEST = 400 * _DAY


@dataclass(frozen=True, slots=True)
class Asked:
    """What a person asks of the page, as text.

    Attributes:
        model: name of the model; empty for the first.
        view: camera or side of the part; empty for all.
        by: what makes one point of a chart.
        since: local time from which on results count, as a browser writes it; empty for a default.
        until: local time; empty for now.
        lot: whose defects the table of classes counts; empty for all.
        station: name of a station of a hub; empty for all.
    """

    model: str = ""
    view: str = ""
    by: str = ""
    since: str = ""
    until: str = ""
    lot: str = ""
    station: str = ""

    @classmethod
    def of(cls, fields: Mapping[str, str]) -> Asked:
        """Take what belongs to it from the fields of an address."""
        return cls(
            **{name: fields[name].strip()[:200] for name in cls.__dataclass_fields__ if name in fields}
        )

    def address(self, **more: str) -> str:
        """Give the part of an address behind the question mark."""
        return urlencode({name: value for name, value in {**asdict(self), **more}.items() if value})

    def results(self, model: str) -> str:
        """Give the same for the results of a model, of whatever time."""
        return urlencode({"model": model, **({"station": self.station} if self.station else {})})


class Quality:
    """The counts, charts and tables that a person asks for; each is computed when it is needed.

    Args:
        source: with the results.
        asked: what is asked for.
        now: seconds since 1970 in UTC; None for the present.
    """

    def __init__(self, source: QualitySource, asked: Asked, now: float | None = None) -> None:
        self.source, self.asked = source, asked
        self.now = time.time() if now is None else now
        self.shifts = source.shifts
        self.zone: tzinfo = zone_of(self.shifts)
        offered = [by for by in BYS if by != "shift" or (self.shifts is not None and self.shifts.shift)]
        self.bys: Sequence[By] = offered
        self.by: By = next(
            (by for by in offered if by == asked.by), "shift" if "shift" in offered else "hour"
        )
        until = _seconds(asked.until, self.zone)
        self.until = self.now if until is None else min(max(until, 0.0), self.now + _LONGEST)
        since = _seconds(asked.since, self.zone)
        since = self.until - _DEFAULT[self.by] if since is None else since
        self.since = max(0.0, self.until - _LONGEST, since)

    @cached_property
    def choice(self) -> Choice:
        """What there is to choose from; one model is always chosen."""
        source, asked = self.source, self.asked
        choice = choice_of(source.store, source.models, self.since, asked.model, asked.view, source.station)
        # A station may have no model yet.
        model = choice.model or next(iter(choice.models), "")
        return Choice(model, choice.view, choice.models, choice.views, True)

    @property
    def query(self) -> Query:
        """The results that are shown."""
        return Query(
            self.since,
            self.until,
            model=self.choice.model,
            view=self.choice.view or None,
            station=self.source.station or None,
        )

    @cached_property
    def groups(self) -> list[Group]:
        """Give the points of the charts, in order; the latest, where there are too many."""
        if self.by == "lot":
            return self._lots()
        return self._spans(self.spans[-MOST_GROUPS:], self.source.station)

    @cached_property
    def spans(self) -> list[Span]:
        """Give the spans of time that the charts are made of."""
        if self.until <= self.since:
            return []
        if self.by == "shift" and self.shifts is not None:
            found = shifts_between(self.shifts, self.since, self.until)
            return [Span(f"{span.day:%m-%d} {span.name}", span.start, span.end, span.day) for span in found]
        make = hours_between if self.by == "hour" else days_between
        return make(self.zone, self.since, self.until)

    @property
    def is_cut(self) -> bool:
        """Tell whether only the latest points are shown."""
        return self.by != "lot" and len(self.spans) > MOST_GROUPS

    @cached_property
    def proportions(self) -> ProportionChart:
        """Give the p-chart of rejects."""
        return p_chart([(group.inspected, group.rejects) for group in self.groups])

    @cached_property
    def weights(self) -> str:
        """Give the weights whose scores are shown: those of the latest point."""
        return next((list(group.scores)[-1] for group in reversed(self.groups) if group.scores), "")

    @cached_property
    def averages(self) -> AverageChart | None:
        """Give the EWMA chart of mean scores; None for lots, of which no scores are kept."""
        if self.by == "lot":
            return None
        return ewma_chart([group.mean(self.weights) for group in self.groups])

    @cached_property
    def classes(self) -> list[Bar]:
        """Give the defects that people labelled, by class."""
        store, lot, station = self.source.store, self.asked.lot, self.source.station
        model, view = self.choice.model, self.choice.view
        counts = defects_by_class(store, model, view, lot, self.since, self.until, station)
        query = self.query if not lot else replace(self.query, lot=lot)
        labelled = sum(images for (_, truth), images in store.tally(query).items() if truth == "defect")
        return pareto({**counts, "": max(0, labelled - sum(counts.values()))})

    @cached_property
    def by_lot(self) -> list[Bar]:
        """Give the rejects by lot."""
        return pareto({group.name: group.rejects for group in self._lots()})

    @cached_property
    def by_shift(self) -> list[Bar]:
        """Give the rejects by shift, over all days."""
        counts: Counter[str] = Counter()
        # Of several stations each has shifts of its own.
        for station, shifts in self.source.calendars.items():
            if shifts is None or not shifts.shift or self.until <= self.since:
                continue
            for group in self._spans(shifts_between(shifts, self.since, self.until)[-MOST_GROUPS:], station):
                counts[group.name] += group.rejects
        return pareto(dict(counts))

    def _lots(self) -> list[Group]:
        model, view, station = self.choice.model, self.choice.view, self.source.station
        return groups_of_lots(self.source.store, model, view, self.since, station=station)

    def _spans(self, spans: Sequence[Span], station: str) -> list[Group]:
        return groups_of_spans(self.source.store, spans, self.choice.model, self.choice.view, station)

    def periods(self) -> list[dict[str, Any]]:
        """Give the table behind the charts, one row for each point."""
        averages = self.averages.points if self.averages is not None else ()
        rows = []
        for place, (group, point) in enumerate(zip(self.groups, self.proportions.points, strict=True)):
            average = averages[place] if averages else None
            rows.append(
                {
                    "name": group.name,
                    "start": group.start,
                    "end": group.end,
                    "inspected": group.inspected,
                    "good": group.counts.get("good", 0),
                    "review": group.counts.get("review", 0),
                    "defect": group.rejects,
                    "unfit": group.counts.get("unfit", 0),
                    "failed": group.counts.get("failed", 0),
                    "reject_share": point.share,
                    "lower_limit": None if point.share is None else point.lower,
                    "upper_limit": None if point.share is None else point.upper,
                    "z": point.z,
                    "rules": " ".join(map(str, point.rules)),
                    "mean_score": None if average is None else average.value,
                    "ewma": None if average is None or average.value is None else average.average,
                    "ewma_out": None if average is None or average.value is None else average.out,
                }
            )
        return rows


PERIOD_COLUMNS = {
    "name": "text",
    "start": "time",
    "end": "time",
    **dict.fromkeys(("inspected", "good", "review", "defect", "unfit", "failed"), "int"),
    **dict.fromkeys(("reject_share", "lower_limit", "upper_limit", "z"), "float"),
    "rules": "text",
    "mean_score": "float",
    "ewma": "float",
    "ewma_out": "bool",
}
"""Columns of the table behind the charts."""


def _seconds(text: str, zone: tzinfo) -> float | None:
    try:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=zone)).timestamp()
    except (ValueError, OverflowError, OSError):
        return None

"""Where the page Quality has its figures from: one station, or all that send to a hub."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from fastapi import Request

from excision.station.hub.hub import Hub
from excision.station.hub.store import HubStore
from excision.station.pages.source import hub_of
from excision.station.pages.web import station_of
from excision.station.parts.rows import Part, PartQuery, newest_parts, results_of
from excision.station.quality.settings import ShiftsSettings
from excision.station.station import Station
from excision.station.store.records import StoredResult
from excision.station.store.store import Store

_PAGE = 500  # parts that are in memory at once


@dataclass(frozen=True, slots=True)
class QualitySource:
    """Results that are counted, and what they are grouped by.

    Attributes:
        store: with the results.
        models: names that can be chosen even where there is no result.
        calendars: calendar of shifts by the name of the station; "" for a station that shows itself.
        station: name of the one station of a hub that was chosen; empty for all.
        assembled: whether results are put together to parts.
        folder: that files are written to before they are sent; None for that of the system.
    """

    store: Store | HubStore
    models: tuple[str, ...]
    calendars: Mapping[str, ShiftsSettings | None]
    station: str = ""
    assembled: bool = False
    folder: Path | None = None

    @property
    def shifts(self) -> ShiftsSettings | None:
        """Give the calendar that holds for all of the results; None where there is none, or several."""
        first, *others = [*self.calendars.values()] or [None]
        return first if all(each == first for each in others) else None

    def newest_parts(self, count: int, before: int | None = None) -> Sequence[Part]:
        """Give parts, newest first."""
        query = PartQuery(station=self.station or None)
        if isinstance(self.store, HubStore):
            return self.store.newest_parts(query, count, before)
        return newest_parts(self.store, query, count, before)

    def walk_parts(self, query: PartQuery) -> Iterator[Part]:
        """Give all parts, newest first; memory stays flat."""
        before: int | None = None
        while True:
            page: Sequence[Part]
            if isinstance(self.store, HubStore):
                page = self.store.newest_parts(query, _PAGE, before)
            else:
                page = newest_parts(self.store, query, _PAGE, before)
            if not page:
                return
            yield from page
            before = page[-1].id

    def views_of(self, parts: Sequence[Part]) -> Mapping[int, Sequence[StoredResult]]:
        """Give the results of parts, by the number of the part."""
        if isinstance(self.store, HubStore):
            return self.store.results_of(parts)
        return results_of(self.store, [part.id for part in parts])


def quality_source(request: Request, station: str) -> QualitySource:
    """Give what the page of a request shows.

    Args:
        request: of a page of a station or of a hub.
        station: name of a station of the hub; empty for all.
    """
    hub = hub_of(request)
    return of_station(station_of(request)) if hub is None else of_hub(hub, station)


def of_station(station: Station) -> QualitySource:
    """Give the results of a station."""
    return QualitySource(
        store=station.store,
        models=tuple(station.models.names),
        calendars={"": station.settings.file.one(ShiftsSettings)},
        assembled=station.parts is not None,
        folder=station.settings.data,
    )


def of_hub(hub: Hub, station: str) -> QualitySource:
    """Give the results of one station of a hub, or of all."""
    calendars, models = hub.store.calendars(), hub.store.models()
    meant = [name for name in calendars if station in ("", name)]
    return QualitySource(
        store=hub.store,
        models=tuple(sorted({model for name in meant for model in models.get(name, ())})),
        calendars={name: calendars[name] for name in meant},
        station=station,
        assembled=True,
    )

"""What the pages of a hub show beside results: its stations, and which of them a page is about."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from excision.station.hub.hub import Hub
from excision.station.hub.store import StationRow

SILENT = 180.0
"""Seconds after which a station that was not heard counts as silent; it speaks every minute at least."""

CLOCK = 5.0
"""Seconds by which a clock may differ before the page says so."""

_EVENTS = 10


@dataclass(frozen=True, slots=True)
class Stations:
    """The stations of a hub as a page shows them.

    Attributes:
        rows: what is known of each, and whether it is silent.
        models: names of the models, by station.
        station: the one that was chosen; empty for all.
        model: the one that was chosen; empty for all.
        events: last events of the models of what was chosen.
    """

    rows: tuple[tuple[StationRow, bool], ...]
    models: Mapping[str, list[str]]
    station: str
    model: str
    events: tuple[dict[str, Any], ...]

    @property
    def names(self) -> list[str]:
        """Names of the stations."""
        return [row.name for row, _ in self.rows]

    @property
    def offered(self) -> list[str]:
        """Names of the models of the chosen station, or of all."""
        chosen = [self.station] if self.station else self.names
        return sorted({model for name in chosen for model in self.models.get(name, ())})

    @property
    def is_one_scale(self) -> bool:
        """Tell whether all scores are of one model of one station: only these can be compared."""
        pairs = [
            (name, model)
            for name in self.names
            for model in self.models.get(name, ())
            if self.station in ("", name) and self.model in ("", model)
        ]
        return len(pairs) == 1

    def page_of(self, station: str) -> str:
        """Give the address of the pages of a station; empty where it is not known."""
        return next((row.page.rstrip("/") for row, _ in self.rows if row.name == station), "")


def stations_of(hub: Hub, station: str, model: str) -> Stations:
    """Give the stations of a hub, and what was chosen."""
    now = time.time()
    rows = tuple((row, now - row.last_seen > SILENT) for row in hub.store.stations())
    events = tuple(hub.store.history(_EVENTS, station or None, model or None))
    return Stations(rows, hub.store.models(), station, model, events)

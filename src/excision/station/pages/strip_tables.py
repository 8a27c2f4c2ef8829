"""The strips of line-scan cameras on the page Quality."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from fastapi import HTTPException, Request

from excision.station.pages.source import hub_of
from excision.station.pages.web import station_of
from excision.station.parts.strips import (
    DEFECT_COLUMNS,
    LENGTH_COLUMNS,
    defect_row,
    defect_rows,
    defects,
    images,
    length_rows,
    strips,
)
from excision.station.station import Station

_IMAGES, _DEFECTS = 500, 50  # of a strip, the last ones

Table = tuple[Mapping[str, str], Iterable[Mapping[str, Any]]]


def latest_defects(request: Request) -> list[tuple[str, int, list[dict[str, Any]]]]:
    """Give for each camera with a strip: its name, when the last one began, and its last defects."""
    found = list[tuple[str, int, list[dict[str, Any]]]]()
    if hub_of(request) is not None:
        return found
    store = station_of(request).store
    for strip in strips(store):
        if strip.is_latest:
            rows = [defect_row(strip, one) for one in defects(images(store, strip, newest=_IMAGES))]
            found.append((strip.view, strip.began, rows[: -_DEFECTS - 1 : -1]))
    return found


def _station(request: Request) -> Station:
    if hub_of(request) is not None:
        raise HTTPException(404, "a hub knows no strips: ask the station")
    return station_of(request)


def _defects(request: Request) -> Table:
    return DEFECT_COLUMNS, defect_rows(_station(request).store)


def _lengths(request: Request) -> Table:
    station = _station(request)
    cameras = station.settings.file.below("cameras")
    given = {name: camera.strip_length for name, camera in cameras.items() if camera.strip_length}
    return LENGTH_COLUMNS, length_rows(station.store, given)


STRIP_TABLES: Mapping[str, Callable[[Request], Table]] = {
    "strip_defects": _defects,
    "strip_lengths": _lengths,
}
"""What can be had as a file, by the name in the address."""

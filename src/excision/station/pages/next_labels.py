"""The parts that people should label next, each with its reason."""

from __future__ import annotations

from fastapi import APIRouter, HTTPException, Request, Response

from excision.station.improve.next_labels import next_labels
from excision.station.pages.improve import improving
from excision.station.pages.web import PageRoute, render, station_of
from excision.station.station import Station

router = APIRouter(route_class=PageRoute, include_in_schema=False)


@router.get("/review/next")
def page(request: Request, model: str = "") -> Response:
    """Show the parts of today."""
    station = station_of(request)
    name = model or station.models.default
    if name not in station.models.names:
        raise HTTPException(404, f"there is no model {name[:64]!r}")
    per_day = improving(station).labels_per_day
    proposed, done = next_labels(station.store, name, per_day, drifting_since=drifting_since(station, name))
    return render(
        request,
        "next_labels.html.j2",
        model=name,
        models=station.models.names,
        proposed=proposed,
        done=done,
        per_day=per_day,
    )


def drifting_since(station: Station, name: str) -> float | None:
    """Give when the last drift warning came that nobody has answered; None for no such warning."""
    for event in station.store.history(name, 100):
        if event["what"].startswith("drift: "):
            return None
        if event["what"] == "drift":
            return float(event["time"])
    return None

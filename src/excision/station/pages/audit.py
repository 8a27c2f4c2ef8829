"""The audit trail for the admins of a station."""

from __future__ import annotations

import json
from typing import Any

from fastapi import APIRouter, HTTPException, Request, Response
from fastapi.responses import StreamingResponse

from excision.station.api.schemas import LARGEST_NUMBER
from excision.station.pages.web import PageRoute, render, station_of
from excision.station.store.trail_check import lines, newest, verify

router = APIRouter(route_class=PageRoute, include_in_schema=False)

_SHOWN = 100
_TYPES = {"csv": "text/csv; charset=utf-8", "jsonl": "application/jsonl"}


@router.get("/audit")
def audit(request: Request, before: str = "", check: str = "") -> Response:
    """Show the newest events, and whether all of them are as they were written where that is asked for."""
    path = station_of(request).store.path
    digits = before.isascii() and before.isdigit() and 0 < int(before[:19]) <= LARGEST_NUMBER
    found = newest(path, _SHOWN + 1, int(before[:19]) if digits else None)
    return render(
        request,
        "audit.html.j2",
        events=[_told(event) for event in found[:_SHOWN]],
        older=found[_SHOWN - 1]["id"] if len(found) > _SHOWN else None,
        verdict=verify(path) if check == "yes" else None,
    )


@router.get("/audit/trail.{form}")
def download(request: Request, form: str) -> Response:
    """Give the whole trail as a table."""
    if form not in _TYPES:
        raise HTTPException(404, "the trail comes as trail.csv or trail.jsonl")
    return StreamingResponse(
        lines(station_of(request).store.path, "csv" if form == "csv" else "jsonl"),
        media_type=_TYPES[form],
        headers={"Content-Disposition": f'attachment; filename="trail.{form}"'},
    )


def _told(event: dict[str, Any]) -> dict[str, Any]:
    """Give an event whose details are a text."""
    try:
        details = json.loads(event["details"])
        text = ", ".join(f"{name}: {value}" for name, value in details.items() if value not in ("", None))
    except (ValueError, TypeError, AttributeError):
        text = str(event["details"])
    return {**event, "details": text[:500]}

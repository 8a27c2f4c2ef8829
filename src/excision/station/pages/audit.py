"""The audit trail for the admins of a station."""

from __future__ import annotations

import json
from typing import Any

from fastapi import APIRouter, HTTPException, Request, Response
from fastapi.responses import StreamingResponse

from excision.station.api.schemas import LARGEST_NUMBER
from excision.station.pages.numbers import NONE, in_language, moment
from excision.station.pages.sentences import translated
from excision.station.pages.strings import Words
from excision.station.pages.web import PageRoute, render, station_of, words_of
from excision.station.store.settings_trail import CHANGED
from excision.station.store.trail_check import lines, newest, verify

router = APIRouter(route_class=PageRoute, include_in_schema=False)

_SHOWN = 100
_LONGEST = 500
_ROLES = frozenset({"role", "before"})
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
        events=[_told(event, words_of(request)) for event in found[:_SHOWN]],
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


def _told(event: dict[str, Any], t: Words) -> dict[str, Any]:
    """Give an event whose details are a text."""
    try:
        details = json.loads(event["details"])
        if event["what"] == CHANGED:
            text = ", ".join(_changed(name, value) for name, value in details.items())
        else:
            text = ", ".join(
                f"{_name(name, t)}: {_value(name, value, t)}"
                for name, value in details.items()
                if value not in ("", None, {}, [])
            )
    except (ValueError, TypeError, AttributeError):
        text = str(event["details"])
    return {**event, "details": text[:_LONGEST]}


def _changed(name: str, value: Any) -> str:
    """Say what a setting was and is; a dash where it does not stand in the file."""
    if not isinstance(value, list):
        return f"{name}: {value}"
    before, now = (NONE if each is None else each for each in value)
    return f"{name}: {before} → {now}"


def _name(name: str, t: Words) -> str:
    known = f"detail.{name}"
    return t(known) if known in t else name


def _value(name: str, value: Any, t: Words) -> str:
    """Write a value: a word of the pages, a time, a number, or what the catalogue of sentences knows."""
    if isinstance(value, dict):
        # Of a warning, its words say the rest.
        words = value.get("words")
        inner = {name: words} if words else value
        return ", ".join(
            _value(key, each, t) if key == name else f"{_name(key, t)}: {_value(key, each, t)}"
            for key, each in inner.items()
        )
    if isinstance(value, bool):
        return t("yes" if value else "no")
    if isinstance(value, int | float):
        return moment(value, t.language) if name == "time" else in_language(str(value), t.language)
    for known in (f"detail_value.{name}.{value}", f"role.{value}" if name in _ROLES else ""):
        if known in t:
            return t(known)
    return translated(str(value), t.language)

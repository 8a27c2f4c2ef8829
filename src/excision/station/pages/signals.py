"""The page of signals: how each is doing, and reports that could not be sent."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, HTTPException, Request, Response
from fastapi.responses import RedirectResponse

from excision.errors import SettingsError
from excision.station.api.writing import writing_of
from excision.station.line.line import Line
from excision.station.pages.web import PageRoute, render, small_form, station_of, wants_part, who_of

router = APIRouter(route_class=PageRoute, include_in_schema=False)

AGAIN, DISCARDED = "reports sent again", "reports discarded"
"""Events in the history of a station."""

_SHOWN = 100  # dead letters on the page


def has_signals(line: Line | None) -> bool:
    """Tell whether there is anything to show."""
    return line is not None and bool(line.couriers)


@router.get("/signals")
def signals(request: Request) -> Response:
    """Show every signal, and its dead letters."""
    part = wants_part(request)
    return render(request, "signals_part.html.j2" if part else "signals.html.j2", **_shown(request))


@router.post("/signals/{name}/letters")
async def letters(request: Request, name: str) -> Response:
    """Send dead letters of a signal again, or discard them: one, or all."""
    form, line = await small_form(request), _line(request)
    if name not in {courier.signal.name for courier in line.couriers}:
        raise HTTPException(404, f"there is no signal {name[:64]!r}")
    number, action = _number(form.get("number", "")), form.get("action")
    if action not in ("again", "discard"):
        raise SettingsError("choose to send again, or to discard")
    change = line.journal.ask_again if action == "again" else line.journal.discard
    count = await writing_of(request).do(change, name, number)
    details = {"signal": name, "reports": count, "number": number}
    what = AGAIN if action == "again" else DISCARDED
    await writing_of(request).do(station_of(request).store.note, "", what, details, who_of(request, form))
    for courier in line.couriers:
        courier.wake()
    return RedirectResponse("/signals", 303)


def _shown(request: Request) -> dict[str, Any]:
    line: Line | None = request.app.state.line
    if line is None:
        return {"couriers": [], "letters": [], "dead": {}, "state": None, "most": _SHOWN}
    return {
        "couriers": [courier.state for courier in line.couriers],
        "letters": line.journal.dead(most=_SHOWN),
        "dead": line.journal.count_dead(),
        "state": line.state(),
        "most": _SHOWN,
    }


def _line(request: Request) -> Line:
    line: Line | None = request.app.state.line
    if line is None:
        raise HTTPException(404, "this station has no signals")
    return line


def _number(text: str) -> int | None:
    if not text:
        return None
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise SettingsError("the number of a report is a whole number")
    return int(text)

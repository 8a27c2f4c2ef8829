"""Alarms on the pages: a stop sign on the live page, a line on all others, and a page about them."""

from __future__ import annotations

import hashlib
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from excision.station.alarms.alarm import Alarm
from excision.station.api.writing import writing_of
from excision.station.pages.inside import inside
from excision.station.pages.sentences import translated
from excision.station.pages.strings import Words
from excision.station.pages.web import PageRoute, render, small_form, station_of, who_of, words_of

router = APIRouter(route_class=PageRoute, include_in_schema=False)


@router.get("/alarms")
def alarms(request: Request) -> Response:
    """Show the alarms that stand, the last that were acknowledged, and what raises one."""
    found, t = station_of(request).alarms, words_of(request)
    return render(
        request,
        "alarms.html.j2",
        settings=found.settings,
        standing=[(alarm, said(alarm, t)) for alarm in found.standing],
        past=[(alarm, said(alarm, t)) for alarm in found.history()],
    )


@router.get("/alarms/now")
def now(request: Request, alarm_state: str = "", full: str = "") -> Response:
    """Give what stands; nothing where it is the same as before."""
    standing = station_of(request).alarms.standing
    state = hashlib.sha256(repr(standing).encode()).hexdigest()[:16]
    if state == alarm_state:
        return Response(status_code=204)
    t = words_of(request)
    told = [(alarm, said(alarm, t)) for alarm in standing]
    return render(request, "alarms_now.html.j2", standing=told, state=state, full=full == "yes")


@router.post("/alarms/{number}/acknowledge")
async def acknowledge(request: Request, number: int) -> Response:
    """Note that a person knows of an alarm."""
    form = await small_form(request)
    do, found = writing_of(request).do, station_of(request).alarms
    await do(found.acknowledge, number, who_of(request, form))
    return RedirectResponse(inside(form.get("to", "/alarms")), 303)


def said(alarm: Alarm, t: Words) -> str:
    """Say what an alarm is about."""
    details: dict[str, Any] = {"found": "", "of": "", "words": "", **alarm.details}
    details["words"] = translated(str(details["words"]), t.language)
    name = f"alarms.said.{alarm.kind}{'' if alarm.model or alarm.kind != 'fault' else '_station'}"
    return t(name, model=alarm.model, **{key: details[key] for key in ("found", "of", "words")})

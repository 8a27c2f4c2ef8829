"""The page for the line: the newest part, the last twenty, and how the shift goes."""

from __future__ import annotations

import hashlib
import time
from dataclasses import replace
from typing import Any

from anyio import CapacityLimiter
from anyio.to_thread import run_sync
from fastapi import APIRouter, HTTPException, Request, Response

from excision.errors import GoneError
from excision.station.api.schemas import LARGEST_NUMBER
from excision.station.pages.cameras import cameras_of
from excision.station.pages.charts import score_chart
from excision.station.pages.drift import panels_of
from excision.station.pages.pictures import LARGE, LARGEST, THUMB, has_image, has_stages, picture
from excision.station.pages.rarity import rarity_of
from excision.station.pages.scale import Choice, choice_of
from excision.station.pages.shift import HOURS, Shift, budget_of, read_shift
from excision.station.pages.source import Source, hub_of, source_of
from excision.station.pages.stations import CLOCK, stations_of
from excision.station.pages.strings import Words
from excision.station.pages.web import PageRoute, render, station_of, words_of
from excision.station.store.query import Query
from excision.station.store.reading import Results
from excision.station.store.records import StoredResult, standing

router = APIRouter(route_class=PageRoute, include_in_schema=False)

_RECENT, _CHARTED, _CHARTED_NARROW = 20, 200, 60

# Pictures of several pages at once must not use up the threads of other requests.
_DRAWING = CapacityLimiter(2)


@router.get("/")
def live(
    request: Request, hours: str = "", since: str = "", station: str = "", model: str = "", view: str = ""
) -> Response:
    """Show how the line runs: the results of a model, a view, or at a hub of a station, or all."""
    shift = read_shift(hours, since, time.time())
    return render(request, "live.html.j2", **_content(request, shift, station, model, view))


@router.get("/live/now")
def now(
    request: Request,
    hours: str = "",
    since: str = "",
    state: str = "",
    station: str = "",
    model: str = "",
    view: str = "",
) -> Response:
    """Give what changes on the page; nothing where it is the same as before."""
    content = _content(request, read_shift(hours, since, time.time()), station, model, view)
    if content["state"] == state:
        return Response(status_code=204)
    return render(request, "live_now.html.j2", **content)


@router.get("/parts/{number}/{size}.png")
async def kept_picture(request: Request, number: int, size: str) -> Response:
    """Give the kept image of a result, as "picture", "large" or "thumb"; it never changes."""
    if not 0 < number <= LARGEST_NUMBER:
        raise HTTPException(404, f"there is no result {number}")
    longest = {"picture": LARGE, "large": LARGEST, "thumb": THUMB}.get(size)
    source = source_of(request)
    result = await run_sync(source.store.get, number)
    if result is None or longest is None:
        raise HTTPException(404, f"there is no result {number}")
    path = source.images.find(result.image)
    if path is None:
        raise GoneError(f"the image of result {number} is not kept")
    content = await run_sync(picture, path, longest, limiter=_DRAWING)
    return Response(content, media_type="image/png", headers={"Cache-Control": "private, max-age=86400"})


def _content(request: Request, shift: Shift, station: str, model: str, view: str) -> dict[str, Any]:
    source, t, hub = source_of(request), words_of(request), hub_of(request)
    store, stations = source.store, None if hub is None else stations_of(hub, station, model)
    choice = (
        None
        if stations is not None
        else choice_of(station_of(request).store, tuple(source.models.names), shift.since, model, view)
    )
    asked = Query(station=station or None, model=model or None) if choice is None else choice.query
    shown = replace(asked, since=shift.since)
    recent = store.newest(asked, _RECENT)
    newest = recent[0] if recent else None
    # Scores of different models have different units, and each has a threshold of its own.
    scales = stations if choice is None else choice
    is_one_scale = scales is not None and scales.is_one_scale
    charted = store.newest(shown, _CHARTED)[::-1] if is_one_scale else []
    counts = store.count(shown)
    truths = {result.id: _last_truth(store, result.id) for result in recent}
    own = _own(request, shift, choice, t)
    cameras = cameras_of(request)
    parts = list(truths.items())
    what = (own, cameras, stations, choice, newest, counts, parts, [result.id for result in charted])
    return {
        **own,
        "cameras": cameras,
        "hub": stations,
        "choice": choice,
        "clock": CLOCK,
        "shift": shift,
        "lengths": HOURS,
        **_newest(source, newest, t),
        "recent": [(result, has_image(source, result), truths[result.id]) for result in recent],
        "counts": counts,
        "total": sum(counts.values()),
        "charts": (score_chart(charted, t), score_chart(charted[-_CHARTED_NARROW:], t, "narrow")),
        "charted": len(charted),
        "is_one_scale": is_one_scale,
        "state": hashlib.sha256(repr(what).encode()).hexdigest()[:16],
    }


def _newest(source: Source, newest: StoredResult | None, t: Words) -> dict[str, Any]:
    """Give the newest result, how rare its score is, and whether its stages can be shown."""
    if newest is None:
        return {"newest": None, "rarity": "", "drawn": False}
    return {
        "newest": newest,
        "rarity": rarity_of(source, newest, t),
        "drawn": has_stages(source, newest),
    }


def _own(request: Request, shift: Shift, choice: Choice | None, t: Words) -> dict[str, Any]:
    """Give what a station knows beside its results; nothing of it at a hub, which has no choice of models."""
    if choice is None:
        return {"budget": None, "drift": [], "outbox": None}
    station = station_of(request)
    return {
        "budget": budget_of(station.store, station.models, replace(choice.query, since=shift.since)),
        "drift": panels_of(station, t),
        "outbox": None if station.outbox is None else station.outbox.state(),
    }


def _last_truth(store: Results, number: int) -> str | None:
    said = standing(store.labels(number))
    return None if said is None else said.truth

"""The page for the line: the newest part, the last twenty, and how the shift goes."""

from __future__ import annotations

import hashlib
import time
from typing import Any

from anyio import CapacityLimiter
from anyio.to_thread import run_sync
from fastapi import APIRouter, HTTPException, Request, Response

from excision.errors import GoneError
from excision.station.api.schemas import LARGEST_NUMBER
from excision.station.pages.charts import score_chart
from excision.station.pages.drift import panels_of
from excision.station.pages.pictures import LARGE, THUMB, has_image, has_stages, picture
from excision.station.pages.rarity import rarity_of
from excision.station.pages.shift import HOURS, Shift, budget_of, read_shift
from excision.station.pages.strings import Words
from excision.station.pages.web import PageRoute, render, station_of, words_of
from excision.station.station import Station
from excision.station.store.query import Query

router = APIRouter(route_class=PageRoute, include_in_schema=False)

_RECENT, _CHARTED, _CHARTED_NARROW = 20, 200, 60

# Pictures of several pages at once must not use up the threads of other requests.
_DRAWING = CapacityLimiter(2)


@router.get("/")
def live(request: Request, hours: str = "", since: str = "") -> Response:
    """Show how the line runs."""
    shift = read_shift(hours, since, time.time())
    return render(request, "live.html.j2", **_content(station_of(request), shift, words_of(request)))


@router.get("/live/now")
def now(request: Request, hours: str = "", since: str = "", state: str = "") -> Response:
    """Give what changes on the page; nothing where it is the same as before."""
    content = _content(station_of(request), read_shift(hours, since, time.time()), words_of(request))
    if content["state"] == state:
        return Response(status_code=204)
    return render(request, "live_now.html.j2", **content)


@router.get("/parts/{number}/{size}.png")
async def kept_picture(request: Request, number: int, size: str) -> Response:
    """Give the kept image of a result, as "picture" or "thumb"; it never changes."""
    if not 0 < number <= LARGEST_NUMBER:
        raise HTTPException(404, f"there is no result {number}")
    longest = {"picture": LARGE, "thumb": THUMB}.get(size)
    result = await run_sync(station_of(request).result, number)
    if result is None or longest is None:
        raise HTTPException(404, f"there is no result {number}")
    path = station_of(request).images.find(result.image)
    if path is None:
        raise GoneError(f"the image of result {number} is not kept")
    content = await run_sync(picture, path, longest, limiter=_DRAWING)
    return Response(content, media_type="image/png", headers={"Cache-Control": "private, max-age=86400"})


def _content(station: Station, shift: Shift, t: Words) -> dict[str, Any]:
    store = station.store
    recent = store.newest(Query(), _RECENT)
    newest = recent[0] if recent else None
    charted = store.newest(Query(since=shift.since), _CHARTED)[::-1]
    counts = store.count(Query(since=shift.since))
    budget = budget_of(store, station.models, shift.since)
    truths = {result.id: _last_truth(station, result.id) for result in recent}
    drift = panels_of(station, t)
    what = (drift, newest, counts, budget, list(truths.items()), [result.id for result in charted])
    return {
        "shift": shift,
        "lengths": HOURS,
        "newest": newest,
        "rarity": "" if newest is None else rarity_of(station, newest, t),
        "drawn": newest is not None and has_stages(station, newest),
        "recent": [(result, has_image(station, result), truths[result.id]) for result in recent],
        "counts": counts,
        "total": sum(counts.values()),
        "budget": budget,
        "charts": (score_chart(charted, t), score_chart(charted[-_CHARTED_NARROW:], t, "narrow")),
        "charted": len(charted),
        "drift": drift,
        "state": hashlib.sha256(repr(what).encode()).hexdigest()[:16],
    }


def _last_truth(station: Station, number: int) -> str | None:
    labels = station.store.labels(number)
    return labels[-1].truth if labels else None

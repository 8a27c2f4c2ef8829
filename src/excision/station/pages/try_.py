"""Trying an image: every stage of it, and nothing of it kept."""

from __future__ import annotations

import secrets
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path

from anyio import CapacityLimiter
from anyio.to_thread import run_sync
from fastapi import APIRouter, HTTPException, Request, Response

from excision.data.decode import probe_image
from excision.errors import BusyError, ImageError
from excision.predictions import Verdict
from excision.station.api.receiving import Places
from excision.station.api.uploads import UploadError, receive
from excision.station.models.version import Version
from excision.station.pages.pictures import LARGE, picture
from excision.station.pages.rarity import rarity
from excision.station.pages.web import PageRoute, render, station_of, wants_part, words_of
from excision.station.station import Station
from excision.station.work.renderings import STAGES, draw

router = APIRouter(route_class=PageRoute, include_in_schema=False)

_KEPT, _WAITING = 4, 4

# One trial at a time: the line comes first.
_TRYING = CapacityLimiter(1)


@dataclass(frozen=True, slots=True)
class Trial:
    """An image that was tried, with its pictures as PNG by name.

    Attributes:
        token: random name in addresses.
        source: name of the image.
        model: name of the model.
        version: of the model.
        score: anomaly score.
        p_value: conformal p-value of the score; None where it is unknown.
        verdict: by the version's thresholds.
        unfit: why the image is not fit to be inspected; empty where it is.
        width: of the image in pixels.
        height: of the image in pixels.
        seconds: that the inspection took.
        pictures: "picture", "overlay" and every stage.
    """

    token: str
    source: str
    model: str
    version: Version
    score: float
    p_value: float | None
    verdict: Verdict
    unfit: tuple[str, ...]
    width: int
    height: int
    seconds: float
    pictures: dict[str, bytes]


class Trials:
    """The last few trials, in memory alone."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, Trial] = OrderedDict()
        self._lock = threading.Lock()
        self.waiting = 0
        self.receiving = Places(_WAITING)

    def keep(self, trial: Trial) -> None:
        """Keep a trial; the oldest goes."""
        with self._lock:
            self._kept[trial.token] = trial
            while len(self._kept) > _KEPT:
                self._kept.popitem(last=False)

    def find(self, token: str) -> Trial | None:
        """Give a trial, or None where it is gone."""
        with self._lock:
            return self._kept.get(token)


@router.get("/try")
def page(request: Request) -> Response:
    """Ask for an image."""
    return render(request, "try.html.j2", models=station_of(request).models.names, trial=None)


@router.post("/try")
async def attempt(request: Request) -> Response:
    """Inspect one image and show every stage."""
    station, trials = station_of(request), _trials(request)
    place = trials.receiving.take()
    try:
        received = await receive(request, station.images, station.limits, None, place)
    finally:
        trials.receiving.leave(place)
    if trials.waiting >= _WAITING:
        await received.discard()
        raise BusyError(words_of(request)("try.busy"))
    trials.waiting += 1
    try:
        try:
            if len(received.uploads) != 1:
                raise UploadError(400, words_of(request)("try.one"))
            name = received.fields.get("model") or station.models.default
            if name not in station.models.names:
                raise HTTPException(404, f"there is no model {name[:64]!r}")
            path, source = received.uploads[0]
            trial = await run_sync(_inspect, station, name, path, source, limiter=_TRYING)
        finally:
            await received.discard()
    finally:
        trials.waiting -= 1
    trials.keep(trial)
    template = "try_part.html.j2" if wants_part(request) else "try.html.j2"
    return render(
        request,
        template,
        models=station.models.names,
        trial=trial,
        stages=STAGES,
        rarity="" if trial.unfit else rarity(trial.p_value, trial.version, words_of(request)),
    )


@router.get("/try/{token}/{name}.png")
def trial_picture(request: Request, token: str, name: str) -> Response:
    """Give a picture of a trial."""
    trial = _trials(request).find(token)
    if trial is None or name not in trial.pictures:
        raise HTTPException(404, words_of(request)("try.gone"))
    return Response(trial.pictures[name], media_type="image/png")


def _inspect(station: Station, name: str, path: Path, source: str) -> Trial:
    version = station.models.current(name)
    try:
        height, width = probe_image(path).size
        if height * width > station.limits.max_pixels:
            raise ImageError(
                f"{source}: {width} x {height} pixels exceed this station's limit of "
                f"{station.limits.max_pixels} (--max-pixels)"
            )
        start = time.perf_counter()
        prediction = version.inspect(path)
        seconds = time.perf_counter() - start
        pictures = {"picture": picture(path, LARGE), "overlay": draw(prediction, "overlay")}
    except ImageError as error:
        # Clients must not see the station's own paths.
        raise ImageError(str(error).replace(str(path), source)) from error
    pictures |= {stage: draw(prediction, stage) for stage in STAGES}
    return Trial(
        token=secrets.token_urlsafe(16),
        source=source,
        model=name,
        version=version,
        score=prediction.score,
        p_value=prediction.p_value,
        verdict=prediction.verdict,
        unfit=prediction.unfit,
        width=width,
        height=height,
        seconds=seconds,
        pictures=pictures,
    )


def _trials(request: Request) -> Trials:
    trials: Trials = request.app.state.pages_trials
    return trials

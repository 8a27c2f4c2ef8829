"""A new model without a command line: collect, check, train, look, calibrate, go live."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from anyio.to_thread import run_sync
from fastapi import APIRouter, HTTPException, Request, Response
from fastapi.responses import RedirectResponse

from excision.errors import ExcisionError, SettingsError
from excision.method.calibration import calibrate
from excision.station.api.uploads import receive
from excision.station.api.writing import writing_of
from excision.station.improve.gathering import (
    begin_new,
    drafts,
    gather,
    images_in,
    in_folder,
    kept_good,
)
from excision.station.improve.job import EXPORT, RUN, Job, Standing, home
from excision.station.improve.looking import FIGURES, Report, look, report_of
from excision.station.improve.workshop import has_torch
from excision.station.models.version import check_name
from excision.station.pages.improve import improving
from excision.station.pages.models import rate_of
from excision.station.pages.pictures import THUMB
from excision.station.pages.pictures import picture as drawn
from excision.station.pages.tasks import folders_in
from excision.station.pages.try_ import Trials
from excision.station.pages.web import PageRoute, render, small_form, station_of, wants_part, who_of, words_of
from excision.station.work.upload import Limits

router = APIRouter(route_class=PageRoute, include_in_schema=False)

_UPLOAD = 2**30  # bytes of one upload
_MOST_FILES = 2000
_SHOWN = 12


@router.get("/new-model")
def page(request: Request, name: str = "") -> Response:
    """Show how far a new model is, or ask for its name."""
    return render(request, "new_model.html.j2", **_values(request, name))


@router.get("/new-model/now")
def now(request: Request, name: str = "") -> Response:
    """Show how far the training is."""
    return render(request, "new_model_part.html.j2", **_values(request, name))


@router.post("/new-model")
async def begin(request: Request) -> Response:
    """Begin a new model."""
    form, station = await small_form(request), station_of(request)
    name = form.get("name", "").strip()
    if name in station.models.names:
        raise HTTPException(409, words_of(request)("new.exists", name=name))
    folder, settings = station.settings.data, improving(station).settings
    await writing_of(request).do(begin_new, folder, name, settings, who_of(request, form))
    return RedirectResponse(f"/new-model?name={name}", 303)


@router.post("/new-model/{name}/upload")
async def upload(request: Request, name: str) -> Response:
    """Add images that a browser sends."""
    station, out = station_of(request), _folder(request, name)
    trials: Trials = request.app.state.pages_trials
    place = trials.receiving.take()
    try:
        limits = Limits(_UPLOAD, station.limits.max_pixels, _MOST_FILES)
        received = await receive(request, station.images, limits, None, place)
    finally:
        trials.receiving.leave(place)
    try:
        await run_sync(lambda: gather(out, received.uploads, move=True))
    finally:
        await received.discard()
    return _answered(name)


@router.post("/new-model/{name}/take")
async def take(request: Request, name: str) -> Response:
    """Add kept images that were labelled good, or those of a folder of the station."""
    form, station, out = await small_form(request), station_of(request), _folder(request, name)

    def add() -> None:
        below = station.settings.folders
        if form.get("folder") and below is not None:
            gather(out, in_folder(below, form["folder"]))
        elif form.get("model") in station.models.names:
            gather(out, kept_good(station.store, station.images, form["model"], _MOST_FILES))
        else:
            raise SettingsError(words_of(request)("new.nothing"))

    await run_sync(add)
    return _answered(name)


@router.post("/new-model/{name}/check")
async def check(request: Request, name: str) -> Response:
    """Look at every image, and say what a training would use."""
    out = _folder(request, name)
    await run_sync(look, out)
    return _answered(name)


@router.post("/new-model/{name}/train")
async def train(request: Request, name: str) -> Response:
    """Train in a process of its own, or go on."""
    form, station, out = await small_form(request), station_of(request), _folder(request, name)
    job = Job.load(out)
    assert job is not None  # there is a folder
    if len(images_in(out)) < 2:
        raise HTTPException(422, words_of(request)("new.too_few"))
    await run_sync(station.workshop.start, job, out)
    station.store.note(name, "training began", {}, who_of(request, form))
    return now(request, name) if wants_part(request) else _answered(name)


@router.post("/new-model/{name}/calibrate")
async def set_rate(request: Request, name: str) -> Response:
    """Set the threshold for another false-alarm rate, from the same calibration scores."""
    form, out = await small_form(request), _folder(request, name)
    if name in station_of(request).models.names:
        raise HTTPException(409, words_of(request)("new.exists", name=name))
    await run_sync(_calibrate, out / EXPORT, rate_of(form.get("rate", "")))
    return _answered(name)


@router.post("/new-model/{name}/live")
async def live(request: Request, name: str) -> Response:
    """Let the new model inspect."""
    form, station, out = await small_form(request), station_of(request), _folder(request, name)
    if form.get("confirmed") != "yes":
        raise HTTPException(422, words_of(request)("threshold.unconfirmed"))
    if name in station.models.names:
        raise HTTPException(409, words_of(request)("new.exists", name=name))
    await writing_of(request).do(station.models.go_live, name, out / EXPORT, who_of(request, form))
    return RedirectResponse(f"/models#{name}", 303)


@router.get("/new-model/{name}/images/{number}.png")
def image(request: Request, name: str, number: int) -> Response:
    """Show one of the collected images."""
    known = images_in(_folder(request, name))
    if not 0 <= number < len(known):
        raise HTTPException(404, "there is no such image")
    return Response(drawn(known[number], THUMB), media_type="image/png")


@router.get("/new-model/{name}/figures/{figure}.png")
def figure(request: Request, name: str, figure: str) -> Response:
    """Show a picture of the training."""
    out = _folder(request, name)
    place = FIGURES.get(figure)
    if place is None or not (out / RUN / place).is_file():
        raise HTTPException(404, "there is no such picture")
    return Response((out / RUN / place).read_bytes(), media_type="image/png")


def _calibrate(folder: Path, rate: float) -> None:
    from excision.runtime.inspector import Inspector

    if not 0 < rate < 1:
        raise SettingsError("the false-alarm rate must lie between 0 and 100 %")
    inspector = Inspector(folder)
    before = inspector.calibration
    after = calibrate(
        before.scores,
        rate,
        confidence=before.confidence,
        groups=before.groups,
        names=before.names or None,
        odd_image=before.odd_image,
        folds=before.folds,
        cross_fitted=before.cross_fitted,
    )
    inspector.set_calibration(after)


def _values(request: Request, name: str) -> dict[str, Any]:
    station = station_of(request)
    base: dict[str, Any] = {
        "name": name,
        "drafts": [each for each in drafts(station.settings.data) if each not in station.models.names],
        "has_torch": has_torch(),
    }
    if not name:
        return base
    out = _folder(request, name)
    images, doing = images_in(out), station.workshop.doing
    running = doing if doing is not None and doing.out.resolve() == out.resolve() else None
    report: Report | None = report_of(out)
    return base | {
        "count": len(images),
        "shown": range(max(0, len(images) - _SHOWN), len(images)),
        "folders": folders_in(station.settings.folders),
        "models": station.models.names,
        "report": report if report is not None and report.images == len(images) else None,
        "standing": Standing.load(out),
        "running": running,
        "busy": doing is not None,
        "calibration": None if running is not None else _calibration(out),
        "figures": [each for each, place in FIGURES.items() if (out / RUN / place).is_file()],
        "is_live": name in station.models.names,
        "begun": (out / RUN).exists(),
    }


def _calibration(out: Path) -> Any:
    from excision.runtime.model_folder import Description, is_exported

    try:
        return Description.load(out / EXPORT).calibration if is_exported(out / EXPORT) else None
    except ExcisionError:
        return None


def _folder(request: Request, name: str) -> Path:
    station = station_of(request)
    if name not in drafts(station.settings.data):
        raise HTTPException(404, f"there is no new model {name[:64]!r}")
    return home(station.settings.data, check_name(name)) / "0001"


def _answered(name: str) -> Response:
    return RedirectResponse(f"/new-model?name={name}", 303)

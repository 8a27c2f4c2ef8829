"""From labels to a better model, on a page: train a challenger, compare it, and put it live."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any

from anyio.to_thread import run_sync
from fastapi import APIRouter, HTTPException, Request, Response
from fastapi.responses import RedirectResponse

from excision.errors import ExcisionError, SettingsError
from excision.station.api.writing import writing_of
from excision.station.improve.champion import images_of, run_of
from excision.station.improve.comparing import read_comparison
from excision.station.improve.confirming import confirm_in
from excision.station.improve.job import EXPORT, PICTURES, Job, Standing, challengers, home, next_folder
from excision.station.improve.settings import ImproveSettings
from excision.station.improve.workshop import has_torch
from excision.station.models.version import Version, check_name
from excision.station.pages.shadow import shadow_of
from excision.station.pages.web import PageRoute, render, small_form, station_of, wants_part, who_of, words_of
from excision.station.station import Station
from excision.station.store.labelling import named
from excision.station.store.query import Query

router = APIRouter(route_class=PageRoute, include_in_schema=False)

_PICTURE = re.compile(r"[0-9]{4}_(image|champion|challenger)")
_LARGEST_PICTURE = 16 * 2**20  # bytes
_SHOWN = 50  # changed verdicts on the page; the folder has all of them

_SIGNING = ("title", "about", "accepted", "conditions", "refused", "name", "place", "signature")


@router.get("/improve")
def page(request: Request, model: str = "") -> Response:
    """Show how far the improvement of a model is, and what came of it."""
    return render(request, "improve.html.j2", **_values(request, model))


@router.get("/improve/now")
def now(request: Request, model: str = "") -> Response:
    """Show how far it is."""
    return render(request, "improve_part.html.j2", **_values(request, model))


@router.post("/models/{name}/improve")
async def start(request: Request, name: str) -> Response:
    """Begin an improvement, or go on with one that was stopped."""
    form = await small_form(request)
    who = who_of(request, form)
    await run_sync(_start, request, name, who, form.get("allow_missing") == "yes")
    return _answered(request, name)


@router.post("/improve/stop")
async def stop(request: Request) -> Response:
    """Stop the training under way; it can go on later."""
    form = await small_form(request)
    station_of(request).workshop.stop()
    if form.get("new"):
        return RedirectResponse(f"/new-model?name={check_name(form['new'])}", 303)
    return _answered(request, form.get("model", ""))


@router.post("/improve/{name}/{number}/live")
async def live(request: Request, name: str, number: int) -> Response:
    """Let a challenger take over."""
    form, t = await small_form(request), words_of(request)
    version = _version(request, name)
    if form.get("confirmed") != "yes":
        raise HTTPException(422, t("threshold.unconfirmed"))
    if form.get("version") != version.version:
        raise HTTPException(409, t("threshold.changed"))
    folder, who = _challenger(request, name, number) / EXPORT, who_of(request, form)
    models, note = station_of(request).models, f"challenger {number}"
    await writing_of(request).do(models.go_live, name, folder, who, note)
    station_of(request).shadows.end(name)
    return RedirectResponse(f"/models#{name}", 303)


@router.post("/improve/{name}/{number}/shadow")
async def shadow(request: Request, name: str, number: int) -> Response:
    """Let a challenger run beside the model in use."""
    form = await small_form(request)
    _version(request, name)
    folder, who = _challenger(request, name, number) / EXPORT, who_of(request, form)
    station = station_of(request)
    await writing_of(request).do(station.shadows.begin, name, folder, who)
    await writing_of(request).do(
        station.store.note, name, "shadow began", {"note": f"challenger {number}"}, who
    )
    return RedirectResponse(f"/improve?model={name}#shadow", 303)


@router.post("/improve/{name}/shadow/end")
async def end_shadow(request: Request, name: str) -> Response:
    """End the challenger that runs beside a model."""
    form = await small_form(request)
    _version(request, name)
    station, who = station_of(request), who_of(request, form)
    await writing_of(request).do(station.shadows.end, name)
    await writing_of(request).do(station.store.note, name, "shadow ended", {}, who)
    return RedirectResponse(f"/improve?model={name}#shadow", 303)


@router.post("/improve/{name}/confirm/{result}")
async def confirm(request: Request, name: str, result: int) -> Response:
    """Say of a label in doubt that it is right, as a second person."""
    form = await small_form(request)
    who = named(who_of(request, form))
    await writing_of(request).do(confirm_in, station_of(request).store, result, who, time.time())
    return RedirectResponse(f"/improve?model={name}#doubts", 303)


@router.get("/improve/{name}/{number}/acceptance")
def acceptance(request: Request, name: str, number: int) -> Response:
    """Show a comparison on a sheet with lines to sign on."""
    found, t = read_comparison(_challenger(request, name, number)), words_of(request)
    if found is None:
        raise HTTPException(404, f"there is no comparison of challenger {number}")
    return render(
        request,
        "acceptance.html.j2",
        model=name,
        number=number,
        found=found,
        changed=sum(each.changed for each in found["images"]),
        signing_words={word: t(f"signing.{word}") for word in _SIGNING},
    )


@router.get("/improve/{name}/{number}/pictures/{picture}.png")
def picture(request: Request, name: str, number: int, picture: str) -> Response:
    """Give a picture of a changed verdict."""
    folder = _challenger(request, name, number)
    path = folder / PICTURES / f"{picture}.png"
    try:
        if not _PICTURE.fullmatch(picture) or path.stat().st_size > _LARGEST_PICTURE:
            raise HTTPException(404, "there is no such picture")
        return Response(path.read_bytes(), media_type="image/png")
    except OSError as error:
        raise HTTPException(404, "there is no such picture") from error


def improving(station: Station) -> ImproveSettings:
    """Give what the station's file says of improving."""
    return station.settings.file.one(ImproveSettings) or ImproveSettings()


def _start(request: Request, name: str, who: str, allow_missing: bool) -> None:
    station, version = station_of(request), _version(request, name)
    chosen = improving(station)
    run = run_of(version.folder, station.settings.data, chosen.runs)
    job = Job(
        "improve",
        name,
        station.settings.data,
        run=run,
        deployed=version.folder,
        threshold=version.threshold,
        review_threshold=version.review_threshold,
        originals=images_of(run, chosen.images),
        allow_missing=allow_missing,
        who=who,
    )
    out = _begun(station, name, version)
    station.workshop.start(job, out)
    station.store.note(name, "improvement began", {"note": f"challenger {int(out.name)}"}, who)


def _begun(station: Station, name: str, version: Version) -> Path:
    """Give the folder to work in: that of an unfinished improvement of the model in use, or a new one."""
    out = next_folder(station.settings.data, name)
    begun = Job.load(out)
    if begun is None or (begun.deployed is not None and begun.deployed.resolve() == version.folder.resolve()):
        failed = Standing.load(out).state == "failed" and Standing.load(out).step == "collect"
        if begun is None or not failed:
            return out
    # Another model is in use by now, or nothing was collected: labels and settings may have changed since.
    number = int(out.name) + 1
    return home(station.settings.data, name) / f"{number:04d}"


def _values(request: Request, model: str) -> dict[str, Any]:
    station = station_of(request)
    name = model or station.models.default
    version = _version(request, name)
    known = [path for path in challengers(station.settings.data, name) if _improves(path)]
    out = known[-1] if known else None
    doing = station.workshop.doing
    busy = doing is not None
    running = (
        doing if doing is not None and out is not None and doing.out.resolve() == out.resolve() else None
    )
    found = None if out is None or running is not None else read_comparison(out)
    changed = [] if found is None else [each for each in found["images"] if each.changed]
    return {
        "model": name,
        "models": station.models.names,
        "version": version,
        "number": None if out is None else int(out.name),
        "standing": None if out is None else Standing.load(out),
        "running": running,
        "busy": busy,
        "has_torch": has_torch(),
        "found": found,
        "stale": found is not None and not _is_of(found["champion"], version),
        "changed": changed[:_SHOWN],
        "changed_count": len(changed),
        "is_live": out is not None and (out / EXPORT).resolve() == version.folder.resolve(),
        # Both hash or compute, and the page asks every second while a training runs.
        "can_train": "" if running is not None else _can_train(station, version),
        "labelled": sum(station.store.count(Query(model=name, labelled=True)).values()),
        "shadow": None if running is not None else shadow_of(station, name),
        "can_shadow": station.images.keep == "all",
    }


def _improves(out: Path) -> bool:
    """Tell whether a folder holds an improvement, not the training of a new model."""
    job = Job.load(out)
    return job is not None and job.kind == "improve"


def _is_of(champion: dict[str, Any], version: Version) -> bool:
    """Tell whether a comparison was made with the model in use and its threshold."""
    weights: str = champion["version"].partition(".")[0]
    return weights == version.weights_id and champion["threshold"] == version.threshold


def _can_train(station: Station, version: Version) -> str:
    """Say why this model cannot be trained on; empty where it can."""
    try:
        run_of(version.folder, station.settings.data, improving(station).runs)
    except (ExcisionError, OSError) as error:
        return str(error)
    return ""


def _answered(request: Request, name: str) -> Response:
    if wants_part(request):
        return now(request, name)
    return RedirectResponse(f"/improve?model={name}", 303)


def _version(request: Request, name: str) -> Version:
    models = station_of(request).models
    if name not in models.names:
        raise HTTPException(404, f"there is no model {name[:64]!r}")
    return models.current(name)


def _challenger(request: Request, name: str, number: int) -> Path:
    try:
        known = challengers(station_of(request).settings.data, name)
    except SettingsError as error:
        raise HTTPException(404, "there is no such model") from error
    folder = next((path for path in known if int(path.name) == number), None)
    if folder is None:
        raise HTTPException(404, f"there is no challenger {number}")
    return folder

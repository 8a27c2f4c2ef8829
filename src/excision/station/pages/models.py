"""The models: what they are, what they promise, what was changed, and long work on them."""

from __future__ import annotations

import math
from typing import Any

from fastapi import APIRouter, HTTPException, Request, Response
from fastapi.responses import RedirectResponse

from excision.method.calibration.sentences import state_review
from excision.method.folder_kinds import ODD_IMAGE
from excision.runtime.inspector import Inspector
from excision.station.api.writing import writing_of
from excision.station.models.version import Version
from excision.station.pages import tasks
from excision.station.pages.capability import capability_of, map_of
from excision.station.pages.charts import histogram
from excision.station.pages.jobs import Jobs
from excision.station.pages.numbers import written
from excision.station.pages.promises import Statement, calibration_of, statements
from excision.station.pages.strings import Words
from excision.station.pages.web import PageRoute, render, small_form, station_of, wants_part, who_of, words_of

router = APIRouter(route_class=PageRoute, include_in_schema=False)

_EVENTS = 50

_LARGEST_PICTURE = 16 * 2**20  # bytes


@router.get("/models")
def models(request: Request) -> Response:
    """Show every model."""
    known, t = station_of(request).models, words_of(request)
    shown = [_shown(request, name, t) for name in known.names]
    below = station_of(request).settings.models_below
    return render(
        request,
        "models.html.j2",
        shown=shown,
        default=known.default if known.names else "",
        loadable=tasks.folders_in(below),
        folders=tasks.folders_in(station_of(request).settings.folders),
        **_working(request),
        cleanup=station_of(request).upkeep.state(),
    )


@router.get("/models/{name}/odd_image.png")
def odd_image(request: Request, name: str) -> Response:
    """Give the picture of the odd calibration image, beside its anomaly map."""
    path = _known(request, name).folder / ODD_IMAGE
    try:
        if path.stat().st_size > _LARGEST_PICTURE:
            raise HTTPException(410, f"the picture in the folder of {name} is too large")
        content = path.read_bytes()
    except OSError as error:
        raise HTTPException(404, f"there is no picture in the folder of {name}") from error
    return Response(content, media_type="image/png")


@router.get("/models/{name}/capability/{kind}.png")
def capability_map(request: Request, name: str, kind: str) -> Response:
    """Show the map of the smallest detectable defect of a kind."""
    picture = map_of(_known(request, name), kind)
    if picture is None:
        raise HTTPException(404, "there is no such map")
    return Response(picture, media_type="image/png", headers={"Cache-Control": "private, no-cache"})


@router.post("/models/{name}/rollback")
async def rollback(request: Request, name: str) -> Response:
    """Let the version before take over again."""
    form = await small_form(request)
    _confirmed(request, form, name)
    who = who_of(request, form)
    await writing_of(request).do(station_of(request).models.rollback, name, who)
    return RedirectResponse(f"/models#{name}", 303)


@router.post("/models/{name}/load")
async def load(request: Request, name: str) -> Response:
    """Load a folder of the station's folder of models."""
    form = await small_form(request)
    _confirmed(request, form, name)
    who = who_of(request, form)
    await writing_of(request).do(station_of(request).models.load, name, form.get("folder", ""), who)
    return RedirectResponse(f"/models#{name}", 303)


@router.post("/models/{name}/work")
async def work(request: Request, name: str) -> Response:
    """Begin long work on a model: "check", "evaluate" or "recalibrate"."""
    form = await small_form(request)
    station = station_of(request)
    version, kind, folder = _known(request, name), form.get("kind", ""), form.get("folder", "")
    t = words_of(request)
    if kind == "check":
        _jobs(request).start(kind, t("work.check", model=name), lambda p: tasks.check_golden(version, p))
    elif kind == "evaluate" and station.settings.folders is not None:
        below = station.settings.folders
        subject = t("work.evaluate", model=name, folder=folder)
        _jobs(request).start(kind, subject, lambda p: tasks.evaluate_folder(version, below, folder, p))
    elif kind == "recalibrate":
        rate = rate_of(form.get("rate", ""))
        subject = t("work.recalibrate", model=name)
        _jobs(request).start(kind, subject, lambda p: tasks.recalibrate(station, name, rate, p))
    else:
        raise HTTPException(422, f"there is no such work: {kind[:20]!r}")
    return work_now(request) if wants_part(request) else RedirectResponse("/models#work", 303)


@router.get("/work")
def work_now(request: Request) -> Response:
    """Show how far the long work is."""
    return render(request, "work_part.html.j2", **_working(request))


@router.post("/work/stop")
def stop(request: Request) -> Response:
    """Stop the long work after the step under way."""
    _jobs(request).stop()
    return work_now(request) if wants_part(request) else RedirectResponse("/models#work", 303)


@router.get("/work/clean-up")
def cleanup_now(request: Request) -> Response:
    """Show how far the clean-up of kept images is."""
    return render(request, "cleanup_part.html.j2", cleanup=station_of(request).upkeep.state())


@router.post("/work/clean-up/stop")
def stop_cleanup(request: Request) -> Response:
    """Stop the clean-up after the step under way."""
    station_of(request).upkeep.stop()
    return cleanup_now(request) if wants_part(request) else RedirectResponse("/models#work", 303)


def _shown(request: Request, name: str, t: Words) -> dict[str, Any]:
    store, slot = station_of(request).store, station_of(request).models.slot(name)
    version, calibration = slot.current, calibration_of(slot.current)
    thresholds = {t("threshold.decision"): version.threshold}
    if version.review_threshold is not None:
        thresholds[t("threshold.review")] = version.review_threshold
    return {
        "name": name,
        "version": version,
        "previous": slot.previous,
        "calibration": calibration,
        "promise": statements(version, name, _jobs(request).last, t),
        "zone": _zone(version),
        "odd": _odd(version),
        "chart": "" if calibration is None else histogram(calibration, thresholds, t),
        "facts": _facts(version, t),
        "capability": capability_of(version),
        "history": store.history(name, _EVENTS),
    }


def _working(request: Request) -> dict[str, Any]:
    """Give the last work and, where it proposed a threshold, what that threshold promises."""
    work, promised = _jobs(request).last, list[Statement]()
    proposal = work.result if work is not None and isinstance(work.result, tasks.Proposal) else None
    if proposal is not None and proposal.model in station_of(request).models.names:
        version, threshold = _known(request, proposal.model), proposal.calibration.threshold
        zone = version.review_threshold
        then = version.with_thresholds(threshold, None if zone is None else min(zone, threshold))
        promised = statements(then, proposal.model, work, words_of(request))
    return {"work": work, "promised": promised}


def _zone(version: Version) -> str:
    """Say what the lower limit of the grey zone promises; empty where there is none."""
    review = version.predictor.description.review if isinstance(version.predictor, Inspector) else None
    return "" if review is None else state_review(review)


def _odd(version: Version) -> bool:
    """Tell whether a calibration image is odd, and there is a picture of it."""
    calibration = calibration_of(version)
    return calibration is not None and calibration.odd is not None and (version.folder / ODD_IMAGE).is_file()


def _facts(version: Version, t: Words) -> list[tuple[str, str]]:
    """Give what a folder says of itself, as pairs of words."""
    if not isinstance(version.predictor, Inspector):
        return [(t("models.kind"), t("models.run_folder"))]
    description = version.predictor.description
    height, width = description.size
    facts = [
        (
            t("models.kind"),
            t("models.exported", backend=description.backend, precision=description.precision),
        ),
        (t("models.size"), t("models.size_value", height=height, width=width, n=description.channels)),
        (t("models.tiles"), t("no") if description.tile is None else t("yes")),
        (t("models.minimum_area"), t("models.pixels", n=description.minimum_area)),
        (
            t("models.operations"),
            written(f"{sum(description.operations.values()) / 1e9:.3g} GFLOP", t.language),
        ),
    ]
    if description.data:
        facts.append((t("models.data"), description.data[:12]))
    made = ", ".join(f"{name} {number}" for name, number in description.versions.items())
    return [*facts, (t("models.made_with"), made)]


def _confirmed(request: Request, form: dict[str, str], name: str) -> None:
    t, version = words_of(request), _known(request, name)
    if form.get("confirmed") != "yes":
        raise HTTPException(422, t("threshold.unconfirmed"))
    if form.get("version") != version.version:
        raise HTTPException(409, t("threshold.changed"))


def _known(request: Request, name: str) -> Version:
    known = station_of(request).models
    if name not in known.names:
        raise HTTPException(404, f"there is no model {name[:64]!r}")
    return known.current(name)


def rate_of(text: str) -> float:
    """Read a rate in per cent."""
    try:
        rate = float(text.replace(",", ".").rstrip(" %")) / 100
    except ValueError:
        return math.nan
    return rate


def _jobs(request: Request) -> Jobs:
    jobs: Jobs = request.app.state.pages_jobs
    return jobs

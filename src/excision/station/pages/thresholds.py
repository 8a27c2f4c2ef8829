"""Changing a threshold: first what it would have done to recorded results; done once a person says so."""

from __future__ import annotations

import math
import time
from typing import Any

from fastapi import APIRouter, HTTPException, Request, Response
from fastapi.responses import RedirectResponse

from excision.errors import SettingsError
from excision.method.calibration import Calibration
from excision.station.api.writing import writing_of
from excision.station.models.version import Version
from excision.station.pages.forecast import forecast, levels
from excision.station.pages.shift import calibration_of
from excision.station.pages.web import PageRoute, render, small_form, station_of, wants_part, words_of
from excision.station.store.query import Query

router = APIRouter(route_class=PageRoute, include_in_schema=False)

PERIODS = (8, 24, 168, 720)
"""Hours back over which results are judged again."""


@router.get("/review/threshold")
def page(request: Request, model: str = "") -> Response:
    """Show what the present thresholds do, and let others be tried."""
    name = model or station_of(request).models.default
    return _answer(request, "threshold.html.j2", name, {})


@router.get("/review/threshold/forecast")
def preview(request: Request) -> Response:
    """Show what proposed thresholds would have done."""
    fields = dict(request.query_params)
    template = "threshold_part.html.j2" if wants_part(request) else "threshold.html.j2"
    return _answer(request, template, fields.get("model", ""), fields)


@router.post("/review/threshold")
async def apply(request: Request) -> Response:
    """Judge by other thresholds from the next image on; the form says that a person confirmed it."""
    form, t = await small_form(request), words_of(request)
    name, version = _version(request, form.get("model", ""))
    if form.get("confirmed") != "yes":
        raise HTTPException(422, t("threshold.unconfirmed"))
    if form.get("version") != version.version:
        raise HTTPException(409, t("threshold.changed"))
    threshold, review = _proposed(form, version, t("threshold.no_number"))
    models, who, note = station_of(request).models, form.get("who", "")[:200], form.get("note", "")[:5000]
    await writing_of(request).do(models.set_thresholds, name, threshold, review, who.strip(), note.strip())
    return RedirectResponse(f"/models#{name}", 303)


def _answer(request: Request, template: str, name: str, fields: dict[str, str]) -> Response:
    name, version = _version(request, name)
    t, wrong = words_of(request), None
    try:
        proposed = _proposed(fields, version, t("threshold.no_number"))
        version.with_thresholds(*proposed)
    except SettingsError as error:
        wrong, proposed = str(error), (version.threshold, version.review_threshold)
    hours = int(fields["hours"]) if fields.get("hours") in {str(period) for period in PERIODS} else 168
    asked = Query(since=time.time() - 3600 * hours, model=name)
    present = version.threshold, version.review_threshold
    seen = forecast(station_of(request).store.above(asked, levels(present, proposed)))
    calibration = calibration_of(version)
    values: dict[str, Any] = {
        "model": name,
        "models": station_of(request).models.names,
        "version": version,
        "proposed": proposed,
        "is_new": proposed != (version.threshold, version.review_threshold),
        "wrong": wrong,
        "hours": hours,
        "periods": PERIODS,
        "seen": seen,
        "promise_now": "" if calibration is None else calibration.explain(),
        "promise_then": "" if calibration is None else _promise(calibration, proposed[0]),
        "largest": _round_up(2 * version.threshold),
    }
    return render(request, template, **values)


def _promise(calibration: Calibration, threshold: float) -> str:
    """Say what the calibration promises for a threshold."""
    return (calibration if threshold == calibration.threshold else calibration.at(threshold)).explain()


def _version(request: Request, name: str) -> tuple[str, Version]:
    models = station_of(request).models
    if name not in models.names:
        raise HTTPException(404, f"there is no model {name[:64]!r}")
    return name, models.current(name)


def _proposed(fields: dict[str, str], version: Version, refusal: str) -> tuple[float, float | None]:
    """Read the thresholds of a form; a field that is not there leaves its threshold as it is."""
    threshold = version.threshold
    if "threshold" in fields:
        threshold = _number(fields["threshold"], version.threshold, refusal)
    review = version.review_threshold
    if "review_threshold" in fields:
        text = fields["review_threshold"].strip()
        review = _number(text, review, refusal) if text else None
    return threshold, review


def _number(text: str, present: float | None, refusal: str) -> float:
    # A form shows six digits: who leaves them as they are wants the threshold as it is, to the last bit.
    if present is not None and text.strip() == f"{present:.6g}":
        return present
    try:
        number = float(text.replace(",", "."))
    except ValueError:
        raise SettingsError(refusal) from None
    if not math.isfinite(number):
        raise SettingsError(refusal)
    return number


def _round_up(value: float) -> float:
    if not 0 < value < math.inf:
        return 1.0
    power: float = 10.0 ** math.floor(math.log10(value))
    return math.ceil(value / power) * power

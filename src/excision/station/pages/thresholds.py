"""Changing a threshold: first what it would have done to recorded results; done once a person says so."""

from __future__ import annotations

import math
import time
from typing import Any

from fastapi import APIRouter, HTTPException, Request, Response
from fastapi.responses import RedirectResponse

from excision.errors import SettingsError
from excision.station.api.writing import writing_of
from excision.station.models.version import Version
from excision.station.pages.forecast import forecast, levels
from excision.station.pages.jobs import Jobs, Work
from excision.station.pages.promises import proposal_of, statements
from excision.station.pages.web import PageRoute, render, small_form, station_of, wants_part, who_of, words_of
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
    threshold, review = _proposed(form, _known(request, name), version, t("threshold.no_number"))
    models, who, note = station_of(request).models, who_of(request, form), form.get("note", "")[:5000]
    await writing_of(request).do(models.set_thresholds, name, threshold, review, who, note.strip())
    return RedirectResponse(f"/models#{name}", 303)


def _answer(request: Request, template: str, name: str, fields: dict[str, str]) -> Response:
    name, version = _version(request, name)
    t, wrong = words_of(request), None
    try:
        proposed = _proposed(fields, _known(request, name), version, t("threshold.no_number"))
        then = version.with_thresholds(*proposed)
    except SettingsError as error:
        wrong, proposed, then = str(error), (version.threshold, version.review_threshold), version
    hours = int(fields["hours"]) if fields.get("hours") in {str(period) for period in PERIODS} else 168
    asked = Query(since=time.time() - 3600 * hours, model=name)
    present = version.threshold, version.review_threshold
    seen = forecast(station_of(request).store.above(asked, levels(present, proposed)))
    last = _last(request)
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
        "promise_now": statements(version, name, last, t),
        "promise_then": statements(then, name, last, t),
        "largest": _round_up(2 * version.threshold),
    }
    return render(request, template, **values)


def _version(request: Request, name: str) -> tuple[str, Version]:
    models = station_of(request).models
    if name not in models.names:
        raise HTTPException(404, f"there is no model {name[:64]!r}")
    return name, models.current(name)


def _last(request: Request) -> Work | None:
    jobs: Jobs = request.app.state.pages_jobs
    return jobs.last


def _known(request: Request, name: str) -> list[float]:
    """Give the thresholds that a person may mean who writes their six digits, the likeliest first."""
    slot, proposal = station_of(request).models.slot(name), proposal_of(_last(request), name)
    versions = [slot.current, *([] if slot.previous is None else [slot.previous])]
    known = [value for v in versions for value in (v.threshold, v.review_threshold) if value is not None]
    return [*known, *([] if proposal is None else [proposal.calibration.threshold])]


def _proposed(
    fields: dict[str, str], known: list[float], version: Version, refusal: str
) -> tuple[float, float | None]:
    """Read the thresholds of a form; a field that is not there leaves its threshold as it is."""
    threshold = version.threshold
    if "threshold" in fields:
        threshold = _number(fields["threshold"], known, refusal)
    review = version.review_threshold
    if "review_threshold" in fields:
        text = fields["review_threshold"].strip()
        review = _number(text, known, refusal) if text else None
    return threshold, review


def _number(text: str, known: list[float], refusal: str) -> float:
    # A form shows six digits: who leaves them as they are wants the threshold as it is, to the last bit.
    for value in known:
        if text.strip() == f"{value:.6g}":
            return value
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

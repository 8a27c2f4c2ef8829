"""Going through results: every stage side by side, and what a person says about the part."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any, get_args

from fastapi import APIRouter, HTTPException, Request, Response
from fastapi.responses import RedirectResponse, StreamingResponse

from excision.station.api.schemas import LARGEST_NUMBER
from excision.station.api.writing import writing_of
from excision.station.pages.archive import confirmed
from excision.station.pages.filters import Filter
from excision.station.pages.pictures import has_image, has_stages
from excision.station.pages.rarity import rarity_of
from excision.station.pages.source import hub_of, source_of
from excision.station.pages.stations import stations_of
from excision.station.pages.strings import Words
from excision.station.pages.web import PageRoute, render, small_form, station_of, wants_part, who_of, words_of
from excision.station.parts.rows import Part, get_part
from excision.station.quality.settings import DefectsSettings, class_of
from excision.station.store.labelling import named
from excision.station.store.query import VERDICTS, Query
from excision.station.store.reading import Results
from excision.station.store.records import Label, StoredResult, Truth, Withdrawal, standing

router = APIRouter(route_class=PageRoute, include_in_schema=False)

labelling = APIRouter(route_class=PageRoute, include_in_schema=False)
"""What a station has beside a hub, which is read only."""

STAGES = ("attention", "mask", "masked_image", "recovery", "map")

_TIMES = ("since", "until")

_LONGEST_NOTE = 5000


@router.get("/review")
def review(request: Request, id: str = "") -> Response:  # noqa: A002  the name that stands in the address
    """Show one of the results that fit the filter: the newest, or the one asked for."""
    chosen, store = _filter(request, request.query_params), source_of(request).store
    if id:
        return _shown(request, chosen, _asked(request, id))
    # One look finds the newest and the one before it; there is none after it.
    counts = store.count(chosen.query)
    found = store.newest(chosen.query, 2) if any(counts.values()) else []
    beside = None, found[1].id if len(found) > 1 else None
    return _shown(request, chosen, found[0] if found else None, beside=beside, counts=counts)


@labelling.post("/review/{number}/labels")
async def label(request: Request, number: int) -> Response:
    """Keep what a person says about a part."""
    form = await small_form(request)
    truth = form.get("truth", "")
    if truth not in get_args(Truth):
        raise HTTPException(422, words_of(request)("review.no_truth"))
    said: Truth = "good" if truth == "good" else "defect"
    return await writing_of(request).do(_labelled, request, number, said, form)


def _labelled(request: Request, number: int, said: Truth, form: dict[str, str]) -> Response:
    _existing(request, number)
    who, note = named(who_of(request, form)), form.get("note", "").strip()[:_LONGEST_NOTE]
    defects = station_of(request).settings.file.one(DefectsSettings)
    kind = class_of(defects, said, form.get("kind"))
    station_of(request).store.label(number, Label(said, who, note, time.time(), kind))
    chosen = _filter(request, form)
    show = number
    if form.get("onward") == "yes":
        older = station_of(request).store.newest(chosen.query, 1, number)
        show = older[0].id if older else number
    address = f"/review?{chosen.address(id=show)}"
    if wants_part(request):
        stays = show == number
        answer = _shown(request, chosen, _existing(request, show), said if stays else None)
        if not stays:
            answer.headers["HX-Push-Url"] = address
        return answer
    return RedirectResponse(address, 303)


@labelling.post("/review/{number}/labels/{label_number}/withdrawal")
async def withdraw(request: Request, number: int, label_number: int) -> Response:
    """Take a label back."""
    form = await small_form(request)
    return await writing_of(request).do(_withdrawn, request, number, label_number, form)


def _withdrawn(request: Request, number: int, label_number: int, form: dict[str, str]) -> Response:
    _existing(request, number)
    withdrawal = Withdrawal(
        named(who_of(request, form)), form.get("note", "").strip()[:_LONGEST_NOTE], time.time()
    )
    station_of(request).store.withdraw(number, label_number, withdrawal)
    return RedirectResponse(f"/review?{_filter(request, form).address(id=number)}", 303)


@labelling.get("/review/confirmed-good.zip")
def download_good(request: Request) -> Response:
    """Give the kept images of parts that were last labelled good, as new training images."""
    return _archive(request, "good", "confirmed-good.zip")


@labelling.get("/review/confirmed-defects.zip")
def download_defects(request: Request) -> Response:
    """Give the kept images of parts that were last labelled defects, as known defects of a training."""
    return _archive(request, "defect", "confirmed-defects.zip")


def _archive(request: Request, truth: Truth, name: str) -> Response:
    query = replace(_filter(request, request.query_params).query, labelled=True)
    return StreamingResponse(
        confirmed(station_of(request), query, truth),
        media_type="application/zip",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


def _asked(request: Request, number: str) -> StoredResult:
    if not number.isascii() or not number.isdigit() or not 0 < int(number) <= LARGEST_NUMBER:
        raise HTTPException(404, f"there is no result {number[:20]}")
    return _existing(request, int(number))


def _existing(request: Request, number: int) -> StoredResult:
    found = source_of(request).store.get(number) if 0 < number <= LARGEST_NUMBER else None
    if found is None:
        raise HTTPException(404, f"there is no result {number}")
    return found


def _shown(
    request: Request,
    chosen: Filter,
    result: StoredResult | None,
    just_labelled: Truth | None = None,
    beside: tuple[int | None, int | None] | None = None,
    counts: dict[str, int] | None = None,
) -> Response:
    source, hub = source_of(request), hub_of(request)
    stations = None if hub is None else stations_of(hub, chosen.station, chosen.model)
    values: dict[str, Any] = {
        "filter": chosen,
        "asked": _asked_for(chosen, words_of(request)),
        "verdicts": VERDICTS,
        "models": source.models.names if stations is None else stations.offered,
        "hub": stations,
        "result": result,
        "stages": STAGES,
        "just_labelled": just_labelled,
        "counts": source.store.count(chosen.query) if counts is None else counts,
        "labels": [],
        "part": None,
        "counting": None,
        "kept": {name: value for name, value in asdict(chosen).items() if value},
        "classes": () if hub is not None else classes_of(request),
        "newer": None,
        "older": None,
    }
    if result is not None:
        labels = source.store.labels(result.id)
        newer, older = beside or _beside(source.store, chosen.query, result.id)
        values |= {
            "labels": labels,
            "counting": standing(labels),
            "part": part_of(request, result),
            "newer": newer,
            "older": older,
            "rarity": rarity_of(source, result, words_of(request)),
            "has_image": has_image(source, result),
            "has_stages": has_stages(source, result),
        }
    return render(request, "review_part.html.j2" if wants_part(request) else "review.html.j2", **values)


def classes_of(request: Request) -> tuple[str, ...]:
    """Give the classes of defects that people may name."""
    defects = station_of(request).settings.file.one(DefectsSettings)
    return () if defects is None else defects.classes


def part_of(request: Request, result: StoredResult) -> Part | None:
    """Give the part that a result is a view of; None for no part, and at a hub."""
    if result.part is None or hub_of(request) is not None:
        return None
    return get_part(station_of(request).store, result.part)


def _asked_for(chosen: Filter, t: Words) -> list[str]:
    """Say what a filter asks for."""
    asked = {name: value for name, value in asdict(chosen).items() if value}
    known = {f"verdict.{verdict}" for verdict in VERDICTS} | {"yes", "no"}
    said = []
    for name, value in asked.items():
        word = f"verdict.{value}" if name == "verdict" else value
        shown = t(word) if name in ("verdict", "labelled") and word in known else value
        said.append(f"{t(f'review.{name}')}: {shown.replace('T', ' ') if name in _TIMES else shown}")
    return said


def _filter(request: Request, fields: Mapping[str, str]) -> Filter:
    chosen = Filter.of(fields)
    # A station's own results name no station.
    return chosen if hub_of(request) is not None else replace(chosen, station="")


def _beside(store: Results, query: Query, number: int) -> tuple[int | None, int | None]:
    newer, older = store.oldest(query, 1, number), store.newest(query, 1, number)
    return (newer[0].id if newer else None), (older[0].id if older else None)

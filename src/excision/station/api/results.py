"""Results, their pictures and maps, and the labels that people give them."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

import anyio
from anyio.to_thread import run_sync
from fastapi import APIRouter, HTTPException, Path, Query, Request, Response
from fastapi.responses import FileResponse

from excision.errors import GoneError
from excision.station.api.label_schemas import LabelAnswer, NewLabel, NewWithdrawal
from excision.station.api.result_schemas import ResultAnswer, ResultDetail, ResultPage
from excision.station.api.schemas import LARGEST_NUMBER, Problem
from excision.station.api.writing import writing_of
from excision.station.people.roles import name_of
from excision.station.quality.settings import DefectsSettings, class_of
from excision.station.station import Station
from excision.station.store.labelling import named
from excision.station.store.query import Kind
from excision.station.store.query import Query as ResultQuery
from excision.station.store.records import Label, StoredResult, Withdrawal
from excision.station.work.renderings import Stage, View

router = APIRouter(prefix="/v1/results")

Number = Annotated[int, Path(ge=1, le=LARGEST_NUMBER, description="Number of the result.")]
OldStage = Literal["holed"]
Score = Annotated[float | None, Query(allow_inf_nan=False)]

_UNKNOWN: dict[int | str, dict[str, Any]] = {
    404: {"model": Problem, "description": "There is no such result"},
    422: {"model": Problem, "description": "A parameter is wrong"},
}
_GONE: dict[int | str, dict[str, Any]] = {
    410: {"model": Problem, "description": "The image is not kept, or its model is not loaded any more"}
}
_PNG: dict[int | str, dict[str, Any]] = {200: {"content": {"image/png": {}}}}
_TIFF: dict[int | str, dict[str, Any]] = {200: {"content": {"image/tiff": {}}}}
_TYPES = {
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".bmp": "image/bmp",
    ".gif": "image/gif",
    ".webp": "image/webp",
    ".tif": "image/tiff",
}
_OTHER = "application/octet-stream"
_ANY: dict[int | str, dict[str, Any]] = {200: {"content": {kind: {} for kind in (*_TYPES.values(), _OTHER)}}}

# Views are computed one at a time: those that wait must not use up the threads of other requests.
_VIEWING = anyio.CapacityLimiter(2)


@router.get("", responses={422: _UNKNOWN[422]})
def results(
    request: Request,
    since: Annotated[
        datetime | None, Query(description="Only results from this time on; UTC if it names no zone.")
    ] = None,
    until: Annotated[datetime | None, Query(description="Only results before this time.")] = None,
    verdict: Annotated[
        Kind | None,
        Query(description='"failed" for what could not be inspected.'),
    ] = None,
    lowest: Score = None,
    highest: Score = None,
    source: Annotated[str | None, Query(max_length=500, description="Part of the source.")] = None,
    model: Annotated[str | None, Query(max_length=64)] = None,
    labelled: Annotated[bool | None, Query(description="With a label, or without.")] = None,
    serial: Annotated[str | None, Query(max_length=200, description="Serial number of the part.")] = None,
    lot: Annotated[str | None, Query(max_length=200)] = None,
    recipe: Annotated[str | None, Query(max_length=64)] = None,
    view: Annotated[str | None, Query(max_length=64, description="Camera or side of the part.")] = None,
    part: Annotated[int | None, Query(ge=1, le=LARGEST_NUMBER, description="Number of the part.")] = None,
    defect_class: Annotated[
        str | None, Query(max_length=200, description="Class of the label that counts.")
    ] = None,
    marked: Annotated[bool | None, Query(description="Old name of `labelled`.", deprecated=True)] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
    cursor: Annotated[
        int | None, Query(ge=1, le=LARGEST_NUMBER, description="`next` of the page before.")
    ] = None,
) -> ResultPage:
    """List results, newest first."""
    query = ResultQuery(
        since=_seconds(since),
        until=_seconds(until),
        verdict=verdict,
        lowest=lowest,
        highest=highest,
        source=source,
        model=model,
        labelled=marked if labelled is None else labelled,
        serial=serial,
        lot=lot,
        recipe=recipe,
        view=view,
        part=part,
        defect_class=defect_class,
    )
    found = _station(request).store.newest(query, limit + 1, cursor)
    page = found[:limit]
    return ResultPage(
        results=[ResultAnswer.of(result) for result in page],
        next=page[-1].id if len(found) > limit else None,
    )


@router.get("/{number}", responses=_UNKNOWN)
def result(request: Request, number: Number) -> ResultDetail:
    """Give a result with its labels."""
    labels = [LabelAnswer.of(label) for label in _station(request).store.labels(number)]
    return ResultDetail(result=ResultAnswer.of(_result(request, number)), labels=labels, marks=labels)


@router.post("/{number}/labels", status_code=201, responses=_UNKNOWN)
async def label(request: Request, number: Number, new: NewLabel) -> ResultDetail:
    """Label a result as good or defect. Earlier labels stay; the last one that is not withdrawn counts."""

    def say() -> ResultDetail:
        _result(request, number)
        defects = _station(request).settings.file.one(DefectsSettings)
        kind = class_of(defects, new.truth, new.defect_class)
        said = Label(new.truth, named(name_of(request, new.who)), new.note, time.time(), kind)
        _station(request).store.label(number, said)
        return result(request, number)

    return await writing_of(request).do(say)


@router.post("/{number}/labels/{label_number}/withdrawal", status_code=201, responses=_UNKNOWN)
async def withdraw(
    request: Request, number: Number, label_number: Number, new: NewWithdrawal
) -> ResultDetail:
    """Take a label back. It stays on record with who took it back, and the label before it counts again."""

    def say() -> ResultDetail:
        _result(request, number)
        _station(request).store.withdraw(
            number, label_number, Withdrawal(named(name_of(request, new.who)), new.note, time.time())
        )
        return result(request, number)

    return await writing_of(request).do(say)


@router.post("/{number}/marks", status_code=201, responses=_UNKNOWN, deprecated=True)
async def mark(request: Request, number: Number, new: NewLabel) -> ResultDetail:
    """Do what `labels` does, under its old name."""
    return await label(request, number, new)


@router.get("/{number}/image", responses=_UNKNOWN | _GONE | _ANY, response_class=FileResponse)
def image(request: Request, number: Number) -> FileResponse:
    """Give the image as it was uploaded, byte for byte."""
    path = _station(request).images.find(_result(request, number).image)
    if path is None:
        raise GoneError(f"the image of result {number} is not kept")
    return FileResponse(path, media_type=_TYPES.get(path.suffix, _OTHER))


@router.get("/{number}/overlay.png", responses=_UNKNOWN | _GONE | _PNG, response_class=Response)
async def overlay(request: Request, number: Number) -> Response:
    """Give the anomaly map laid over the image, with boxes."""
    return await _view(request, number, "overlay")


@router.get("/{number}/map.png", responses=_UNKNOWN | _GONE | _PNG, response_class=Response)
async def anomaly_map(request: Request, number: Number) -> Response:
    """Give the anomaly map in colours: orange-red at the threshold, pale yellow from twice it on."""
    return await _view(request, number, "map")


@router.get("/{number}/map.tiff", responses=_UNKNOWN | _GONE | _TIFF, response_class=Response)
async def anomaly_map_tiff(request: Request, number: Number) -> Response:
    """Give the anomaly map itself, 32-bit floating point in the unit of the anomaly score."""
    return await _view(request, number, "tiff")


@router.get("/{number}/stages/{stage}.png", responses=_UNKNOWN | _GONE | _PNG, response_class=Response)
async def stage(request: Request, number: Number, stage: Stage | OldStage) -> Response:
    """Give a stage of the method as a picture; `holed` is the old name of `masked_image`."""
    return await _view(request, number, "masked_image" if stage == "holed" else stage)


async def _view(request: Request, number: int, view: View) -> Response:
    station = _station(request)
    found = await run_sync(_result, request, number)
    content = await run_sync(station.renderings.render, found, view, limiter=_VIEWING)
    return Response(content, media_type="image/tiff" if view == "tiff" else "image/png")


def _station(request: Request) -> Station:
    station: Station = request.app.state.station
    return station


def _result(request: Request, number: int) -> StoredResult:
    found = _station(request).result(number)
    if found is None:
        raise HTTPException(404, f"there is no result {number}")
    return found


def _seconds(moment: datetime | None) -> float | None:
    if moment is None:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()

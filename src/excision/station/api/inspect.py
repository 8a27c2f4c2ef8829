"""Images in, verdicts out."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from concurrent.futures import Future
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Request
from fastapi.responses import JSONResponse

from excision.errors import BusyError, SettingsError, StoreError
from excision.station.api.receiving import Places
from excision.station.api.result_schemas import Inspected, Rejected, answer_of
from excision.station.api.schemas import Problem
from excision.station.api.uploads import Received, UploadError, drain, receive
from excision.station.station import Station
from excision.station.store.records import LONGEST_NAME, Origin
from excision.station.work.queue import Outcome

PATH = "/v1/inspect"

_LONGEST = {"serial": LONGEST_NAME, "lot": LONGEST_NAME, "recipe": 64, "view": 64}
_LONGEST_SOURCE, _LONGEST_MODEL = 500, 64
LONGEST = {"model": _LONGEST_MODEL, "source": _LONGEST_SOURCE, **_LONGEST}
"""Characters at most of each parameter in the address; the header `X-Source` has those of `source`."""

router = APIRouter()

_BINARY = {"type": "string", "format": "binary"}
_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "properties": {
                        "image": {"type": "array", "items": _BINARY, "minItems": 1},
                        "model": {"type": "string"},
                        "source": {"type": "string"},
                        "serial": {"type": "string"},
                        "lot": {"type": "string"},
                        "recipe": {"type": "string"},
                        "view": {"type": "string"},
                    },
                    "required": ["image"],
                }
            },
            "application/octet-stream": {"schema": _BINARY},
        },
    }
}

_ANSWERS: dict[int | str, dict[str, Any]] = {
    400: {"model": Problem, "description": "The request holds no image, or is cut short"},
    404: {"model": Problem, "description": "There is no such model"},
    408: {"model": Problem, "description": "The bytes come too slowly"},
    413: {"model": Problem, "description": "Too many bytes or images"},
    422: {"model": Rejected, "description": "The only image could not be inspected, or a parameter is wrong"},
    500: {"model": Rejected, "description": "The model failed on the only image"},
    503: {"model": Problem, "description": "Not now, and why: ask again after `Retry-After` seconds"},
    507: {"model": Problem, "description": "The disk is full; nothing of the request is kept"},
}


@router.post(PATH, response_model=Inspected, responses=_ANSWERS, openapi_extra=_BODY)
async def inspect(
    request: Request,
    model: Annotated[str | None, Query(max_length=_LONGEST_MODEL, description="Name of the model.")] = None,
    source: Annotated[str | None, Query(max_length=_LONGEST_SOURCE, description="Name of the image.")] = None,
    x_source: Annotated[str | None, Header(max_length=_LONGEST_SOURCE, description="As `source`.")] = None,
    serial: Annotated[str | None, Query(max_length=200, description="Serial number of the part.")] = None,
    lot: Annotated[str | None, Query(max_length=200, description="That the part belongs to.")] = None,
    recipe: Annotated[str | None, Query(max_length=64, description="That was asked for.")] = None,
    view: Annotated[
        str | None, Query(max_length=64, description="Which camera or side of the part the image shows.")
    ] = None,
) -> JSONResponse:
    """Inspect one or many images: a form with files, or the bytes of one image as the body.

    What is said of the part holds for every image of the request.

    The answer comes when every result is on disk. One image that cannot be inspected among several has an
    `error` in its entry; a single one is answered with status 422.
    """
    station: Station = request.app.state.station
    try:
        _check(station, model)
        station.guard.check()
        if station.queue.is_full:
            raise BusyError("every place is taken: try again shortly")
        places: Places = request.app.state.receiving
        place = places.take()
        try:
            received = await receive(
                request, station.images, station.limits, source or x_source, place, may_hold=True
            )
        finally:
            places.leave(place)
    except (BusyError, UploadError, SettingsError, StoreError, OSError):
        await drain(request, station.limits)
        raise
    said = {"serial": serial, "lot": lot, "recipe": recipe, "view": view}
    return _answer(await _outcomes(station, received, model, said))


def _check(station: Station, model: str | None) -> None:
    if model is not None and model not in station.models.names:
        raise UploadError(404, "there is no such model: GET /v1/models lists them")


async def _outcomes(
    station: Station, received: Received, model: str | None, said: Mapping[str, str | None]
) -> list[Outcome]:
    model = model or received.fields.get("model")
    try:
        _check(station, model)
        known = {name: _name(name, said[name] or received.fields.get(name)) for name in said}
        origin = Origin(known["serial"], known["lot"], known["recipe"], known["view"])
        answers = station.submit(received.uploads, model, origin, received.content)
    except BaseException:
        await received.discard()
        raise
    try:
        return [await _answered(answer) for answer in answers]
    finally:
        received.forget()


async def _answered(answer: Future[Outcome]) -> Outcome:
    """Wait for an answer; `asyncio.wrap_future` would take two more rounds of the loop."""
    if not answer.done():
        loop, arrival = asyncio.get_running_loop(), asyncio.Event()

        def tell(_: Future[Outcome]) -> None:
            # The loop is closed where the server did not wait for the request.
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(arrival.set)

        answer.add_done_callback(tell)
        await arrival.wait()
    return answer.result()


def _name(which: str, text: str | None) -> str | None:
    """Give a name as a client sent it, without space around it; an empty one is none.

    Raises:
        UploadError: it is too long, or holds what nobody could read or type.
    """
    name = (text or "").strip()
    if len(name) > _LONGEST[which]:
        raise UploadError(422, f"{which} is longer than {_LONGEST[which]} characters")
    if not name.isprintable():
        raise UploadError(422, f"{which} holds a character that cannot be printed: {name!a}")
    return name or None


def _answer(outcomes: list[Outcome]) -> JSONResponse:
    results = [answer_of(outcome.result) for outcome in outcomes]
    error = results[0]["error"] if len(results) == 1 else None
    if error is None:
        return JSONResponse({"results": results})
    status = 500 if outcomes[0].station_fault else 422
    return JSONResponse({"detail": error, "results": results}, status)

"""Images in, verdicts out."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Request, Response
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute

from excision.errors import BusyError, SettingsError, StoreError
from excision.station.api.receiving import Places
from excision.station.api.schemas import Inspected, Problem, Rejected, ResultAnswer
from excision.station.api.uploads import Received, UploadError, drain, receive
from excision.station.people.rights import permitted
from excision.station.station import Station
from excision.station.store.records import LONGEST_NAME, Origin
from excision.station.work.queue import Outcome

_LONGEST = {"serial": LONGEST_NAME, "lot": LONGEST_NAME, "recipe": 64, "view": 64}
_LONGEST_SOURCE, _LONGEST_MODEL = 500, 64
_SAID = {"model": _LONGEST_MODEL, "source": _LONGEST_SOURCE, **_LONGEST}


class _Straight(APIRoute):
    """Takes a plain request to its function without FastAPI, which looks at every parameter anew.

    That look takes a third of a millisecond, of which Python does one at a time. A request with anything
    unusual goes through it as ever, and is answered by it.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        checked = super().get_route_handler()

        async def handler(request: Request) -> Response:
            said = _plain(request)
            if said is None:
                return await checked(request)
            # The one dependency of every route, which FastAPI would call.
            await permitted(request)
            return await inspect(request, **said)

        return handler


def _plain(request: Request) -> dict[str, str] | None:
    """Give the parameters of a request if each is known, there once, not empty and not too long."""
    given = request.query_params.multi_items()
    sources = request.headers.getlist("x-source")
    said = dict(given)
    known = all(name in _SAID and 0 < len(value) <= _SAID[name] for name, value in given)
    if not known or len(said) < len(given) or len(sources) > 1:
        return None
    for source in sources:
        if not 0 < len(source) <= _LONGEST_SOURCE:
            return None
        said["x_source"] = source
    return said


router = APIRouter(route_class=_Straight)

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


@router.post("/v1/inspect", response_model=Inspected, responses=_ANSWERS, openapi_extra=_BODY)
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
            received = await receive(request, station.images, station.limits, source or x_source, place)
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
        answers = station.submit(received.uploads, model, origin)
    except BaseException:
        await received.discard()
        raise
    return await asyncio.gather(*map(asyncio.wrap_future, answers))


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
    results = [ResultAnswer.of(outcome.result) for outcome in outcomes]
    error = results[0].error if len(results) == 1 else None
    if error is None:
        return JSONResponse(Inspected(results=results).model_dump(mode="json"))
    status = 500 if outcomes[0].station_fault else 422
    return JSONResponse(Rejected(detail=error, results=results).model_dump(mode="json"), status)

"""The interface of a hub: stations send their rows, and programs read them."""

from __future__ import annotations

import json
from typing import Any

import anyio.to_thread
from anyio.to_thread import run_sync
from fastapi import APIRouter, FastAPI, HTTPException, Request, Response
from fastapi.responses import JSONResponse
from pydantic import ValidationError

from excision.errors import StoreError
from excision.station.api.access import Access, Refused
from excision.station.api.application import application
from excision.station.api.hub_metrics import HubMetrics
from excision.station.api.metrics import Metrics
from excision.station.api.security import OPEN, address_of
from excision.station.hub.hub import Hub
from excision.station.hub.intake import ElsewhereError, NotYoursError, Told
from excision.station.hub.messages import Message, reason_of
from excision.station.store.sequence import PATH

router = APIRouter()

MOST_BYTES = 4 * 2**20
"""Of one message of a station."""

# Few at a time: each takes a connection to the database.
_TAKING = 4

# Each may take the memory of a message. Who sends slowly holds up others for so many seconds at most.
_RECEIVING, _PATIENCE = 16, 30.0

_ABOUT = "The results of many stations. Stations send them; nothing is inspected here."


def create_hub(
    hub: Hub,
    *,
    key: str | None = None,
    station_key: str | None = None,
    metrics: Metrics | None = None,
    open_paths: frozenset[str] = OPEN,
) -> FastAPI:
    """Give the service of a hub as an application for any ASGI server.

    Args:
        hub: which the application closes at its end.
        key: that requests must show; None asks for none.
        station_key: that stations must show to send; None takes `key`.
        metrics: counts what is refused.
        open_paths: paths that need no key.
    """
    # The route of the stations itself asks for their key.
    app = application(
        "Excision hub", _ABOUT, hub.close, key=key, metrics=metrics, open_paths=open_paths | {PATH}
    )
    app.state.hub = hub
    app.state.metrics.register(HubMetrics(hub))
    app.state.station_access = Access(station_key or key, app.state.metrics)
    app.state.taking = anyio.CapacityLimiter(_TAKING)
    app.state.receiving = anyio.CapacityLimiter(_RECEIVING)
    app.include_router(router)
    return app


@router.post(PATH, include_in_schema=False)
async def push(request: Request) -> JSONResponse:
    """Take a message of a station; what it brought is on the disk of the database when this is answered."""
    _admit(request)
    hub: Hub = request.app.state.hub
    async with request.app.state.receiving:
        message = _read(await _body(request))
        try:
            async with request.app.state.taking:
                told: Told = await run_sync(hub.intake.take, message)
        except NotYoursError as error:
            raise HTTPException(409, str(error)) from error
        except ElsewhereError as error:
            raise HTTPException(412, str(error)) from error
    return JSONResponse({"places": told.places, "refused": told.refused, "added": told.added})


@router.get("/healthz")
async def alive() -> dict[str, str]:
    """Tell that the hub runs; whether its database does, `/readyz` tells."""
    return {"status": "ok"}


@router.get("/readyz")
def ready(request: Request, response: Response) -> dict[str, str | None]:
    """Tell whether the database answers, and if not, why."""
    try:
        request.app.state.hub.store.check()
    except StoreError as error:
        response.status_code = 503
        return {"status": "broken", "cause": str(error)}
    return {"status": "ok", "cause": None}


@router.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
def metrics(request: Request) -> Response:
    """Give what is known of each station, in the text format of Prometheus."""
    return Response(request.app.state.metrics.text(), media_type="text/plain; version=0.0.4")


def _admit(request: Request) -> None:
    access: Access = request.app.state.station_access
    try:
        if access.admits(request.headers, address_of(request.scope)):
            return
    except Refused as refused:
        if refused.wait:
            raise HTTPException(429, str(refused), {"Retry-After": str(refused.wait)}) from refused
    raise HTTPException(401, "this needs the key of the stations: see --hub-key-file")


async def _body(request: Request) -> bytes:
    content = bytearray()
    try:
        with anyio.fail_after(_PATIENCE):
            async for chunk in request.stream():
                content += chunk
                if len(content) > MOST_BYTES:
                    raise HTTPException(413, f"a message of a station may have {MOST_BYTES} bytes at most")
    except TimeoutError as error:
        raise HTTPException(408, f"the message did not arrive within {_PATIENCE:.0f} seconds") from error
    return bytes(content)


def _read(body: bytes) -> Message:
    try:
        content: Any = json.loads(body)
        return Message.model_validate(content)
    except ValidationError as error:
        raise HTTPException(422, reason_of(error)) from error
    except (ValueError, RecursionError) as error:
        raise HTTPException(422, "this is no message of a station") from error

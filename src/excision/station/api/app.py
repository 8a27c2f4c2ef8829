"""The service: a station behind HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import anyio.to_thread
from fastapi import APIRouter, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from excision import __version__
from excision.errors import BusyError, ExcisionError, GoneError, ModelError, SettingsError
from excision.station.api import inspect, models, operation, results
from excision.station.api.metrics import Metrics
from excision.station.api.security import OPEN, Guard
from excision.station.api.uploads import UploadError
from excision.station.station import Station

_ABOUT = (
    "Verdicts on images of surfaces, by models that were trained on good images only. Each image is "
    "inspected alone: the same image gives the same anomaly score, bit for bit. What was answered is on disk."
)

_STATUS: dict[type[Exception], int] = {
    SettingsError: 422,
    ModelError: 422,
    GoneError: 410,
    BusyError: 503,
    ClientDisconnect: 400,
}


def create_app(
    station: Station,
    *,
    key: str | None = None,
    metrics: Metrics | None = None,
    routers: Sequence[APIRouter] = (),
    open_paths: frozenset[str] = OPEN,
) -> FastAPI:
    """Give the service of a station as an application for any ASGI server.

    Every route finds the station as `request.app.state.station`. The station is closed when the server stops:
    what is accepted is finished first.

    Args:
        station: which the application closes at its end.
        key: that requests must show; None asks for none.
        metrics: observer of the station; None counts refused requests alone.
        routers: more routes, such as pages.
        open_paths: paths that need no key.
    """
    app = FastAPI(
        title="Excision",
        version=__version__,
        description=_ABOUT,
        lifespan=_closing,
        docs_url=None,
        redoc_url=None,
        # Nothing that a station sees is anybody else's, whatever the environment says.
        telemetry={"tracing": False, "metrics": False, "logs": False, "auto_configure": False},
    )
    app.state.station = station
    app.state.metrics = metrics or Metrics()
    app.state.metrics.watch(station)
    for router in (
        inspect.router,
        results.router,
        models.router,
        operation.router,
        *routers,
    ):
        app.include_router(router)
    app.add_middleware(Guard, key=key, open_paths=open_paths)
    for kind in (ExcisionError, UploadError, ClientDisconnect, HTTPException, RequestValidationError):
        app.add_exception_handler(kind, _explain)
    return app


@asynccontextmanager
async def _closing(app: FastAPI) -> AsyncIterator[None]:
    yield
    await anyio.to_thread.run_sync(app.state.station.close)


async def _explain(request: Request, error: Exception) -> JSONResponse:
    status, headers = _status(error), {}
    if isinstance(error, HTTPException):
        headers = dict(error.headers or {})
    if status == 503:
        headers["Retry-After"] = "1"
    request.app.state.metrics.refused(status)
    return JSONResponse({"detail": _sentence(error)}, status, headers)


def _status(error: Exception) -> int:
    if isinstance(error, UploadError):
        return error.status
    if isinstance(error, HTTPException):
        return error.status_code
    return next((status for kind, status in _STATUS.items() if isinstance(error, kind)), 422)


def _sentence(error: Exception) -> str:
    if isinstance(error, HTTPException):
        return str(error.detail)
    if isinstance(error, RequestValidationError):
        first = error.errors()[0]
        return f"{' '.join(str(place) for place in first['loc'])}: {first['msg']}"
    return str(error)

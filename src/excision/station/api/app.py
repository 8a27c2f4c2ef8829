"""The service: a station behind HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import anyio.to_thread
from fastapi import APIRouter, FastAPI

from excision.station.api import drift, inspect, models, operation, results
from excision.station.api.access import Access
from excision.station.api.errors import HANDLED, explain
from excision.station.api.metrics import Metrics
from excision.station.api.receiving import Places
from excision.station.api.security import OPEN, Security
from excision.station.api.spool import Disk
from excision.station.api.writing import Writing
from excision.station.station import Station
from excision.version import __version__

_ABOUT = (
    "Verdicts on images of surfaces, by models that were trained on good images only. Each image is "
    "inspected alone: the same image gives the same anomaly score, bit for bit. What was answered is on disk."
)

_MOST_RECEIVED = 2  # requests whose images are coming in, as a multiple of the places in the queue


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
        # No data leaves the station, whatever the environment says.
        telemetry={"tracing": False, "metrics": False, "logs": False, "auto_configure": False},
    )
    app.state.station = station
    app.state.writing = Writing()
    app.state.disk = Disk()
    app.state.metrics = metrics or Metrics()
    app.state.metrics.watch(station)
    app.state.access = Access(key, app.state.metrics)
    app.state.receiving = Places(_MOST_RECEIVED * station.queue.bound)
    for router in (
        inspect.router,
        results.router,
        models.router,
        drift.router,
        operation.router,
        *routers,
    ):
        app.include_router(router)
    app.add_middleware(Security, access=app.state.access, open_paths=open_paths)
    for kind in HANDLED:
        app.add_exception_handler(kind, explain)
    return app


@asynccontextmanager
async def _closing(app: FastAPI) -> AsyncIterator[None]:
    yield
    await anyio.to_thread.run_sync(app.state.station.close)

"""The service: a station behind HTTP."""

from __future__ import annotations

from collections.abc import Sequence

from fastapi import APIRouter, FastAPI

from excision.station.api import alarms, drift, inspect, models, operation, results
from excision.station.api.application import application
from excision.station.api.camera_metrics import CameraMetrics
from excision.station.api.metrics import Metrics
from excision.station.api.receiving import Places
from excision.station.api.security import OPEN
from excision.station.api.spool import Disk
from excision.station.api.straight import Straight
from excision.station.api.writing import Writing
from excision.station.line.line import Line
from excision.station.station import Station

_ABOUT = (
    "Verdicts on images of surfaces, by models that were trained on good images only. Each image is "
    "inspected alone: the same image gives the same anomaly score, bit for bit. What was answered is on disk."
)

_ROUTERS = (
    inspect.router,
    results.router,
    models.router,
    drift.router,
    alarms.router,
    operation.router,
)

_MOST_RECEIVED = 2  # requests whose images are coming in, as a multiple of the places in the queue


def create_app(
    station: Station,
    *,
    key: str | None = None,
    metrics: Metrics | None = None,
    routers: Sequence[APIRouter] = (),
    open_paths: frozenset[str] = OPEN,
    line: Line | None = None,
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
        line: cameras and signals of the station, which are closed before it; every route finds it as
            `request.app.state.line`. None for none.
    """

    def close() -> None:
        if line is not None:
            line.close()
        station.close()

    app = application(
        "Excision",
        _ABOUT,
        close,
        key=key,
        metrics=metrics,
        open_paths=open_paths,
        people=station.people,
        inside=(Straight,),
    )
    app.state.station, app.state.line = station, line
    app.state.writing = Writing()
    app.state.disk = Disk()
    app.state.metrics.watch(station)
    if line is not None:
        app.state.metrics.register(CameraMetrics(line.camera_states))
    app.state.receiving = Places(_MOST_RECEIVED * station.queue.bound)
    for router in (*_ROUTERS, *routers):
        app.include_router(router)
    return app

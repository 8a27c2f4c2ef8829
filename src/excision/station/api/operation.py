"""Operating the station: whether it is alive, whether it accepts images, and its metrics."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from excision.station.api.schemas import Health
from excision.station.station import Station

router = APIRouter()


@router.get("/healthz", responses={503: {"model": Health}})
async def alive(request: Request, response: Response) -> Health:
    """Tell whether the station works; 503 means that it must be restarted."""
    station: Station = request.app.state.station
    if not station.is_alive:
        response.status_code = 503
    return _health(station, "ok" if station.is_alive else "broken")


@router.get("/readyz", responses={503: {"model": Health}})
async def ready(request: Request, response: Response) -> Health:
    """Tell whether the station accepts another image now."""
    station: Station = request.app.state.station
    if not station.is_alive or station.queue.is_full:
        response.status_code = 503
        return _health(station, "busy" if station.is_alive else "broken")
    return _health(station, "ok")


@router.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
async def metrics(request: Request) -> Response:
    """Give what was counted, in the text format of Prometheus."""
    return Response(request.app.state.metrics.text(), media_type="text/plain; version=0.0.4")


def _health(station: Station, status: str) -> Health:
    return Health.model_validate(
        {"status": status, "unanswered": station.queue.unanswered, "bound": station.queue.bound}
    )

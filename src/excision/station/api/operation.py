"""Operating the station: whether it is alive, whether it accepts images, and its metrics."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from excision.station.api.operation_schemas import Health, OutboxAnswer
from excision.station.station import Station

router = APIRouter()


@router.get("/healthz", responses={503: {"model": Health}})
async def alive(request: Request, response: Response) -> Health:
    """Tell whether the station works; 503 means that it does not without a person, and `cause` says why."""
    station: Station = request.app.state.station
    works = station.is_alive and not station.guard.needs_restart
    if not works:
        response.status_code = 503
    return _health(station, "ok" if works else "broken")


@router.get("/readyz", responses={503: {"model": Health}})
async def ready(request: Request, response: Response) -> Health:
    """Tell whether the station accepts another image now, and if not, why."""
    station: Station = request.app.state.station
    works = station.is_alive and station.guard.fault is None
    if not works or station.queue.is_full:
        response.status_code = 503
        return _health(station, "busy" if works else "broken")
    return _health(station, "ok")


@router.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
async def metrics(request: Request) -> Response:
    """Give what was counted, in the text format of Prometheus."""
    return Response(request.app.state.metrics.text(), media_type="text/plain; version=0.0.4")


def _health(station: Station, status: str) -> Health:
    fault = station.guard.fault
    cause = None if fault is None else str(fault)
    return Health.model_validate(
        {
            "status": status,
            "unanswered": station.queue.unanswered,
            "bound": station.queue.bound,
            "cause": cause if station.is_alive else "a thread of the station has ended: restart it",
            "cleanup": station.upkeep.state(),
            "quarantined": station.quarantined.images,
            "outbox": None if station.outbox is None else OutboxAnswer.of(station.outbox.state()),
        }
    )

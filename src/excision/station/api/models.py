"""Models: the version in use, how another one replaces it, and the thresholds."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Path, Query, Request

from excision.station.api.model_schemas import (
    Event,
    History,
    LoadRequest,
    ModelAnswer,
    ModelList,
    RollbackRequest,
    ThresholdRequest,
)
from excision.station.api.schemas import Problem
from excision.station.api.writing import writing_of
from excision.station.models.registry import ModelRegistry
from excision.station.models.version import KEPT
from excision.station.people.roles import name_of

router = APIRouter(prefix="/v1/models")

Name = Annotated[str, Path(max_length=64, description="Name of the model.")]

_UNKNOWN: dict[int | str, dict[str, Any]] = {
    404: {"model": Problem, "description": "There is no such model"},
    422: {"model": Problem, "description": "It cannot be done; what inspected before goes on"},
}


@router.get("")
def models(request: Request) -> ModelList:
    """List the models; the first one is the default."""
    known: ModelRegistry = request.app.state.station.models
    return ModelList(models=[ModelAnswer.of(name, known.slot(name)) for name in known.names])


@router.get("/{name}", responses=_UNKNOWN)
def model(request: Request, name: Name) -> ModelAnswer:
    """Give a model."""
    return ModelAnswer.of(name, _known(request, name).slot(name))


@router.get("/{name}/history", responses=_UNKNOWN)
def history(request: Request, name: Name, limit: Annotated[int, Query(ge=1, le=1000)] = 100) -> History:
    """List what was changed about a model, the newest first."""
    _known(request, name)
    events = request.app.state.station.store.history(name, limit)
    return History(
        events=[Event(**{**event, "time": datetime.fromtimestamp(event["time"], UTC)}) for event in events]
    )


@router.post("/{name}/load", responses=_UNKNOWN)
async def load(request: Request, name: Name, body: LoadRequest) -> ModelAnswer:
    """Load a folder of the station's models; it is used once it has passed the check on golden images."""
    known = _known(request, name)
    return ModelAnswer.of(
        name, await writing_of(request).do(known.load, name, body.folder, name_of(request, body.who))
    )


@router.post("/{name}/rollback", responses=_UNKNOWN)
async def rollback(request: Request, name: Name, body: RollbackRequest) -> ModelAnswer:
    """Return to the previous version."""
    known = _known(request, name)
    return ModelAnswer.of(
        name, await writing_of(request).do(known.rollback, name, name_of(request, body.who))
    )


@router.post("/{name}/thresholds", responses=_UNKNOWN)
async def thresholds(request: Request, name: Name, body: ThresholdRequest) -> ModelAnswer:
    """Use other thresholds from the next image on; without a review threshold the grey zone stays."""
    slot = await writing_of(request).do(
        _known(request, name).set_thresholds,
        name,
        body.threshold,
        body.review_threshold if "review_threshold" in body.model_fields_set else KEPT,
        name_of(request, body.who),
        body.note,
    )
    return ModelAnswer.of(name, slot)


def _known(request: Request, name: str) -> ModelRegistry:
    known: ModelRegistry = request.app.state.station.models
    if name not in known.names:
        raise HTTPException(404, "there is no such model: GET /v1/models lists them")
    return known

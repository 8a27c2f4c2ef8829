"""Drift: whether the line is still the line, and what a person decides about a warning."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, HTTPException, Path, Request
from pydantic import BaseModel, ConfigDict, Field

from excision.station.api.schemas import Body, Problem, Who
from excision.station.api.writing import writing_of
from excision.station.people.roles import name_of
from excision.station.station import Station

router = APIRouter(prefix="/v1/models")

_Name = Annotated[str, Path(max_length=64, description="Name of the model.")]

_PROBLEMS: dict[int | str, dict[str, Any]] = {
    404: {"model": Problem, "description": "There is no such model"},
    422: {"model": Problem, "description": "There is no warning, or nothing to undo"},
}


class WarningAnswer(BaseModel):
    """A drift warning that nobody has acknowledged yet."""

    part: int = Field(description="number of the part after which it was noticed, since the monitor began")
    statistic: str = Field(description='which moved: "score", or the name of an image statistic')
    direction: Literal["higher", "lower", "more scattered"]
    since: int = Field(description="estimated number of the first part after the change")
    since_label: str = Field(
        description="number and source of the result of that part, or of one shortly before"
    )
    before: float | None = Field(description="median of the reference; null where most parts were flagged")
    now: float | None = Field(description="median of the newest blocks; null where most parts are flagged")
    evidence: float = Field(description="parts without drift until one false warning as strong as this")
    others: list[str] = Field(description="statistics that would give a warning by themselves as well")
    basis: str = Field(description='where the reference is from, such as "in training"')
    unit: str = Field(description="of both medians; empty for a plain number")
    compared: str = Field(description="how both medians differ, in words")
    words: str = Field(description="all of it in a sentence")


class StatisticAnswer(BaseModel):
    """A statistic and its course in blocks of parts."""

    name: str
    words: str = Field(description="what people call it")
    unit: str = Field(description="of all its values; empty for a plain number")
    usual: list[float] | None = Field(description="5, 50 and 95 % point of the reference; null while unknown")
    basis: str = Field(description='where the reference is from, such as "in training"')
    accepted: list[float] | None = Field(description="range that a person accepted as normal")
    now: float | None = Field(description="median of the newest blocks")
    compared: str = Field(description="how that differs from the reference, in words")
    evidence: float = Field(description="what it adds to the evidence, in parts")
    learning: bool = Field(description="too little is known for a warning")
    watched: bool = Field(description="false where only the course is shown: see the promise")
    parts: list[int] = Field(description="number of the first part of each point of the course")
    values: list[float | None] = Field(description="median of the block at each point")


class DriftAnswer(BaseModel):
    """How a model's drift monitor stands."""

    parts: int = Field(description="that it has counted")
    block: int = Field(description="parts of the shortest block that is relied on")
    parts_per_false_warning: int = Field(description="on average, or more")
    lots: bool = Field(description="whether good parts are expected in lots, as the calibration images came")
    learning: bool = Field(description="too little is known for any warning")
    evidence: float = Field(description="in parts; a warning comes at `parts_per_false_warning`")
    warning: WarningAnswer | None
    statistics: list[StatisticAnswer]
    promise: str = Field(description="what is promised and what that assumes, in words")
    standing: str = Field(description="what was found, in words")
    undo: bool = Field(description="whether a decision can be undone")


class DriftDecision(Body):
    """What a person decides about a warning."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"decision": "accept", "who": "M. Weber"}]})

    decision: Literal["accept", "mended", "restart", "undo"] = Field(
        description="accept: what is so now is normal as well, such as a new lot; mended: the cause was "
        "removed and normal is what it was; restart: learn anew; undo: take back the last decision"
    )
    who: Who
    note: str = Field(default="", max_length=5000)


@router.get("/{name}/drift", responses=_PROBLEMS)
def drift(request: Request, name: _Name) -> DriftAnswer:
    """Tell whether the parts drift away from what the model was calibrated on."""
    station, weights = _known(request, name)
    return DriftAnswer.model_validate(station.drift.standing(name, weights))


@router.post("/{name}/drift", responses=_PROBLEMS)
async def decide(request: Request, name: _Name, body: DriftDecision) -> DriftAnswer:
    """Note what a person decides about a drift warning; it is kept in the history of the model."""
    station, weights = _known(request, name)
    do = writing_of(request).do
    await do(station.drift.decide, name, weights, body.decision, name_of(request, body.who), body.note)
    return DriftAnswer.model_validate(await do(station.drift.standing, name, weights))


def _known(request: Request, name: str) -> tuple[Station, str]:
    station: Station = request.app.state.station
    if name not in station.models.names:
        raise HTTPException(404, "there is no such model: GET /v1/models lists them")
    return station, station.models.current(name).weights_id

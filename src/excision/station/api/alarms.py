"""Alarms over HTTP: what stands, and acknowledging it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Path, Request
from pydantic import BaseModel, ConfigDict, Field

from excision.station.alarms.alarm import Alarm, Kind
from excision.station.api.schemas import LARGEST_NUMBER, Body, Problem
from excision.station.api.writing import writing_of
from excision.station.people.roles import name_of
from excision.station.station import Station

router = APIRouter(prefix="/v1/alarms")

_WRONG: dict[int | str, dict[str, Any]] = {422: {"model": Problem, "description": "No such alarm stands"}}


class AlarmAnswer(BaseModel):
    """An alarm."""

    id: int | None = Field(description="null while it could not be stored")
    kind: Kind
    model: str = Field(description="model, camera or signal; empty for the station as a whole")
    details: dict[str, Any]
    time: datetime
    acknowledged: datetime | None
    who: str

    @classmethod
    def of(cls, alarm: Alarm) -> AlarmAnswer:
        """Give the answer of an alarm."""
        known = None if alarm.acknowledged is None else datetime.fromtimestamp(alarm.acknowledged, UTC)
        return cls(
            id=alarm.id,
            kind=alarm.kind,
            model=alarm.model,
            details=dict(alarm.details),
            time=datetime.fromtimestamp(alarm.time, UTC),
            acknowledged=known,
            who=alarm.who,
        )


class AlarmList(BaseModel):
    """Alarms that nobody has acknowledged, and the last that somebody has."""

    standing: list[AlarmAnswer]
    acknowledged: list[AlarmAnswer]


class Acknowledgement(Body):
    """Who acknowledges an alarm."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"who": "M. Weber"}]})

    who: str = Field(default="", max_length=200, description="name of the person")


@router.get("")
def alarms(request: Request) -> AlarmList:
    """List the alarms that stand, the oldest first, and the last 50 that were acknowledged, newest first."""
    found = _station(request).alarms
    return AlarmList(
        standing=[AlarmAnswer.of(alarm) for alarm in found.standing],
        acknowledged=[AlarmAnswer.of(alarm) for alarm in found.history()],
    )


@router.post("/{number}/acknowledgement", responses=_WRONG)
async def acknowledge(
    request: Request, number: Annotated[int, Path(ge=1, le=LARGEST_NUMBER)], body: Acknowledgement
) -> AlarmAnswer:
    """Acknowledge an alarm; its count begins anew."""
    do, who = writing_of(request).do, name_of(request, body.who)
    return AlarmAnswer.of(await do(_station(request).alarms.acknowledge, number, who))


def _station(request: Request) -> Station:
    station: Station = request.app.state.station
    return station

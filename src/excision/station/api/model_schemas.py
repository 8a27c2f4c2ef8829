"""Models as the service tells them, and what it is asked to do with them."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

from excision.station.api.moments import moment
from excision.station.api.schemas import Body, Who
from excision.station.models.registry import Slot
from excision.station.models.version import Version


class VersionAnswer(BaseModel):
    """A loaded version of a model."""

    version: str
    folder: str = Field(description="name of the folder it was loaded from")
    threshold: float
    review_threshold: float | None
    loaded: datetime

    @classmethod
    def of(cls, version: Version) -> VersionAnswer:
        """Give the answer for a version."""
        return cls(
            version=version.version,
            folder=version.folder.name,
            threshold=version.threshold,
            review_threshold=version.review_threshold,
            loaded=moment(version.loaded),
        )


class ModelAnswer(BaseModel):
    """A model: the version that inspects, and the one that a rollback would bring back."""

    name: str
    current: VersionAnswer
    previous: VersionAnswer | None

    @classmethod
    def of(cls, name: str, slot: Slot) -> ModelAnswer:
        """Give the answer for a model."""
        previous = None if slot.previous is None else VersionAnswer.of(slot.previous)
        return cls(name=name, current=VersionAnswer.of(slot.current), previous=previous)


class ModelList(BaseModel):
    """The models; the first one inspects where none is asked for."""

    models: list[ModelAnswer]


class Event(BaseModel):
    """A change of a model."""

    time: datetime
    who: str
    what: str
    details: dict[str, object]


class History(BaseModel):
    """Changes of a model, the newest first."""

    events: list[Event]


class LoadRequest(Body):
    """Which folder is to take over."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"folder": "parts-2026-03", "who": "M. Weber"}]}
    )

    folder: str = Field(max_length=64, description="name of a folder in the station's --models, no path")
    who: Who


class RollbackRequest(Body):
    """Who goes back to the version before."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"who": "M. Weber"}]})

    who: Who


class ThresholdRequest(Body):
    """New thresholds in the unit of the anomaly score."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"threshold": 22.5, "who": "M. Weber"}]})

    threshold: float = Field(gt=0, allow_inf_nan=False)
    review_threshold: float | None = Field(
        default=None,
        gt=0,
        allow_inf_nan=False,
        description="lower limit of the grey zone; null removes the zone, and without this key it stays",
    )
    who: Who
    note: str = Field(default="", max_length=5000)

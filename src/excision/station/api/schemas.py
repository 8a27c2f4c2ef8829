"""What the service takes and answers, as types; `/openapi.json` is made from them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from excision.predictions import Box, Verdict
from excision.station.api.label_schemas import LabelAnswer
from excision.station.api.moments import moment
from excision.station.models.registry import Slot
from excision.station.models.version import Version
from excision.station.outbox.settings import OutboxState
from excision.station.store.records import StoredResult
from excision.station.work.renderings import STAGES

LARGEST_NUMBER = 2**63 - 1
"""Of a result: what SQLite can count to."""

_EXAMPLE: JsonValue = {
    "id": 17,
    "time": "2026-03-02T08:15:00.250000Z",
    "source": "part_017.png",
    "model": "parts",
    "model_version": "3f9c1a7d52be",
    "score": 31.7,
    "p_value": 0.0041,
    "verdict": "defect",
    "unfit": [],
    "threshold": 20.4,
    "review_threshold": None,
    "defect_area_share": 0.0031,
    "boxes": [[312, 84, 40, 22]],
    "width": 1024,
    "height": 768,
    "error": None,
    "seconds": {"queue": 0.0004, "decode": 0.011, "model": 0.038, "store": 0.003},
    "serial": "A-004711",
    "lot": "2026-09",
    "recipe": None,
    "station": "press-3",
    "view": "front",
    "part": None,
    "strip": None,
    "strip_row": None,
    "strip_row_mm": None,
    "links": {
        "self": "/v1/results/17",
        "image": "/v1/results/17/image",
        "overlay": "/v1/results/17/overlay.png",
        "map": "/v1/results/17/map.png",
        "map_tiff": "/v1/results/17/map.tiff",
        "stages": {stage: f"/v1/results/17/stages/{stage}.png" for stage in STAGES},
    },
}


class Problem(BaseModel):
    """Why a request was not fulfilled, in one sentence."""

    detail: str = Field(examples=["there is no result 99"])


class Links(BaseModel):
    """Where there is more of a result; null where its image is not kept."""

    self: str
    image: str | None
    overlay: str | None
    map: str | None
    map_tiff: str | None
    stages: dict[str, str]

    @classmethod
    def of(cls, result: StoredResult) -> Links:
        """Give the links of a result."""
        here = f"/v1/results/{result.id}"
        if result.image is None:
            return cls(self=here, image=None, overlay=None, map=None, map_tiff=None, stages={})
        return cls(
            self=here,
            image=f"{here}/image",
            overlay=f"{here}/overlay.png",
            map=f"{here}/map.png",
            map_tiff=f"{here}/map.tiff",
            stages={stage: f"{here}/stages/{stage}.png" for stage in STAGES},
        )


class ResultAnswer(BaseModel):
    """What is kept of an image. Where it could not be inspected, `error` says why and `verdict` is null."""

    model_config = ConfigDict(protected_namespaces=(), json_schema_extra={"examples": [_EXAMPLE]})

    id: int
    time: datetime = Field(description="of the inspection")
    source: str = Field(description="name that the client gave the image")
    model: str
    model_version: str = Field(description="changes with anything that can change a verdict")
    score: float | None = Field(description="anomaly score")
    p_value: float | None = Field(
        description="share of good parts that are expected to score at least this; null where it is unknown"
    )
    verdict: Verdict | None
    unfit: list[str] = Field(description="why the image is not fit to be inspected; empty where it is")
    threshold: float = Field(description="decision threshold in the unit of the score")
    review_threshold: float | None = Field(description="where the grey zone begins")
    defect_area_share: float | None = Field(description="share of the pixels above the lowest threshold")
    boxes: list[Box] = Field(description="x, y, width, height in pixels of the image, strongest first")
    width: int | None
    height: int | None
    error: str | None
    seconds: dict[str, float] = Field(description="in the queue, decoding, in the model, storing")
    serial: str | None = Field(description="serial number of the part; null where it is unknown")
    lot: str | None = Field(description="that the part belongs to")
    recipe: str | None = Field(description="that was asked for, which names a model")
    station: str | None = Field(description="name of the station")
    view: str | None = Field(description="which camera or side of the part the image shows")
    part: int | None = Field(description="number of the part that the image is a view of")
    strip: int | None = Field(
        description="of a line-scan camera: time at which its strip began, microseconds since 1970"
    )
    strip_row: int | None = Field(description="number of the first row of the image in the strip, from 0")
    strip_row_mm: float | None = Field(description="millimetres from one row to the next, where it is known")
    links: Links

    @classmethod
    def of(cls, result: StoredResult) -> ResultAnswer:
        """Give the answer for a result."""
        return cls(
            **{name: getattr(result, name) for name in cls.model_fields if name not in ("time", "links")},
            time=moment(result.time),
            links=Links.of(result),
        )


_VIEWS = {"image": "image", "overlay": "overlay.png", "map": "map.png", "map_tiff": "map.tiff"}


def answer_of(result: StoredResult) -> dict[str, Any]:
    """Give the answer for a result ready for JSON: what `ResultAnswer` gives, in a fraction of its time."""
    here = f"/v1/results/{result.id}"
    kept = result.image is not None
    stages = {stage: f"{here}/stages/{stage}.png" for stage in STAGES} if kept else {}
    links = {name: f"{here}/{view}" if kept else None for name, view in _VIEWS.items()}
    said = {name: getattr(result, name, None) for name in ResultAnswer.model_fields}
    said["time"] = moment(result.time).isoformat().replace("+00:00", "Z")
    said["links"] = {"self": here, **links, "stages": stages}
    return said


class ResultDetail(BaseModel):
    """A result with its labels, the oldest first; the last one that is not withdrawn counts."""

    result: ResultAnswer
    labels: list[LabelAnswer]
    marks: list[LabelAnswer] = Field(
        description="old name of `labels`", json_schema_extra={"deprecated": True}
    )


class Inspected(BaseModel):
    """One entry for each image of the request, in its order."""

    results: list[ResultAnswer]


class Rejected(BaseModel):
    """The only image of a request could not be inspected."""

    detail: str = Field(examples=["part_018.png: the file is empty (0 bytes)"])
    results: list[ResultAnswer] = []


class ResultPage(BaseModel):
    """Results, newest first."""

    results: list[ResultAnswer]
    next: int | None = Field(description="`cursor` of the next page; null where this is the last")


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


Who = Annotated[str, Field(default="", max_length=200, description="name of the person who asks for it")]


class LoadRequest(BaseModel):
    """Which folder is to take over."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"folder": "parts-2026-03", "who": "M. Weber"}]}
    )

    folder: str = Field(max_length=64, description="name of a folder in the station's --models, no path")
    who: Who


class RollbackRequest(BaseModel):
    """Who goes back to the version before."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"who": "M. Weber"}]})

    who: Who


class ThresholdRequest(BaseModel):
    """New thresholds in the unit of the anomaly score."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"threshold": 22.5, "who": "M. Weber"}]})

    threshold: float = Field(gt=0, allow_inf_nan=False)
    review_threshold: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    who: Who
    note: str = Field(default="", max_length=5000)


class CleanupAnswer(BaseModel):
    """How the clean-ups of a station are."""

    running: bool
    stopped: bool = Field(description="a person stopped the last one; the next comes at its time")
    images: int = Field(description="removed since the start")
    bytes: int = Field(description="of them")
    trouble: str | None = Field(description="why the last clean-up ended early; null where it did not")


class OutboxAnswer(BaseModel):
    """How the sending to the hub is going; where the hub is and what it says is for those with a key."""

    pushed: int = Field(description="rows that the hub acknowledged since the start")
    waiting: dict[str, int] = Field(description="rows that it has not acknowledged yet, by stream")
    since: datetime | None = Field(description="time of the oldest of these")
    refused: int = Field(description="rows that the hub could not use; it keeps them apart")
    trouble: bool = Field(description="whether nothing can be sent now; the Live page says why")

    @classmethod
    def of(cls, state: OutboxState) -> OutboxAnswer:
        """Give the answer for a state."""
        return cls(
            pushed=state.pushed,
            waiting={str(stream): count for stream, count in state.waiting.items()},
            since=None if state.since is None else moment(state.since),
            refused=state.refused,
            trouble=state.trouble is not None,
        )


class Health(BaseModel):
    """How the station is."""

    status: Literal["ok", "busy", "broken"]
    unanswered: int = Field(description="images that are accepted and not yet answered")
    bound: int = Field(description="how many those may be")
    cause: str | None = Field(description="why nothing can be stored; null where it can")
    cleanup: CleanupAnswer | None = Field(description="null where images are kept for ever")
    quarantined: int = Field(
        description="images in `quarantine`: they belonged to no result at the last start"
    )
    outbox: OutboxAnswer | None = Field(default=None, description="null where there is no hub")

"""Results as the service tells them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from excision.predictions import Box, Verdict
from excision.station.api.label_schemas import LabelAnswer
from excision.station.api.moments import moment
from excision.station.store.records import StoredResult
from excision.station.work.renderings import STAGES

_VIEWS = {"image": "image", "overlay": "overlay.png", "map": "map.png", "map_tiff": "map.tiff"}

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
        return cls(**_links(result))


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


def answer_of(result: StoredResult) -> dict[str, Any]:
    """Give the answer for a result ready for JSON: what `ResultAnswer` gives, in a fraction of its time."""
    said = {name: getattr(result, name, None) for name in ResultAnswer.model_fields}
    said["time"] = moment(result.time).isoformat().replace("+00:00", "Z")
    said["links"] = _links(result)
    return said


def _links(result: StoredResult) -> dict[str, Any]:
    """Give the links of a result as `Links` has them."""
    here = f"/v1/results/{result.id}"
    kept = result.image is not None
    views = {name: f"{here}/{view}" if kept else None for name, view in _VIEWS.items()}
    stages = {stage: f"{here}/stages/{stage}.png" for stage in STAGES} if kept else {}
    return {"self": here, **views, "stages": stages}


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

"""A result as the station tells it."""

from __future__ import annotations

from dataclasses import MISSING, dataclass, fields
from datetime import datetime
from typing import Any

from excision.predictions import Box, Verdict


@dataclass(frozen=True, slots=True)
class Answer:
    """A result as the station tells it.

    Attributes:
        id: number of the result.
        time: of the inspection, in UTC.
        source: name that the image was given.
        model: name of the model.
        model_version: which of its versions gave the verdict.
        score: anomaly score; None where the image could not be inspected.
        verdict: "good", "review", "defect" or "unfit"; None where the image could not be inspected.
        threshold: decision threshold in the unit of the score.
        review_threshold: where the grey zone begins; None for no such zone.
        defect_area_share: share of the pixels above the lowest threshold, 0 to 1.
        boxes: (x, y, width, height) in pixels of the image, strongest first.
        width: of the image in pixels.
        height: of the image in pixels.
        error: why the image could not be inspected.
        seconds: time of each stage.
        links: paths at the station, by name.
        p_value: conformal p-value of the score: the share of good parts that are expected to score at least
            as much; None where it is unknown.
        unfit: why the image is not fit to be inspected; empty where it is.
        serial: serial number of the part.
        lot: that the part belongs to.
        recipe: that was asked for.
        station: name of the station.
        view: which camera or side of the part the image shows.
        part: number of the part that the image is a view of.
        strip: of a line-scan camera, time at which its strip began, microseconds since 1970.
        strip_row: number of the first row of the image in the strip, from 0.
        strip_row_mm: millimetres from one row to the next, where it is known.
    """

    id: int
    time: datetime
    source: str
    model: str
    model_version: str
    score: float | None
    verdict: Verdict | None
    threshold: float
    review_threshold: float | None
    defect_area_share: float | None
    boxes: tuple[Box, ...]
    width: int | None
    height: int | None
    error: str | None
    seconds: dict[str, float]
    links: dict[str, Any]
    # A station of an earlier version does not say these.
    p_value: float | None = None
    unfit: tuple[str, ...] = ()
    serial: str | None = None
    lot: str | None = None
    recipe: str | None = None
    station: str | None = None
    view: str | None = None
    part: int | None = None
    strip: int | None = None
    strip_row: int | None = None
    strip_row_mm: float | None = None

    @classmethod
    def of(cls, content: dict[str, Any]) -> Answer:
        """Read the JSON of a result.

        Raises:
            KeyError: it lacks what every version of a station says.
        """
        values = {
            field.name: content[field.name]
            for field in fields(cls)
            if field.name in content or field.default is MISSING
        }
        values["time"] = datetime.fromisoformat(content["time"])
        values["boxes"] = tuple(tuple(box) for box in content["boxes"])
        values["unfit"] = tuple(content.get("unfit", ()))
        return cls(**values)

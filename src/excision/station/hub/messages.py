"""What a station may say to a hub: checked before anything of it reaches the database."""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    Json,
    ValidationError,
    model_validator,
)

from excision.station.outbox.settings import ADDRESS, LONGEST_NAME
from excision.station.store.sequence import FORMAT, STREAMS, Place, Places, Stream

_LARGEST = 2**63 - 1
_LATEST = 250_000_000_000.0  # seconds since 1970: nearly the year 9900, which is as far as dates go


def clean(text: Any) -> Any:
    """Give text as PostgreSQL can hold it: a station's own may hold NUL, or half a character."""
    if not isinstance(text, str):
        return text
    return text.encode("utf-8", "backslashreplace").decode("utf-8").replace("\0", "\\x00")


def _number(value: float) -> float:
    if math.isnan(value):
        raise ValueError("this is no number")
    return value


Text = Annotated[str, BeforeValidator(clean)]
Name = Annotated[Text, Field(max_length=300)]  # no index takes more than some 2700 bytes
Real = Annotated[float, AfterValidator(_number)]
Whole = Annotated[int, Field(ge=-_LARGEST, le=_LARGEST)]
Number = Annotated[int, Field(ge=1, le=_LARGEST)]
Time = Annotated[float, Field(ge=0, le=_LATEST)]


class _Row(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore", protected_namespaces=())

    id: Number
    time: Time


class ResultRow(_Row):
    """A row of a station's results."""

    source: Text
    model: Name
    model_version: Text
    threshold: Real
    review_threshold: Real | None = None
    score: Real | None = None
    verdict: Literal["good", "review", "defect", "unfit"] | None = None
    error: Text | None = None
    defect_area_share: Real | None = None
    boxes: Text = "[]"
    seconds: Text = "{}"
    width: Whole | None = None
    height: Whole | None = None
    file_size: Whole | None = None
    file_mtime_ns: Whole | None = None
    p_value: Real | None = None
    unfit: Text = "[]"
    image_statistics: Text = "{}"
    # What a station of an earlier version does not know.
    serial: Name | None = None
    lot: Name | None = None
    recipe: Name | None = None
    view: Name | None = None
    part: Number | None = None

    @model_validator(mode="after")
    def _is_whole(self) -> ResultRow:
        """Refuse what no station writes, and what no page could show."""
        _Details.model_validate(
            {name: getattr(self, name) for name in ("boxes", "seconds", "unfit", "image_statistics")}
        )
        if (self.verdict is None) != (self.error is not None):
            raise ValueError("a result has either a verdict or an error")
        if (self.verdict == "unfit") != (self.unfit != "[]"):
            raise ValueError("a result has reasons to be unfit if and only if that is its verdict")
        return self


class _Details(BaseModel):
    boxes: Json[list[tuple[float, float, float, float]]]
    seconds: Json[dict[str, float]]
    unfit: Json[list[str]]
    image_statistics: Json[dict[str, float | None]]


class LabelRow(_Row):
    """A row of a station's labels, with the fingerprint of its result."""

    result: Number
    result_fingerprint: Annotated[Text, Field(max_length=64)]
    who: Text
    truth: Literal["good", "defect", "withdrawn"]
    note: Text
    defect_class: Name | None = None
    withdraws: Number | None = None

    @model_validator(mode="after")
    def _is_whole(self) -> LabelRow:
        """Refuse what no station writes."""
        if (self.truth == "withdrawn") != (self.withdraws is not None):
            raise ValueError("a row names a label that it withdraws if and only if it is a withdrawal")
        if self.defect_class is not None and self.truth != "defect":
            raise ValueError("only a defect has a class")
        return self


class EventRow(_Row):
    """A row of a station's events."""

    who: Text
    model: Name
    what: Text
    details: Text


class PartRow(_Row):
    """A part of a station, which has its verdict."""

    serial: Name | None = None
    lot: Name | None = None
    recipe: Name | None = None
    expected: Text
    closed: Time
    verdict: Literal["good", "review", "defect", "unfit", "fault"]
    reason: Text | None = None

    @model_validator(mode="after")
    def _is_whole(self) -> PartRow:
        """Refuse what no station writes, and what no page could show."""
        _Views.model_validate({"expected": self.expected})
        return self


class _Views(BaseModel):
    expected: Json[list[str]]


AnyRow = ResultRow | LabelRow | EventRow | PartRow

ROWS: dict[Stream, type[AnyRow]] = {
    "results": ResultRow,
    "labels": LabelRow,
    "events": EventRow,
    "parts": PartRow,
}


_Place = tuple[Annotated[int, Field(ge=0, le=_LARGEST)], Annotated[Text, Field(max_length=64)]]


class Message(BaseModel):
    """A greeting, which asks where the hub stands, or a batch of rows, which `after` belongs to."""

    model_config = ConfigDict(extra="ignore")

    format: int
    version: Annotated[Text, Field(max_length=40)]
    station: Annotated[Text, Field(min_length=1, max_length=LONGEST_NAME)]
    identity: Annotated[str, Field(min_length=16, max_length=128)]
    home: Annotated[Text, Field(max_length=64)]
    page: Annotated[Text, Field(max_length=500, pattern=f"^({ADDRESS})?$")] = ""
    sent: Time
    waiting: Annotated[int, Field(ge=0, le=_LARGEST)] = 0
    shifts: dict[str, Any] | None = None
    after: dict[Stream, _Place] | None = None
    to: dict[Stream, _Place] | None = None
    rows: dict[Stream, Annotated[list[dict[str, Any]], Field(max_length=5000)]] = {}

    def places(self, which: Literal["after", "to"], stands: Places) -> Places:
        """Give where the hub should stand before this batch, or after it.

        Args:
            which: before or after.
            stands: where the hub stands; it goes on standing there in a stream that the format does not have.
        """
        found = (self.after if which == "after" else self.to) or {}
        others = stands if self.format < FORMAT else {}
        return {stream: Place(*found.get(stream, others.get(stream, Place()))) for stream in STREAMS}


def reason_of(error: ValidationError) -> str:
    """Say in one sentence what is wrong with a row."""
    first = error.errors(include_url=False, include_input=False)[0]
    return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"[:500]

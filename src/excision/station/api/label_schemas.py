"""Labels as the service takes and tells them."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from excision.station.api.moments import moment
from excision.station.api.schemas import Body
from excision.station.store.records import Label


class WithdrawalAnswer(BaseModel):
    """Who took a label back."""

    who: str
    note: str
    time: datetime


class LabelAnswer(BaseModel):
    """What a person says about a result."""

    id: int = Field(description="number of the label, by which it can be withdrawn")
    truth: Literal["good", "defect"]
    defect_class: str | None = Field(description="kind of the defect; null where nobody said")
    who: str
    note: str
    time: datetime
    withdrawn: WithdrawalAnswer | None = Field(description="null for a label that stands")

    @classmethod
    def of(cls, label: Label) -> LabelAnswer:
        """Give the answer for a label."""
        back = label.withdrawn
        return cls(
            id=label.id,
            truth=label.truth,
            defect_class=label.defect_class,
            who=label.who,
            note=label.note,
            time=moment(label.time),
            withdrawn=None
            if back is None
            else WithdrawalAnswer(who=back.who, note=back.note, time=moment(back.time)),
        )


class NewLabel(Body):
    """What a person says about a result."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"truth": "good", "who": "M. Weber"}]})

    truth: Literal["good", "defect"]
    who: str = Field(default="", max_length=200, description="name of the person; without one it is refused")
    note: str = Field(default="", max_length=5000)
    defect_class: str | None = Field(default=None, max_length=200, description="kind of the defect")


class NewWithdrawal(Body):
    """Who takes a label back, and why."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"who": "M. Weber", "note": "wrong part"}]})

    who: str = Field(default="", max_length=200, description="name of the person; without one it is refused")
    note: str = Field(default="", max_length=5000)

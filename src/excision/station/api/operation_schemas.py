"""How the station is, as the service tells it."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, Field

from excision.station.api.moments import moment
from excision.station.outbox.settings import OutboxState


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

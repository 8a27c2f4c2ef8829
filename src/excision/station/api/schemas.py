"""What several requests and answers of the service share; `/openapi.json` is made from such types."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

LARGEST_NUMBER = 2**63 - 1
"""Of a result: what SQLite can count to."""


class Problem(BaseModel):
    """Why a request was not fulfilled, in one sentence."""

    detail: str = Field(examples=["there is no result 99"])


class Body(BaseModel):
    """What a request says as JSON; a key that is unknown is refused, because it would change nothing."""

    model_config = ConfigDict(extra="forbid")


Who = Annotated[str, Field(default="", max_length=200, description="name of the person who asks for it")]

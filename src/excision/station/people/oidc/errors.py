"""Why somebody could not sign in with the provider."""

from __future__ import annotations

from typing import Literal

from excision.errors import StationError

Reason = Literal["away", "answer", "state", "declined", "role", "disabled", "name", "busy"]


class SignInError(StationError):
    """Nobody was signed in.

    Attributes:
        reason: what a page says: the provider cannot be reached ("away"), or answers what must not be
            believed ("answer"); the sign-in did not begin in this browser, or too long ago ("state"); the
            provider declined it ("declined"); the person has no role here ("role"), is disabled
            ("disabled"), or has a name that nobody can have here ("name"); or too many sign in ("busy").
        name: of the person, as far as it is known.
    """

    def __init__(self, reason: Reason, message: str, name: str = "") -> None:
        super().__init__(message)
        self.reason, self.name = reason, name

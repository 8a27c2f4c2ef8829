"""The table `[people]` of a station: how users sign in."""

from __future__ import annotations

from dataclasses import dataclass

from excision.errors import SettingsError
from excision.station.people.roles import Role


@dataclass(frozen=True, slots=True)
class PeopleSettings:
    """How people sign in at a station.

    Attributes:
        key_role: what a program that shows the station's key may do once users are set up.
        idle_minutes: without a request after which a user has to sign in again.
    """

    key_role: Role = Role.OPERATOR
    idle_minutes: float = 720.0

    def __post_init__(self) -> None:
        if self.key_role == Role.NOBODY:
            raise SettingsError("key_role: choose one of operator, reviewer, engineer, admin")
        if not 1 <= self.idle_minutes <= 43200:
            raise SettingsError(f"idle_minutes is {self.idle_minutes}: it must be 1 to 43200 (30 days)")

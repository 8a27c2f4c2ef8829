"""The table `[people]` of a station: how users sign in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from excision.errors import SettingsError
from excision.station.people.oidc.settings import OidcSettings
from excision.system.duration import Duration


@dataclass(frozen=True, slots=True)
class PeopleSettings:
    """`[people]`: how people sign in.

    Attributes:
        key_role: what a program that shows the station's key may do once users are set up.
        idle: time without a request after which a user has to sign in again.
        oidc: provider that signs people in beside the station's own users; None for none.
    """

    key_role: Literal["operator", "reviewer", "engineer", "admin"] = "operator"
    idle: Duration = 12 * 3600.0
    oidc: OidcSettings | None = None

    def __post_init__(self) -> None:
        if not 60 <= self.idle <= 30 * 86400:
            raise SettingsError(f"idle is {self.idle:g} s: it must be 1 minute to 30 days")

    def check(self) -> str | list[str]:
        """Ask the provider, where there is one.

        Raises:
            SettingsError: a secret or certificate cannot be read.
            SignInError: the provider cannot be reached, or describes itself wrongly.
        """
        return "read; there is nothing to ask" if self.oidc is None else self.oidc.check()

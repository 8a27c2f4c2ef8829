"""People whom a provider signs in: from the button to the user of the station."""

from __future__ import annotations

import logging

from excision.errors import SettingsError
from excision.station.people.oidc.errors import SignInError
from excision.station.people.oidc.id_token import name_in, role_in
from excision.station.people.oidc.pending import Pending, Sealing
from excision.station.people.oidc.provider import Provider
from excision.station.people.oidc.settings import OidcSettings
from excision.station.people.users import User, Users

_LOG = logging.getLogger(__name__)


class Outside:
    """Signs people in with a provider. Each method may take as long as the provider's time-out.

    Args:
        users: of the station.
        settings: which provider, and who may do what.

    Raises:
        SettingsError: a library is missing, or a secret or certificate cannot be read.
    """

    def __init__(self, users: Users, settings: OidcSettings) -> None:
        self.settings, self._users = settings, users
        self._provider = Provider(settings)
        self._sealing = Sealing()

    @property
    def way_out(self) -> str:
        """Address where people sign out of the provider; empty as long as none is known."""
        return self._provider.way_out

    def begin(self, to: str) -> tuple[str, Pending]:
        """Begin a sign-in that leads to a page; gives the address at the provider.

        Raises:
            SignInError: the provider cannot be reached, or describes itself wrongly.
        """
        pending = self._sealing.begin(to)
        return self._provider.address_for(pending), pending

    def recognise(self, cookie: str, state: str, issuer: str | None) -> Pending:
        """Give the sign-in that a browser comes back from.

        Args:
            cookie: that it shows.
            state: that came back.
            issuer: that the provider named itself by, where it did.

        Raises:
            SignInError: it did not begin in this browser, is over, took too long, or comes from another
                provider.
        """
        pending = self._sealing.recognise(cookie, state)
        if pending is None:
            raise SignInError("state", "a sign-in did not begin in this browser, is over, or took too long")
        if issuer is not None and issuer != self.settings.issuer:
            raise SignInError("answer", f"a sign-in came back from {issuer[:100]!r}, and began elsewhere")
        return pending

    def finish(self, pending: Pending, code: str) -> User:
        """Exchange a code, and give the user of the station.

        Raises:
            SignInError: nobody may come in by it.
            StoreError: the user cannot be written down.
            BusyError: as above.
        """
        settings = self.settings
        claims = self._provider.claims(code, pending)
        name, role = name_in(claims, settings), role_in(claims, settings)
        if role is None:
            raise SignInError(
                "role", f"{name[:100]!r} has no role: no value of {settings.role_claim} is known", name
            )
        try:
            user = self._users.admit(settings.issuer, str(claims["sub"]), name, role, settings.label)
        except SettingsError as error:
            raise SignInError("name", f"{name[:100]!r}: {error}", name) from error
        if user.disabled:
            raise SignInError("disabled", f"{user.name} is disabled", user.name)
        return user

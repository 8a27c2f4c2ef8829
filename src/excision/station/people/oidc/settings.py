"""The table `[people.oidc]` of a station: the OpenID Connect provider of the plant."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from excision.errors import SettingsError
from excision.station.people.oidc.addresses import checked_address
from excision.system.credentials import Secret
from excision.system.duration import Duration

START, BACK = "/login/oidc", "/login/oidc/back"
"""Paths of the pages that lead to the provider, and that it leads back to."""

RoleName = Literal["operator", "reviewer", "engineer", "admin"]


@dataclass(frozen=True, slots=True, kw_only=True)
class OidcSettings:
    """`[people.oidc]`: who signs people in, and what they may then do.

    Attributes:
        issuer: address of the provider, exactly as it names itself.
        client_id: that the provider knows the station by.
        client_secret: that goes with it; without one the station is a public client, which PKCE protects.
        address: under which browsers reach the station, such as https://station.example.
        label: what the button calls the provider.
        scopes: that are asked for; "openid" must be among them.
        name_claim: claim of the identity token that names the person; without it, its claim `sub`.
        role_claim: claim that holds one value or a list of them; dots lead into a claim, as in
            `realm_access.roles`.
        roles: role by value of that claim; of several the highest counts.
        default_role: role of whoever has none of these values.
        session: time after which whoever signed in this way has to do so again.
        ask: whether the provider asks for the password each time ("login"), lets the person choose an account
            ("account"), or decides by itself ("never").
        timeout: of one request to the provider.
        ca_file: certificates that the provider's must be signed by; without it, those of the system.
    """

    issuer: str
    client_id: str
    address: str
    client_secret: Secret | None = None
    label: str = "OpenID Connect"
    scopes: tuple[str, ...] = ("openid", "profile")
    name_claim: str = "preferred_username"
    role_claim: str = "groups"
    roles: Mapping[str, RoleName] = field(default_factory=dict)
    default_role: Literal["none", "operator", "reviewer", "engineer", "admin"] = "none"
    session: Duration = 12 * 3600.0
    ask: Literal["login", "account", "never"] = "login"
    timeout: Duration = 10.0
    ca_file: Path | None = None

    def __post_init__(self) -> None:
        checked_address("issuer", self.issuer)
        checked_address("address", self.address)
        if urlsplit(self.address).path not in ("", "/"):
            raise SettingsError("address is that of the station alone, without a path")
        for name in ("client_id", "name_claim", "role_claim", "label"):
            value = getattr(self, name)
            if not value.strip() or len(value) > 200 or not value.isprintable():
                raise SettingsError(f"{name} must have 1 to 200 characters that can be printed")
        if "openid" not in self.scopes or any(not one or set(one) & set(' "\\') for one in self.scopes):
            raise SettingsError('scopes must hold "openid", and none may hold a space')
        if not self.roles and self.default_role == "none":
            raise SettingsError(
                'roles is empty: nobody could sign in; write roles = { "GROUP" = "operator" }'
            )
        if not 60 <= self.session <= 30 * 86400:
            raise SettingsError(f"session is {self.session:g} s: it must be 1 minute to 30 days")
        if not 1 <= self.timeout <= 60:
            raise SettingsError(f"timeout is {self.timeout:g} s: it must be 1 s to 1 minute")
        if self.ca_file is not None and not self.issuer.startswith("https"):
            raise SettingsError("ca_file needs an issuer that begins with https")

    @property
    def back(self) -> str:
        """Address that the provider leads back to, which it has to know."""
        return self.address.rstrip("/") + BACK

    @property
    def start(self) -> str:
        """Address of the page that leads to the provider."""
        return self.address.rstrip("/") + START

    def check(self) -> list[str]:
        """Read the provider's description of itself and its keys.

        Raises:
            SettingsError: a secret or certificate cannot be read.
            SignInError: the provider cannot be reached, or describes itself wrongly.
        """
        from excision.station.people.oidc.provider import Provider

        provider = Provider(self)
        keys = provider.check()
        found = [
            f"{self.issuer}: answers, with {keys} {'key' if keys == 1 else 'keys'} of signatures; "
            f"it must know {self.back} as an address to lead back to"
        ]
        if self.client_secret is not None and (exposed := self.client_secret.exposure()):
            found.append(exposed)
        return found

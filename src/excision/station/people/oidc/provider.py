"""A provider of identities: what it says of itself, its keys, and a code exchanged for an identity token.

After "OpenID Connect Discovery 1.0 incorporating errata set 2" (Sakimura, Bradley, Jones, Jay, 2023) and, for
the code, RFC 6749 (Hardt, "The OAuth 2.0 Authorization Framework", 2012), RFC 7636 (Sakimura, Bradley,
Agarwal, "Proof Key for Code Exchange by OAuth Public Clients", 2015) and RFC 9207 (Meyer zu Selhausen, Fett,
"OAuth 2.0 Authorization Server Issuer Identification", 2022).
"""

from __future__ import annotations

import base64
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote_plus, urlencode

from excision.errors import SettingsError
from excision.station.people.oidc.addresses import checked_address
from excision.station.people.oidc.errors import SignInError
from excision.station.people.oidc.id_token import UnknownKeyError, claims_of, read_keys
from excision.station.people.oidc.pending import Pending
from excision.station.people.oidc.wire import Wire

if TYPE_CHECKING:
    from joserfc.jwk import Key

    from excision.station.people.oidc.settings import OidcSettings

_KEPT = 300.0  # seconds for which a description is believed
_PAUSE = 10.0  # seconds before keys are read again because of one that is unknown
_PROMPTS = {"login": "login", "account": "select_account", "never": None}


@dataclass(frozen=True, slots=True)
class Description:
    """What a provider says of itself.

    Attributes:
        authorization: address that browsers are led to.
        token: address where a code is exchanged.
        keys: address of its keys.
        out: address where people sign out of it; empty for none.
        secret_in_body: whether the secret is sent in the body rather than in a header.
    """

    authorization: str
    token: str
    keys: str
    out: str
    secret_in_body: bool


class Provider:
    """The provider of a station.

    Args:
        settings: of the station.

    Raises:
        SettingsError: a library is missing, or a secret or certificate cannot be read.
    """

    def __init__(self, settings: OidcSettings) -> None:
        _require_libraries()
        self.settings = settings
        self._secret = None if settings.client_secret is None else settings.client_secret.read()
        self._wire = Wire(settings.timeout, settings.ca_file)
        self._lock = threading.Lock()
        self._known: tuple[float, Description] | None = None
        self._keys: tuple[float, list[Key]] | None = None

    def check(self) -> int:
        """Read the description and the keys; gives the number of keys.

        Raises:
            SignInError: the provider cannot be reached, or describes itself wrongly.
        """
        with self._lock:
            found = len(self._read_keys(self._describe()))
        if not found:
            raise SignInError(
                "answer", f"{self.settings.issuer}: gives no key of signatures that is known here"
            )
        return found

    @property
    def way_out(self) -> str:
        """Address where people sign out of the provider; empty as long as none is known."""
        known = self._known
        if known is None or not known[1].out:
            return ""
        back = self.settings.address.rstrip("/") + "/login"
        query = urlencode({"client_id": self.settings.client_id, "post_logout_redirect_uri": back})
        return f"{known[1].out}{'&' if '?' in known[1].out else '?'}{query}"

    def address_for(self, pending: Pending) -> str:
        """Give the address that leads a browser to the provider.

        Raises:
            SignInError: the provider cannot be reached, or describes itself wrongly.
        """
        from authlib.oauth2.rfc6749.parameters import prepare_grant_uri
        from authlib.oauth2.rfc7636 import create_s256_code_challenge

        with self._lock:
            description = self._describe()
        settings = self.settings
        address: str = prepare_grant_uri(
            description.authorization,
            settings.client_id,
            "code",
            settings.back,
            list(settings.scopes),
            pending.state,
            nonce=pending.nonce,
            code_challenge=create_s256_code_challenge(pending.verifier),
            code_challenge_method="S256",
            prompt=_PROMPTS[settings.ask],
        )
        return address

    def claims(self, code: str, pending: Pending) -> dict[str, Any]:
        """Exchange a code, and give what the provider says of the person.

        Raises:
            SignInError: the provider cannot be reached, does not take the code, or gives a token that must
                not be believed.
        """
        with self._lock:
            description = self._describe()
        answer = self._exchange(description, code, pending)
        token, access = answer.get("id_token"), answer.get("access_token")
        if not isinstance(token, str):
            raise SignInError("answer", f"{description.token}: gives no identity token")
        access = access if isinstance(access, str) else None
        for fresh in (False, True):
            keys = self._current_keys(description, fresh)
            try:
                return claims_of(token, keys, self.settings, pending.nonce, access)
            except UnknownKeyError:
                # A provider changes its keys now and then.
                continue
        raise SignInError("answer", "the identity token is signed by a key that the provider does not show")

    def _exchange(self, description: Description, code: str, pending: Pending) -> dict[str, Any]:
        settings = self.settings
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": settings.back,
            "code_verifier": pending.verifier,
        }
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        if self._secret is None or description.secret_in_body:
            form["client_id"] = settings.client_id
            if self._secret is not None:
                form["client_secret"] = self._secret
        else:
            both = f"{quote_plus(settings.client_id)}:{quote_plus(self._secret)}"
            headers["Authorization"] = f"Basic {base64.b64encode(both.encode()).decode()}"
        status, answer = self._wire.ask(description.token, urlencode(form).encode(), headers)
        if status != 200:
            said = str(answer.get("error", ""))[:100]
            raise SignInError("answer", f"{description.token}: does not take the code ({status} {said!r})")
        return answer

    def _describe(self) -> Description:
        now = time.monotonic()
        if self._known is None or now - self._known[0] > _KEPT:
            from authlib.oidc.discovery import get_well_known_url

            url: str = get_well_known_url(self.settings.issuer, external=True)
            status, content = self._wire.ask(url)
            if status != 200:
                raise SignInError("away", f"{url}: answers with status {status}")
            self._known = now, _description(content, self.settings, url)
        return self._known[1]

    def _current_keys(self, description: Description, fresh: bool) -> list[Key]:
        with self._lock:
            age = float("inf") if self._keys is None else time.monotonic() - self._keys[0]
            if age > (_PAUSE if fresh else _KEPT):
                return self._read_keys(description)
            assert self._keys is not None
            return self._keys[1]

    def _read_keys(self, description: Description) -> list[Key]:
        status, content = self._wire.ask(description.keys)
        if status != 200:
            raise SignInError("away", f"{description.keys}: answers with status {status}")
        self._keys = time.monotonic(), read_keys(content)
        return self._keys[1]


def _description(content: dict[str, Any], settings: OidcSettings, url: str) -> Description:
    if content.get("issuer") != settings.issuer:
        said = str(content.get("issuer"))[:100]
        raise SignInError("answer", f"{url}: names itself {said!r}: issuer must be exactly that")
    methods = content.get("code_challenge_methods_supported", ["S256"])
    kinds = content.get("response_types_supported", ["code"])
    if (
        not isinstance(methods, list)
        or "S256" not in methods
        or not isinstance(kinds, list)
        or "code" not in kinds
    ):
        raise SignInError("answer", f"{url}: does not offer the authorization code flow with PKCE (S256)")
    ways = content.get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
    in_body = isinstance(ways, list) and "client_secret_basic" not in ways and "client_secret_post" in ways
    out = content.get("end_session_endpoint") or ""
    return Description(
        _endpoint(content, "authorization_endpoint", url),
        _endpoint(content, "token_endpoint", url),
        _endpoint(content, "jwks_uri", url),
        _endpoint(content, "end_session_endpoint", url) if out else "",
        in_body,
    )


def _endpoint(content: dict[str, Any], name: str, url: str) -> str:
    address = content.get(name)
    try:
        if not isinstance(address, str):
            raise SettingsError(f"{name} is missing")
        checked_address(name, address.partition("?")[0])
    except SettingsError as error:
        raise SignInError("answer", f"{url}: {error}") from error
    return address


def _require_libraries() -> None:
    from importlib.util import find_spec

    if find_spec("authlib") is None or find_spec("joserfc") is None:
        raise SettingsError('[people.oidc] needs authlib: pip install "excision[oidc]"')

"""Identity tokens: whether one is the provider's, for this station and this sign-in, and what it says.

After "OpenID Connect Core 1.0 incorporating errata set 2" (Sakimura, Bradley, Jones, de Medeiros, Mortimore,
2023), section 3.1.3.7.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from excision.station.people.oidc.errors import SignInError
from excision.station.people.roles import ROLES, Role

if TYPE_CHECKING:
    from joserfc.jwk import Key

    from excision.station.people.oidc.settings import OidcSettings

ALGORITHMS = (
    *("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    *("ES256", "ES384", "ES512", "EdDSA", "Ed25519"),
)
"""Signatures that are believed: those that only the holder of a private key can make."""

LEEWAY = 60
"""Seconds by which two clocks may differ."""

_LONGEST = 2**16  # characters of a token
_MOST_KEYS = 100
_LONGEST_CLAIM = 200


class UnknownKeyError(Exception):
    """The token is signed by a key that is not among those of the provider."""


def read_keys(content: Mapping[str, Any]) -> list[Key]:
    """Read the public keys of a provider that sign; what this version does not know is passed over."""
    from joserfc.errors import JoseError
    from joserfc.jwk import import_key

    given = content.get("keys")
    if not isinstance(given, list) or len(given) > _MOST_KEYS:
        raise SignInError("answer", f"the provider gives no set of at most {_MOST_KEYS} keys")
    found = []
    for one in given:
        if not isinstance(one, dict) or one.get("kty") not in ("RSA", "EC", "OKP"):
            continue
        if one.get("use", "sig") != "sig":
            continue
        try:
            found.append(import_key(one))
        except (JoseError, ValueError, TypeError, KeyError, ArithmeticError):
            continue
    return found


def claims_of(
    token: str, keys: Sequence[Key], settings: OidcSettings, nonce: str, access_token: str | None
) -> dict[str, Any]:
    """Verify an identity token and give its claims.

    Args:
        token: as the provider gave it.
        keys: of the provider.
        settings: of the station.
        nonce: of this sign-in.
        access_token: that came with it, if any.

    Raises:
        UnknownKeyError: none of the keys made its signature.
        SignInError: it must not be believed.
    """
    from authlib.common.errors import AuthlibBaseError
    from authlib.oidc.core import CodeIDToken
    from joserfc import jwt
    from joserfc.errors import JoseError

    if len(token) > _LONGEST:
        raise SignInError("answer", f"the identity token has more than {_LONGEST} characters")
    try:
        key = _key_for(token, keys)
        read = jwt.decode(token, key, algorithms=list(ALGORITHMS))
        claims = CodeIDToken(
            read.claims,
            read.header,
            {
                "iss": {"essential": True, "value": settings.issuer},
                "sub": {"essential": True},
                "aud": {"essential": True, "value": settings.client_id},
                "nonce": {"essential": True},
            },
            {"nonce": nonce, "client_id": settings.client_id, "access_token": access_token},
        )
        claims.validate(leeway=LEEWAY)
    except (JoseError, AuthlibBaseError, ValueError, TypeError, KeyError, RecursionError) as error:
        raise SignInError("answer", f"the identity token must not be believed: {error}") from error
    subject, shown = claims["sub"], claims["nonce"]
    if not isinstance(subject, str) or not 0 < len(subject) <= 255:
        raise SignInError("answer", "the identity token names nobody")
    if not isinstance(shown, str) or not hmac.compare_digest(shown.encode(), nonce.encode()):
        raise SignInError("answer", "the identity token is not of this sign-in")
    return dict(claims)


def _key_for(token: str, keys: Sequence[Key]) -> Key:
    """Give the key that a token names; where it names none, the only one."""
    from joserfc.errors import JoseError
    from joserfc.jws import extract_compact

    try:
        header = extract_compact(token.encode()).headers()
    except (JoseError, ValueError, TypeError) as error:
        raise SignInError("answer", "the identity token is none") from error
    if header.get("alg") not in ALGORITHMS:
        raise SignInError("answer", f"the identity token is signed by {str(header.get('alg'))[:20]!r}")
    named = header.get("kid")
    fitting = [key for key in keys if named is None or key.kid == named]
    if len(fitting) != 1:
        raise UnknownKeyError
    return fitting[0]


def name_in(claims: Mapping[str, Any], settings: OidcSettings) -> str:
    """Give the name of a person."""
    name = claims.get(settings.name_claim)
    return name.strip() if isinstance(name, str) and name.strip() else str(claims["sub"])


def role_in(claims: Mapping[str, Any], settings: OidcSettings) -> Role | None:
    """Give the highest role that the claims give a person; None for none."""
    values = _claim(claims, settings.role_claim)
    given = {value for value in (values if isinstance(values, list) else [values]) if isinstance(value, str)}
    roles = [Role(role) for value, role in settings.roles.items() if value in given]
    if settings.default_role != "none":
        roles.append(Role(settings.default_role))
    return max(roles, key=ROLES.index, default=None)


def _claim(claims: Mapping[str, Any], name: str) -> Any:
    """Give a claim by its name, which may hold dots itself, or by its way from claim to claim."""
    if name in claims:
        return claims[name]
    found: Any = claims
    for part in name.split("."):
        found = found.get(part) if isinstance(found, Mapping) else None
    return found

"""Addresses of cameras on a network, shown without passwords."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from excision.errors import SettingsError
from excision.system.credentials import Secret
from excision.system.secrets import HIDDEN, without_secrets

_CREDENTIALS = re.compile(r"^([A-Za-z][A-Za-z0-9+.-]*://)(.*)@")


def shown_address(url: str) -> str:
    """Give a URL without what gives access.

    A password in a URL may hold characters that it should not, such as / and @: everything up to the last @
    is hidden.
    """
    return without_secrets(_CREDENTIALS.sub(rf"\1{HIDDEN}@", url))


def check_url(key: str, url: str, schemes: tuple[str, ...]) -> None:
    """Check the address of a camera.

    Raises:
        SettingsError: it is not a URL, has another scheme, or holds a password where none may be.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise SettingsError(f"{key} is {shown_address(url)!r}: it is not a URL ({error})") from None
    if parts.scheme not in schemes:
        known = " or ".join(f"{one}://" for one in schemes)
        raise SettingsError(f"{key} is {shown_address(url)!r}: it must begin with {known}")
    if not host or port == 0 or not url.isprintable() or " " in url:
        raise SettingsError(f"{key} is {shown_address(url)!r}: it names no host")
    if parts.username is not None or "@" in parts.path:
        raise SettingsError(
            f"{key} holds a user or a password: set the keys user and password, which is kept in a file"
        )


def check_login(user: str | None, password: Secret | None) -> None:
    """Check that a user has a password, and the other way round.

    Raises:
        SettingsError: one of them is missing.
    """
    if (user is None) != (password is None):
        missing = "password" if password is None else "user"
        raise SettingsError(f"{missing} is missing: user and password are given together")

"""Addresses that secrets go to: nobody between may read along."""

from __future__ import annotations

from urllib.parse import urlsplit

from excision.errors import SettingsError

_LOCAL = frozenset({"localhost", "127.0.0.1", "::1"})


def checked_address(name: str, url: str) -> None:
    """Check an address that a secret goes to, or comes from.

    Raises:
        SettingsError: it is none, or anybody between could read along.
    """
    try:
        parts = urlsplit(url)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        good = good and parts.username is None and not parts.fragment and not parts.query
    except ValueError:
        good = False
    if not good or not url.isprintable() or not url.isascii() or " " in url or len(url) > 500:
        raise SettingsError(f"{name}: give an address such as https://login.example, without user or query")
    if parts.scheme == "http" and parts.hostname not in _LOCAL:
        raise SettingsError(f"{name} must begin with https: whoever is between could sign in as anybody")

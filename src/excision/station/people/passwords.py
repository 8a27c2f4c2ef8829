"""Passwords: what one must be, and their Argon2id hashes."""

from __future__ import annotations

import unicodedata
from functools import cache
from typing import TYPE_CHECKING

from excision.errors import SettingsError

if TYPE_CHECKING:
    from argon2 import PasswordHasher

SHORTEST, LONGEST = 10, 500
"""Characters of a password."""


def check(password: str, name: str) -> None:
    """Check that a password can be used.

    Raises:
        SettingsError: it is too short or too long, or holds the name of its user.
    """
    if not SHORTEST <= len(password) <= LONGEST:
        raise SettingsError(f"a password has {SHORTEST} to {LONGEST} characters: choose another one")
    if name.casefold() in password.casefold() or len(set(password)) < 4:
        raise SettingsError("the password can be guessed from the name or repeats itself: choose another one")


def hashed(password: str) -> str:
    """Give the Argon2id hash of a password with a salt of its own.

    Raises:
        SettingsError: the package argon2-cffi is missing.
    """
    return _hasher().hash(_plain(password))


def fits(hash_: str, password: str) -> bool:
    """Tell whether a password is the one of a hash.

    An empty hash, which is that of a user who does not exist, takes as long as any other.
    """
    from argon2.exceptions import InvalidHashError, VerificationError

    try:
        return _hasher().verify(hash_ or _nobodys(), _plain(password)) and bool(hash_)
    except (VerificationError, InvalidHashError):
        return False


def is_available() -> bool:
    """Tell whether passwords can be checked on this machine."""
    from importlib.util import find_spec

    return find_spec("argon2") is not None


@cache
def _hasher() -> PasswordHasher:
    if not is_available():
        raise SettingsError('users need argon2-cffi: pip install "excision[users]"')
    from argon2 import PasswordHasher, Type

    # RFC 9106 (Biryukov, Dinu, Khovratovich, Josefsson, "Argon2 Memory-Hard Function for Password Hashing and
    # Proof-of-Work Applications", 2021), section 4: the second recommended option, 64 MiB of memory. One lane
    # keeps the other cores of a station at their inspections.
    return PasswordHasher(time_cost=3, memory_cost=2**16, parallelism=1, type=Type.ID)


@cache
def _nobodys() -> str:
    import secrets

    return hashed(secrets.token_urlsafe())


def _plain(password: str) -> bytes:
    # A letter with an umlaut may be one character or two, depending on the system it was typed on.
    return unicodedata.normalize("NFC", password).encode("utf-8", "surrogatepass")

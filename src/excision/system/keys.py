"""The key of a station: read from a file or the environment as people write it, and compared."""

from __future__ import annotations

import codecs
import hmac
import os
import re
import stat
import unicodedata
from pathlib import Path

from excision.errors import SettingsError

VARIABLE = "EXCISION_API_KEY"

SHORTEST = 16
"""Characters that a key must have at least."""

_MOST = 2**16  # bytes of a key file
_HOW = 'python -c "import secrets; print(secrets.token_urlsafe(32))"'
# In a container nobody else can read these, and its user must be able to.
_SECRETS = Path("/run/secrets")
_MARKS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))


class Key:
    """A key that requests must show.

    Args:
        text: of the key.
    """

    def __init__(self, text: str) -> None:
        self._content = _plain(text)

    def is_shown(self, shown: bytes) -> bool:
        """Tell whether bytes are this key, in UTF-8 or Latin-1, in a time that tells nothing of it.

        Args:
            shown: as they stand in a header or a form.
        """
        ways = [_plain(shown.decode("latin-1"))]
        try:
            ways.append(_plain(shown.decode("utf-8")))
        except UnicodeDecodeError:
            ways.append(b"")
        found = [hmac.compare_digest(way, self._content) for way in ways]
        return any(found)


def read_key(path: Path | None, variable: str | None = VARIABLE) -> str | None:
    """Read the key of a station.

    Args:
        path: of a file whose first line is the key, in UTF-8 or UTF-16; None reads the environment.
        variable: of the environment; None reads no variable.

    Returns:
        The key, or None where there is neither a file nor a variable.

    Raises:
        SettingsError: the key is missing, too short, or cannot be read.
        OSError: there is no such file.
    """
    if path is None:
        value = os.environ.get(variable, "") if variable is not None else ""
        return _checked(value.encode("utf-8", "surrogateescape"), variable or "") if value else None
    with path.open("rb") as stream:
        content = stream.read(_MOST + 1)
    if len(content) > _MOST:
        raise SettingsError(f"{path}: a key file has {_MOST} bytes at most; its first line is the key")
    return _checked(content, str(path))


def exposure_of(path: Path) -> str | None:
    """Say who can read a key file beside its owner, and how to change that; None where nobody can."""
    mode = path.stat().st_mode
    if path.absolute().is_relative_to(_SECRETS):
        return None
    if os.name != "posix" or not stat.S_ISREG(mode) or not mode & (stat.S_IRGRP | stat.S_IROTH):
        return None
    who = "every user of this machine" if mode & stat.S_IROTH else "its group"
    return f"{path} holds the station's key and can be read by {who}: chmod 600 {path}"


def _checked(content: bytes, origin: str) -> str:
    text = _decoded(content, origin)
    key = re.split(r"[\r\n]", text.lstrip("\ufeff"), maxsplit=1)[0].strip()
    if not key:
        raise SettingsError(f"{origin}: its first line must be the key. Make one with: {_HOW}")
    if not key.isprintable():
        raise SettingsError(f"{origin}: the key holds characters that cannot be typed. Make one with: {_HOW}")
    if len(key) < SHORTEST:
        raise SettingsError(
            f"{origin}: the key has {len(key)} characters and needs {SHORTEST} or more. Make one with: {_HOW}"
        )
    return key


def _decoded(content: bytes, origin: str) -> str:
    mark, encoding = next((pair for pair in _MARKS if content.startswith(pair[0])), (b"", "utf-8"))
    if not mark and b"\0" in content[:2]:
        encoding = "utf-16-be" if content[:1] == b"\0" else "utf-16-le"
    try:
        return content[len(mark) :].decode(encoding)
    except UnicodeDecodeError as error:
        raise SettingsError(f"{origin}: the key is neither UTF-8 nor UTF-16: save it as UTF-8") from error


def _plain(text: str) -> bytes:
    # A letter with an umlaut may be one character or two, depending on the system it was typed on.
    return unicodedata.normalize("NFC", text.strip()).encode("utf-8", "surrogatepass")

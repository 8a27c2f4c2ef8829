"""Names of files that a system may hold: cut to its limit, and shown safely on a terminal."""

from __future__ import annotations

import hashlib
import os
import re
import unicodedata

LONGEST = 255
"""Bytes of a file name that common file systems take."""

PLAIN_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}")
"""Name of a model: of a folder on any system, and of a place in a URL."""

_DIGITS = 10
_LONGEST_ENDING = 100  # bytes; what is longer is no ending that a program looks at

# Characters that move the cursor, break the line, or reverse the order of what follows.
_UNSAFE = frozenset({"Cc", "Cs", "Zl", "Zp"})
_DIRECTION = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def fit_name(stem: str, ending: str = "", longest: int = LONGEST) -> str:
    """Return `stem + ending`, cut to what a file system takes.

    A cut name ends with a hash of the whole stem before its ending, so that different names stay different
    and the same name is always cut in the same way.

    Args:
        stem: name without its ending; may hold bytes that are not text, as `os.fsdecode` gives them.
        ending: is kept whole, unless it is longer than any ending that has a meaning.
        longest: limit in bytes.
    """
    if _size(stem + ending) <= longest:
        return stem + ending
    if _size(ending) > _LONGEST_ENDING:
        stem, ending = stem + ending, ""
    digest = hashlib.sha256(_bytes(stem)).hexdigest()[:_DIGITS]
    return f"{cut_text(stem, longest - _size(ending) - _DIGITS - 1)}-{digest}{ending}"


def cut_text(text: str, longest: int) -> str:
    """Return the beginning of a text that takes at most `longest` bytes, without half a character."""
    room = longest
    for place, character in enumerate(text):
        room -= _size(character)
        if room < 0:
            return text[:place]
    return text


def printable(text: str, *, lines: bool = False) -> str:
    r"""Escape what a terminal would obey instead of showing, such as a newline or an escape sequence.

    Args:
        text: may hold bytes that are not text, which become escapes such as `\xff`.
        lines: keep newlines and tabs, for a text of several lines.
    """
    return "".join(
        character if _is_safe(character) or (lines and character in "\n\t") else _escaped(character)
        for character in text
    )


def _is_safe(character: str) -> bool:
    return unicodedata.category(character) not in _UNSAFE and character not in _DIRECTION


def _escaped(character: str) -> str:
    if 0xDC80 <= ord(character) <= 0xDCFF:
        # How Python holds a byte of a file name that is not text.
        return f"\\x{ord(character) - 0xDC00:02x}"
    return character.encode("unicode_escape").decode("ascii")


def _size(text: str) -> int:
    return len(_bytes(text))


def _bytes(text: str) -> bytes:
    try:
        return os.fsencode(text)
    except UnicodeEncodeError:
        # Half of a surrogate pair, or a character that the file system cannot hold.
        return text.encode("utf-8", "surrogatepass")

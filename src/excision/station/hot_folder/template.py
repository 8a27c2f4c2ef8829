"""Templates of file names, such as "{lot}/{serial}_{view}.png": every way to read a path by one."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import cache

from excision.data.image_names import IMAGE_SUFFIXES
from excision.errors import SettingsError

_FIELD = re.compile(r"\{([^{}]*)\}|(\*)")
_MOST = 8
"""Ways to read a path of which more are not looked for."""

Way = tuple[tuple[str, str], ...]


def is_template(pattern: str) -> bool:
    """Tell whether a pattern is a template, not a regular expression."""
    return "(?P<" not in pattern and re.search(r"\{[^\W\d]", pattern) is not None


class Template:
    """Reads fields from paths: "{name}" is one character or more, "*" any number of them, both without "/".

    A template with so many "/" is compared with the end of a path: the name of the file, and the folders
    that it names. The ending may be left out, and then any will do.

    Args:
        text: of the template.
        known: names that fields may have.
        views: what "{view}" may stand for; empty for anything.

    Attributes:
        fields: names of its fields.

    Raises:
        SettingsError: it has no field, an unknown one, one twice, or two without text in between.
    """

    def __init__(self, text: str, known: Sequence[str], views: Sequence[str] = ()) -> None:
        stem, dot, ending = text.rpartition(".")
        ends = f".{ending.lower()}" in IMAGE_SUFFIXES or ending == "*"
        self._ending = f".{ending.lower()}" if ends and dot and ending != "*" else ""
        self._views, self._depth = tuple(views), text.count("/") + 1
        self._tokens = tuple(_tokens(stem if ends and dot else text, known))
        self.fields = frozenset(name for kind, name in self._tokens if kind == "field")
        if not self.fields:
            raise SettingsError(f"it has no field; there are {_braced(known)}")

    def ways(self, path: str) -> list[dict[str, str]]:
        """Give every way to read a path, 8 at most: what each field stands for."""
        name, _, ending = "/".join(path.split("/")[-self._depth :]).rpartition(".")
        if self._ending and f".{ending.lower()}" != self._ending:
            return []

        @cache
        def read(token: int, start: int) -> tuple[Way, ...]:
            if token == len(self._tokens):
                return ((),) if start == len(name) else ()
            found: dict[Way, None] = {}
            kind, text = self._tokens[token]
            if kind == "text":
                return read(token + 1, start + len(text)) if name.startswith(text, start) else ()
            for end in _ends(name, start, at_least=kind == "field"):
                said: Way = () if kind == "any" else ((text, name[start:end]),)
                if text == "view" and self._views and name[start:end] not in self._views:
                    continue
                found |= dict.fromkeys(said + rest for rest in read(token + 1, end))
                if len(found) >= _MOST:
                    break
            return tuple(found)[:_MOST]

        return [dict(way) for way in read(0, 0)]


def _ends(name: str, start: int, *, at_least: bool) -> Iterator[int]:
    stop = name.find("/", start)
    yield from range(start + at_least, (len(name) if stop < 0 else stop) + 1)


def _tokens(text: str, known: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Give ("field", name), ("any", "") and ("text", characters)."""
    at, seen, wild = 0, set[str](), False
    for match in _FIELD.finditer(text):
        if between := text[at : match.start()]:
            yield _plain(between)
        elif wild:
            raise SettingsError(
                f"nothing stands before {match[0]}, so nobody could tell where the field before it ends; "
                "write a character between them that the fields do not have, such as _ or /"
            )
        name = match[1]
        if name is not None and name not in known:
            raise SettingsError(f"{{{name}}} is unknown; there are {_braced(known)}, and * for anything")
        if name in seen:
            raise SettingsError(f"{{{name}}} stands there twice")
        seen.add(name or "")
        seen.discard("")
        yield ("any", "") if name is None else ("field", name)
        at, wild = match.end(), True
    if rest := text[at:]:
        yield _plain(rest)


def _plain(text: str) -> tuple[str, str]:
    if "{" in text or "}" in text:
        raise SettingsError("a brace { or } has no counterpart")
    return "text", text


def _braced(known: Sequence[str]) -> str:
    return ", ".join(f"{{{name}}}" for name in known)

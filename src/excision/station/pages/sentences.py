"""Sentences that other rooms make in English, in the language of a page.

Promises, reasons, warnings, errors and stored records are written once, in English, as the command line, the
interface, logs and old records have them. A page looks each up by its English form in the catalogue
`sentences/*.toml`, as gettext does, and takes the parameters out of it. What the catalogue does not know
stays English.

A form may hold `{name}` for a text that stays as it is, `{name:n}` for a number, `{name:p}` for one of the
phrases, and `{name:s}` for something that is translated if the catalogue knows it.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib import resources
from string import Formatter

from excision.station.pages.numbers import in_language
from excision.station.pages.strings import DEFAULT

_LONGEST = 6000
"""Characters of a text; what is longer stays English, so that nobody makes the station search for long."""

_LONGEST_VALUE = 400
_DEEPEST = 24

_NUMBER = r"[-+]?(?:\d[\d,]*(?:\.\d+)?|\d*\.\d+)(?:e[-+]?\d+)?(?: ?%)?"
_PATTERN = {
    "": rf"(?s:.{{1,{_LONGEST_VALUE}}}?)",
    "n": _NUMBER,
    "p": r".{1,500}?",
    "s": rf"(?s:.{{1,{_LONGEST}}}?)",
}


@dataclass(frozen=True, slots=True)
class Form:
    """One entry of the catalogue.

    Attributes:
        pattern: of the English form, with a group for each value.
        beginning: the same, where another sentence follows.
        kinds: of the values, by name.
        pieces: of the English form between the values: a quick look whether it can fit at all.
        words: the form by language.
    """

    pattern: re.Pattern[str]
    beginning: re.Pattern[str]
    kinds: dict[str, str]
    pieces: tuple[str, ...]
    words: dict[str, str]

    def can_begin(self, text: str) -> bool:
        """Tell whether all pieces are there, in their order."""
        place = len(self.pieces[0])
        if not text.startswith(self.pieces[0]):
            return False
        for piece in self.pieces[1:]:
            found = text.find(piece, place)
            if found < 0:
                return False
            place = found + len(piece)
        return True


def translated(text: str, language: str) -> str:
    """Give a text in a language, as far as the catalogue knows its sentences.

    Args:
        text: one sentence or several, in English.
        language: tag such as "de".
    """
    if language == DEFAULT or not text or len(text) > _LONGEST:
        return text
    return _known(text, language) or text


def reasons(text: str, language: str) -> str:
    """Give the reasons of a part in a language, which stand between semicolons."""
    return "; ".join(translated(reason, language) for reason in text.split("; "))


def is_known(text: str, language: str) -> bool:
    """Tell whether the catalogue knows every sentence of a text."""
    return language == DEFAULT or _known(text, language) is not None


@lru_cache(2048)
def _known(text: str, language: str) -> str | None:
    found = _whole(text, language, 0) or _phrase(text, language, 0)
    if found is not None:
        return found
    # A file, a model or a view may be named in front of what is said of it.
    name, colon, rest = text.partition(": ")
    known = _whole(rest, language, 0) or _phrase(rest, language, 0) if colon else None
    return None if known is None else f"{name}{colon}{known}"


def _whole(text: str, language: str, depth: int) -> str | None:
    """Translate sentence after sentence; None where one is unknown."""
    if depth > _DEEPEST:
        return None
    capital = text[:1].lower() + text[1:] if text[:1].isupper() else None
    for form in catalogue()[0]:
        for shown, raised in ((text, False), (capital, True)):
            if shown is None or not form.can_begin(shown):
                continue
            done = _fitting(form, shown, language, depth)
            if done is not None:
                return done[:1].upper() + done[1:] if raised else done
    return None


def _fitting(form: Form, text: str, language: str, depth: int) -> str | None:
    """Translate a text that begins with this form; the first of several sentences before one long one."""
    begun = form.beginning.match(text)
    if begun is not None:
        separator, rest = text[begun.end()], text[begun.end() + 1 :]
        first = _filled(form, begun, language, depth)
        following = _whole(rest, language, depth + 1) if first is not None else None
        if first is not None and following is not None:
            return f"{first}{'' if language == 'zh' else separator}{following}"
    found = form.pattern.fullmatch(text)
    return None if found is None else _filled(form, found, language, depth)


def _filled(form: Form, found: re.Match[str], language: str, depth: int) -> str | None:
    values = {}
    for name, kind in form.kinds.items():
        value = found[name]
        if kind == "n":
            values[name] = in_language(value, language)
        elif kind == "p":
            phrase = _phrase(value, language, depth + 1)
            if phrase is None:
                return None
            values[name] = phrase
        elif kind == "s":
            values[name] = _whole(value, language, depth + 1) or _phrase(value, language, depth + 1) or value
        else:
            values[name] = value
    return form.words[language].format_map(values)


def _phrase(text: str, language: str, depth: int) -> str | None:
    if depth > _DEEPEST:
        return None
    for form in catalogue()[1]:
        if form.can_begin(text) and (found := form.pattern.fullmatch(text)):
            done = _filled(form, found, language, depth)
            if done is not None:
                return done
    return None


@cache
def catalogue() -> tuple[tuple[Form, ...], tuple[Form, ...]]:
    """Read all sentences, and the phrases that stand within them; the surest forms first."""
    sentences: list[Form] = []
    phrases: list[Form] = []
    for file in resources.files(__package__).joinpath("sentences").iterdir():
        if file.name.endswith(".toml"):
            content = tomllib.loads(file.read_text("utf-8"))
            sentences += [_form(entry) for entry in content.get("sentence", ())]
            phrases += [_form(entry) for entry in content.get("phrase", ())]
    for found in (sentences, phrases):
        # What begins with words is surer than what begins with any text.
        found.sort(key=lambda form: (not form.pieces[0], -sum(map(len, form.pieces))))
    return tuple(sentences), tuple(phrases)


def _form(words: dict[str, str]) -> Form:
    pattern, pieces = "", [""]
    kinds: dict[str, str] = {}
    for literal, name, kind, _ in Formatter().parse(words[DEFAULT]):
        pattern += re.escape(literal)
        pieces[-1] += literal
        if name is not None:
            pattern += f"(?P={name})" if name in kinds else f"(?P<{name}>{_PATTERN[kind or '']})"
            kinds.setdefault(name, kind or "")
            pieces.append("")
    plain = {tag: re.sub(r"\{(\w+):\w+\}", r"{\1}", text) for tag, text in words.items()}
    return Form(re.compile(pattern), re.compile(rf"{pattern}(?=[ \n])"), kinds, tuple(pieces), plain)

"""The words of the pages, one TOML file for each language."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib import resources
from string import Formatter
from typing import Any

DEFAULT = "en"
"""Language of texts that a translation lacks."""


class _Counting(Formatter):
    def format_field(self, value: Any, format_spec: str) -> str:
        one, separator, other = format_spec.partition("|")
        if not separator:
            return str(super().format_field(value, format_spec))
        return one if str(value) == "1" else other


_COUNTING = _Counting()


class Words:
    """The words of one language.

    Args:
        language: its tag, as HTML's `lang` takes it.
        entries: sentence by dotted name.
        fallback: where an entry is missing; None for nowhere.
    """

    def __init__(
        self, language: str, entries: Mapping[str, str], fallback: Mapping[str, str] | None = None
    ) -> None:
        self.language = language
        self._entries = {**(fallback or {}), **entries}

    def __call__(self, name: str, /, **values: Any) -> str:
        """Give a sentence with its values filled in.

        Where there is a value `n`, the entry `<name>.one` is for 1 and `<name>.other` for all other numbers,
        if the file has them. Within a sentence, `{parts:part|parts}` stands for the first word if the value
        `parts` is 1, and for the second if it is any other.

        Raises:
            KeyError: there is no such sentence, or it wants a value that is not given.
        """
        if "n" in values and name not in self._entries:
            name = f"{name}.{'one' if values['n'] == 1 else 'other'}"
        return _COUNTING.vformat(self._entries[name], (), values)

    def __contains__(self, name: str) -> bool:
        return name in self._entries


@cache
def languages() -> tuple[str, ...]:
    """Give the languages that there is a file for, the default first."""
    folder = resources.files(__package__).joinpath("translations")
    names = sorted(
        file.name.removesuffix(".toml") for file in folder.iterdir() if file.name.endswith(".toml")
    )
    return (DEFAULT, *(name for name in names if name != DEFAULT))


@cache
def words(language: str = DEFAULT) -> Words:
    """Read the texts of a language; missing ones fall back to the default language."""
    fallback = None if language == DEFAULT else _read(DEFAULT)
    return Words(language, _read(language), fallback)


def preferred(accepted: str, known: tuple[str, ...]) -> str:
    """Choose a language by the header `Accept-Language` of a browser.

    Args:
        accepted: such as "de-AT,de;q=0.9,en;q=0.5"; anything else chooses the first.
        known: languages to choose from, the default first.
    """
    wishes: list[tuple[float, str]] = []
    for part in accepted.split(","):
        tag, _, weight = part.strip().partition(";q=")
        try:
            wishes.append((float(weight or 1), tag.partition("-")[0].lower()))
        except ValueError:
            continue
    # Sorting keeps the order of equal wishes, which is the browser's.
    for wish, tag in sorted(wishes, key=lambda pair: -pair[0]):
        if wish > 0 and tag in known:
            return tag
    return known[0]


def _read(language: str) -> dict[str, str]:
    text = resources.files(__package__).joinpath("translations", f"{language}.toml").read_text("utf-8")
    return dict(_flat(tomllib.loads(text)))


def _flat(table: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for name, value in table.items():
        if isinstance(value, Mapping):
            found += _flat(value, f"{prefix}{name}.")
        else:
            found.append((f"{prefix}{name}", str(value)))
    return found

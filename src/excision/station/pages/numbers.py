"""Numbers and times as a language writes them."""

from __future__ import annotations

from datetime import datetime

NONE = "\N{EN DASH}"
"""Shown in place of a missing number."""

_COMMA = {"de"}
"""Languages that write a comma before decimals."""

_DAY = {"de": "%d.%m.%Y"}


def figure(value: float | None, language: str = "") -> str:
    """Write a score: four digits; a dash for none."""
    return NONE if value is None else written(f"{value:.4g}", language)


def percent(share: float, language: str = "") -> str:
    """Write a share in per cent: three digits."""
    return written(f"{100 * share:.3g} %", language)


def decimals(value: float, places: int, language: str = "", *, sign: bool = False) -> str:
    """Write a number with so many decimals, and with its sign if that matters."""
    return written(f"{value:{'+' if sign else ''}.{places}f}", language)


def moment(seconds: float, language: str = "") -> str:
    """Write a time in the time zone of the station: 2026-03-02 08:15:00."""
    return local(seconds).strftime(f"{_DAY.get(language, '%Y-%m-%d')} %H:%M:%S")


def local(seconds: float) -> datetime:
    """Give a time in the time zone of the station."""
    return datetime.fromtimestamp(seconds).astimezone()


def in_language(number: str, language: str) -> str:
    """Write a number that is written as in English in the form of a language."""
    return number.translate(str.maketrans(",.", ".,")) if language in _COMMA else number


def written(text: str, language: str) -> str:
    """Write text with a number in it, which has no separators of thousands, with the sign of a language."""
    return text.replace(".", ",") if language in _COMMA else text

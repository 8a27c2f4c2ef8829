"""Checking settings against the declared types of their dataclasses."""

from __future__ import annotations

import math
import reprlib
from collections.abc import Mapping
from functools import cache
from types import MappingProxyType
from typing import Any, get_args, get_type_hints

from excision.errors import SettingsError

_PLAIN = {int: "a whole number", float: "a finite number", bool: "true or false", str: "text"}


def require(condition: bool, message: str) -> None:
    """Raise a SettingsError with this message unless the condition holds."""
    if not condition:
        raise SettingsError(message)


def check_keys(kind: Any, section: str, values: Any) -> None:
    """Check that the values of a section are fields of its dataclass `kind`, with the right types.

    Raises:
        SettingsError: a name is unknown, or a value has a wrong type.
    """
    hints = _types_of(kind)
    for key, value in as_fields(values).items():
        require(key in hints, f"{section}.{key} is unknown; known are {', '.join(hints)}")
        _check(f"{section}.{key}", value, hints[key])


def check_types(section: str, settings: Any) -> None:
    """Check that each value of a dataclass of settings is allowed by its field.

    Raises:
        SettingsError: a value has a wrong type, is not finite, or is not one of the choices.
    """
    kind: Any = type(settings)
    for key, hint in _types_of(kind).items():
        _check(f"{section}.{key}", getattr(settings, key), hint)


@cache
def _types_of(kind: Any) -> Mapping[str, Any]:
    """Return the declared types of a dataclass: to resolve them takes longer than to check its values."""
    return MappingProxyType(get_type_hints(kind))


def as_fields(values: dict[str, Any]) -> dict[str, Any]:
    """Convert the arrays of a TOML table to the tuples of the dataclasses."""
    return {key: tuple(value) if isinstance(value, list) else value for key, value in values.items()}


def _check(name: str, value: Any, hint: Any) -> None:
    require(_fits(value, hint), f"{name} is {reprlib.repr(value)}: it must be {_describe(hint)}")


def _fits(value: Any, hint: Any) -> bool:
    """Tell whether a value fits a plain type, a Literal, a tuple of plain types, or one of these or None."""
    if hint is float:
        return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    if isinstance(hint, type):
        return type(value) is hint
    choices = get_args(hint)
    if type(None) in choices:
        return value is None or any(_fits(value, choice) for choice in choices if choice is not type(None))
    if isinstance(value, tuple):
        return len(value) == len(choices) and all(map(_fits, value, choices))
    return any(type(value) is type(choice) and value == choice for choice in choices)


def _describe(hint: Any) -> str:
    if hint in _PLAIN:
        return _PLAIN[hint]
    choices = [choice for choice in get_args(hint) if choice is not type(None)]
    if len(choices) == 1:
        return _describe(choices[0])
    if all(choice is int for choice in choices):
        return f"{len(choices)} whole numbers"
    if all(choice is float for choice in choices):
        return f"{len(choices)} finite numbers"
    return " or ".join(f'"{choice}"' if isinstance(choice, str) else str(choice) for choice in choices)

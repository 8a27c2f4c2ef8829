"""Builds nested dataclasses from JSON, and checks every value against its type."""

from __future__ import annotations

import dataclasses
import types
from typing import Any, Literal, get_args, get_origin, get_type_hints


def build(wanted: Any, value: Any, name: str = "it") -> Any:
    """Check a value from JSON against a type, and build it.

    Args:
        wanted: a dataclass, `tuple[T, ...]`, a Literal, `T | None`, str, int, float or bool.
        value: as JSON gives it.
        name: of the value, for the message.

    Raises:
        TypeError: a value is of another type.
        ValueError: an entry is missing or unknown, or a value is none of those that may be.
    """
    origin, inner = get_origin(wanted), get_args(wanted)
    if dataclasses.is_dataclass(wanted):
        found: Any = _object(wanted, value, name)
    elif origin is types.UnionType:
        found = None if value is None else build(inner[0], value, name)
    elif origin is tuple:
        if not isinstance(value, list):
            raise TypeError(f"{name} is no list")
        found = tuple(build(inner[0], one, name) for one in value)
    elif origin is Literal:
        if value not in inner:
            raise ValueError(f"{name} is {str(value)[:30]!r}")
        found = value
    else:
        found = float(value) if wanted is float and type(value) is int else value
        if type(found) is not wanted:
            raise TypeError(f"{name} is not of type {wanted.__name__}")
    return found


def _object(wanted: Any, value: Any, name: str) -> Any:
    hints = get_type_hints(wanted)
    if not isinstance(value, dict) or set(value) != set(hints):
        raise ValueError(f"{name} has other entries than {', '.join(hints)}"[:200])
    return wanted(**{key: build(kind, value[key], key) for key, kind in hints.items()})

"""Values of a file of settings, converted to what the annotation of a field asks for."""

from __future__ import annotations

import math
import reprlib
from collections.abc import Mapping
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

from excision.errors import SettingsError
from excision.storage.entry import is_url
from excision.system.credentials import Secret
from excision.system.duration import EXAMPLE, Duration, read_duration

_PLAIN: dict[Any, str] = {
    str: "text in quotes",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    Path: "a path in quotes",
    Duration: EXAMPLE,
    Secret: '{ file = "PATH" } or { env = "VARIABLE" }: a secret does not stand in this file',
}


class MisfitError(Exception):
    """A value is not what its field asks for."""


def convert(value: Any, hint: Any, folder: Path) -> Any:
    """Convert a value of a TOML file.

    Args:
        value: as it was read.
        hint: str, int, float, bool, Path, Duration, Secret, a Literal, a tuple of any length or a mapping by
            names of these, or a union of them with None or with each other.
        folder: that paths are relative to; addresses (URLs) stay as they are.

    Raises:
        MisfitError: it is not that.
    """
    origin, inner = get_origin(hint), get_args(hint)
    if hint == Duration:
        return _plain(value, hint, folder)
    if origin in (Union, UnionType):
        return _first_fit(value, [one for one in inner if one is not NoneType], folder)
    if origin is Literal:
        if any(type(value) is type(choice) and value == choice for choice in inner):
            return value
    elif origin is tuple and isinstance(value, list):
        return tuple(convert(one, inner[0], folder) for one in value)
    elif isinstance(origin, type) and issubclass(origin, Mapping) and isinstance(value, dict):
        return {name: convert(one, inner[1], folder) for name, one in value.items()}
    else:
        return _plain(value, hint, folder)
    raise MisfitError(f"is {shown(value)}: it must be {describe(hint)}")


def _plain(value: Any, hint: Any, folder: Path) -> Any:
    try:
        if hint == Duration and isinstance(value, str):
            return read_duration(value)
        if hint is Secret and isinstance(value, dict):
            return _secret(value, folder)
    except (ValueError, SettingsError) as error:
        raise MisfitError(f"is wrong: {error}") from error
    if hint is Path and isinstance(value, str) and value.strip() and "\0" not in value:
        return Path(value) if is_url(value) else folder / Path(value).expanduser()
    if hint is float and type(value) in (int, float) and math.isfinite(value):
        return float(value)
    if hint in (str, int, bool) and type(value) is hint:
        return value
    # What somebody wrote in place of the name of a file may be the secret itself.
    said = "is not shown here" if hint is Secret else f"is {shown(value)}"
    raise MisfitError(f"{said}: it must be {describe(hint)}")


def _first_fit(value: Any, hints: list[Any], folder: Path) -> Any:
    faults = []
    for hint in hints:
        try:
            return convert(value, hint, folder)
        except MisfitError as error:
            faults.append(error)
    if len(faults) == 1:
        raise faults[0]
    raise MisfitError(f"is {shown(value)}: it must be {' or '.join(map(describe, hints))}")


def _secret(value: dict[str, Any], folder: Path) -> Secret:
    if set(value) - {"file", "env"} or not all(isinstance(one, str) and one for one in value.values()):
        raise SettingsError(f"it must be {_PLAIN[Secret]}")
    file = value.get("file")
    return Secret(None if file is None else folder / Path(file).expanduser(), value.get("env"))


def describe(hint: Any) -> str:
    """Say in words what a value of a type is."""
    if hint in _PLAIN:
        return _PLAIN[hint]
    inner = [one for one in get_args(hint) if one is not NoneType]
    if get_origin(hint) is Literal:
        return " or ".join(f'"{one}"' if isinstance(one, str) else str(one) for one in inner)
    if get_origin(hint) is tuple:
        return f"a list, each {describe(inner[0])}"
    if get_origin(hint) in (Union, UnionType):
        return " or ".join(map(describe, inner))
    return "a table"


def shown(value: Any) -> str:
    """Write a value shortly, for a message."""
    return reprlib.repr(value)

"""Exported folders to damage: one of the first release, without hashes, and the same sealed with hashes."""

from __future__ import annotations

import copy
import json
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from excision.runtime.model_folder import DESCRIPTION, Description

FORMAT_1 = Path(__file__).parents[1] / "compatibility" / "format_1"
IMAGE = min(FORMAT_1.glob("*.png"))


def old_folder(below: Path) -> Path:
    """Copy the folder that the first release wrote."""
    return Path(shutil.copytree(FORMAT_1 / "exported", below / "old"))


def sealed_folder(below: Path) -> Path:
    """Copy the same folder, and seal it as `export` does."""
    folder = Path(shutil.copytree(FORMAT_1 / "exported", below / "sealed"))
    Description.load(folder).sealed(folder).save(folder)
    return folder


def read(folder: Path) -> Any:
    return json.loads((folder / DESCRIPTION).read_text("utf-8"))


def leaves(content: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Give the way to every entry, also to those that hold others."""
    if path:
        yield path
    if isinstance(content, dict):
        for name, value in content.items():
            yield from leaves(value, (*path, name))
    elif isinstance(content, list):
        for place, value in enumerate(content):
            yield from leaves(value, (*path, place))


def put(content: Any, path: tuple[str | int, ...], value: Any) -> None:
    """Replace an entry."""
    holder = content
    for step in path[:-1]:
        holder = holder[step]
    holder[path[-1]] = value


def take(content: Any, path: tuple[str | int, ...]) -> Any:
    """Remove an entry, and give it."""
    holder = content
    for step in path[:-1]:
        holder = holder[step]
    return holder.pop(path[-1])


def changed(content: Any, values: Sequence[Any]) -> Iterator[tuple[tuple[str | int, ...], Any, Any]]:
    """Give copies of a content in which one entry was removed or replaced by one of some values.

    Each comes with the way to the entry and its new value, which is `take` if it was removed.
    """
    for path in leaves(content):
        for value in (*values, take):
            copied = copy.deepcopy(content)
            if value is take:
                take(copied, path)
            else:
                put(copied, path, value)
            if copied != content:
                yield path, value, copied

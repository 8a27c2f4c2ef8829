"""Folders that verbs take as URLs: models are copied to this machine, results are copied when all is done.

A verb whose parameter has one of these converters works on local folders, and knows nothing of URLs. A URL
for any other path is refused.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cyclopts import Token

if TYPE_CHECKING:
    from excision.storage.outgoing import Outgoing

# A path has one slash where the URL had two.
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+-]+:/[^/]")


@dataclass
class _Places:
    """What one command line works on.

    Attributes:
        copies: local copies, each with its URL.
        results: local folders that are to be copied.
    """

    copies: dict[Path, str] = field(default_factory=dict)
    results: list[Outgoing] = field(default_factory=list)


_PLACES: ContextVar[_Places] = ContextVar("places")


def begin() -> None:
    """Forget the places of an earlier command line."""
    _PLACES.set(_Places())


def readable(_: Any, tokens: Sequence[Token]) -> Path:
    """Read the path of a folder, or copy the folder at a URL to the cache and give the path of the copy."""
    from excision.storage.entry import is_url, local_path

    word = tokens[0].value
    if not is_url(word):
        return Path(word)
    path = local_path(word)
    if path is None:
        from excision.storage.mirror import mirror

        path = mirror(word)
        _PLACES.get().copies[path] = word
    return path


def writable(_: Any, tokens: Sequence[Token]) -> Path:
    """Read the path of a folder to write, or give a local one that is copied to the URL at the end."""
    from excision.storage.outgoing import outgoing_folder

    local = _local(tokens[0].value)
    if local is None:
        outgoing = outgoing_folder(tokens[0].value)
        _PLACES.get().results.append(outgoing)
        local = outgoing.local
    return local


def writable_file(_: Any, tokens: Sequence[Token]) -> Path:
    """Read the path of a file to write, or give a local one that is copied to the URL at the end."""
    from excision.storage.outgoing import outgoing_file

    local = _local(tokens[0].value)
    if local is None:
        outgoing, local = outgoing_file(tokens[0].value)
        _PLACES.get().results.append(outgoing)
    return local


def _local(word: str) -> Path | None:
    from excision.storage.entry import is_url, local_path

    return local_path(word) if is_url(word) else Path(word)


def own_folder(model: Path, instead: str) -> Path:
    """Give the folder of a model that is to be written to.

    Args:
        model: folder of a model.
        instead: what to do if it is a copy.

    Raises:
        SettingsError: it is the copy of a model at a URL, in which nothing would last.
    """
    from excision.errors import SettingsError

    url = _PLACES.get(_Places()).copies.get(model)
    if url is not None:
        raise SettingsError(f"{url}: nothing is written into a model at a URL: {instead}")
    return model


def refuse_urls(arguments: Mapping[str, Any]) -> None:
    """Refuse a URL where a verb takes only a path.

    Raises:
        SettingsError: there is one.
    """
    from excision.errors import SettingsError

    for path in _paths(arguments.values()):
        if _URL.match(str(path)):
            url = str(path).replace(":/", "://", 1)
            raise SettingsError(f"{url}: this must be a local path, not a URL: copy it to this machine")


def _paths(values: Iterable[Any]) -> Iterable[Path]:
    for value in values:
        if isinstance(value, Path):
            yield value
        elif isinstance(value, list | tuple):
            yield from _paths(value)
        elif dataclasses.is_dataclass(value):
            yield from _paths(getattr(value, one.name) for one in dataclasses.fields(value))


def deliver() -> None:
    """Copy the results to where they belong.

    Raises:
        ResultsError: a file cannot be written.
    """
    from excision.cli.output import say
    from excision.system.secrets import without_secrets

    for outgoing in _PLACES.get().results:
        outgoing.deliver()
        say(f"Copied to {without_secrets(outgoing.url)}; {outgoing.local} is removed.")

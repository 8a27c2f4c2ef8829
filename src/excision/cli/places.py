"""Folders that verbs take as URLs: models are copied to this machine, results are copied when all is done.

A verb whose parameter is marked with a `Use` works on local folders, and knows nothing of URLs. A URL for any
other path is refused.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable
from contextvars import ContextVar
from dataclasses import dataclass, field
from enum import Enum
from inspect import BoundArguments
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_type_hints

if TYPE_CHECKING:
    from excision.storage.outgoing import Outgoing


class Use(Enum):
    """What a verb does with a path that may be a URL."""

    READ = "reads a folder"
    CHANGE = "changes the folder of a model, which must lie on this machine"
    WRITE = "writes a folder"
    WRITE_FILE = "writes a file"


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


def bring(verb: Callable[..., Any], arguments: BoundArguments) -> None:
    """Replace URLs by local folders where a verb says how it uses them.

    Args:
        verb: what will be called.
        arguments: of the verb.

    Raises:
        SettingsError: a URL is given for a path that must be local, a version in a registry for a model
            that is to be changed, or results are there already.
        DatasetError: what is to be read cannot be copied.
    """
    from excision.storage.entry import url_of

    _PLACES.set(_Places())
    if not any(_is_elsewhere(path) for path in _paths(arguments.arguments.values())):
        return
    hints = get_type_hints(verb, include_extras=True)
    for name, value in arguments.arguments.items():
        uses = [mark for mark in getattr(hints.get(name), "__metadata__", ()) if isinstance(mark, Use)]
        if uses and isinstance(value, Path) and _is_elsewhere(value):
            arguments.arguments[name] = _local(url_of(value) or str(value), uses[0])
        else:
            _refuse(value)


def _is_elsewhere(path: Path) -> bool:
    """Tell whether a path is a URL, or an address in a registry."""
    from excision.storage.entry import url_of

    if url_of(path) is not None:
        return True
    # The modules of the registry are not needed to see that a path has no @.
    if "@" not in path.name:
        return False
    from excision.registry.address import is_address

    return is_address(str(path))


def _local(url: str, use: Use) -> Path:
    from excision.registry.address import is_address
    from excision.registry.registry import local_version
    from excision.storage.entry import local_path
    from excision.storage.mirror import mirror
    from excision.storage.outgoing import outgoing_file, outgoing_folder

    places = _PLACES.get()
    if use is Use.READ and is_address(url):
        version = local_version(url)
        places.copies[version] = url
        return version
    if use is Use.CHANGE:
        _refuse_change(url)
    path = local_path(url)
    if path is not None:
        return path
    if use is Use.READ:
        copy = mirror(url)
        places.copies[copy] = url
        return copy
    outgoing = outgoing_file(url) if use is Use.WRITE_FILE else outgoing_folder(url)
    places.results.append(outgoing)
    return outgoing.local / url.rpartition("/")[2] if use is Use.WRITE_FILE else outgoing.local


def own_folder(model: Path, instead: str) -> Path:
    """Give the folder of a model that is to be written to.

    Args:
        model: folder of a model.
        instead: what to do if it is a copy.

    Raises:
        SettingsError: it is the copy of a model at a URL, in which nothing would last, or is a
            version in a registry.
    """
    from excision.errors import SettingsError

    url = _PLACES.get(_Places()).copies.get(model)
    if url is not None:
        raise SettingsError(f"{url}: nothing is written into a model at a URL or in a registry: {instead}")
    return model


def name_of(model: Path) -> str:
    """Give the name of a model: of the folder or URL that was given, or in the registry that it came from.

    Args:
        model: folder of a model, which may be a copy.
    """
    from excision.registry.address import Address, is_address

    url = _PLACES.get(_Places()).copies.get(model)
    if url is None:
        return model.resolve().name
    return Address.parse(url).name if is_address(url) else url.rstrip("/").rpartition("/")[2]


def _refuse_change(place: str) -> None:
    from excision.errors import SettingsError
    from excision.registry.address import is_address

    if is_address(place):
        raise SettingsError(
            f"{place}: a version in a registry never changes: copy it with `excision registry get`, change "
            "the copy, and add it with `excision registry add`"
        )
    _refuse(Path(place))


def _refuse(value: Any) -> None:
    from excision.errors import SettingsError
    from excision.storage.entry import NOT_LOCAL, url_of

    for url in filter(None, map(url_of, _paths([value]))):
        raise SettingsError(f"{url}: {NOT_LOCAL}")


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
        url = without_secrets(outgoing.url)
        say(f"Copied to {url}: read this URL above for {outgoing.local}, which is removed.")

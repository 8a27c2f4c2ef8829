"""Files and folders that verbs take as URLs: models are copied here, results are copied when all is done.

A verb whose parameter is marked with a `Use` works on local paths, and knows nothing of URLs. A URL for any
other path is refused.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
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
    READ_FILE = "reads a file"
    READ_ANY = "reads folders, and files of images"
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


@contextmanager
def brought(verb: Callable[..., Any], arguments: BoundArguments) -> Iterator[None]:
    """Replace URLs by local paths where a verb says how it uses them; copy its results when it has ended.

    Args:
        verb: what is called within.
        arguments: of the verb.

    Raises:
        SettingsError: a URL is given for a path that must be local, a version in a registry for a model
            that is to be changed, or results are there already.
        DatasetError: what is to be read cannot be copied.
        ResultsError: a result cannot be written.
    """
    _PLACES.set(_Places())
    if any(map(_is_elsewhere, _paths(arguments.arguments.values()))):
        hints = get_type_hints(verb, include_extras=True)
        for name, value in arguments.arguments.items():
            arguments.arguments[name] = _brought(value, _use(hints.get(name)))
    yield
    _deliver()


def _use(hint: Any) -> Use | None:
    return next((mark for mark in getattr(hint, "__metadata__", ()) if isinstance(mark, Use)), None)


def _brought(value: Any, use: Use | None) -> Any:
    """Replace the URLs in an argument: a path, a list of paths, or options of which some are paths."""
    if isinstance(value, Path) and _is_elsewhere(value):
        if use is None:
            _refuse(value)
            return value
        return _local(_url(value), use)
    if isinstance(value, list | tuple):
        return type(value)(_brought(one, use) for one in value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        hints = get_type_hints(type(value), include_extras=True)
        names = [one.name for one in dataclasses.fields(value) if one.init]
        changed = {name: _brought(getattr(value, name), _use(hints.get(name))) for name in names}
        return dataclasses.replace(value, **changed)
    return value


def _url(path: Path) -> str:
    from excision.storage.entry import url_of

    return url_of(path) or str(path)


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
    from excision.data.image_names import is_image_name
    from excision.registry.address import is_address
    from excision.registry.registry import local_version
    from excision.storage.entry import local_path
    from excision.storage.mirror import file_name, mirror, mirror_file
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
    if use is Use.READ_FILE or (use is Use.READ_ANY and is_image_name(file_name(url))):
        return mirror_file(url)
    if use in (Use.READ, Use.READ_ANY):
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


def _deliver() -> None:
    """Copy the results to where they belong."""
    from excision.cli.output import say
    from excision.system.secrets import without_secrets

    for outgoing in _PLACES.get().results:
        outgoing.deliver()
        url = without_secrets(outgoing.url)
        say(f"Copied to {url}: read this URL above for {outgoing.local}, which is removed.")

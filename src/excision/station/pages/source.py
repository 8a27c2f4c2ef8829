"""What the pages of results show: a station's own, or those of a hub."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from fastapi import Request

from excision.station.hub.hub import Hub
from excision.station.models.version import Version
from excision.station.store.reading import Results


class Models(Protocol):
    """The models of a station."""

    @property
    def names(self) -> Sequence[str]:
        """Names of the models."""

    def holding(self, name: str, version: str) -> Version | None:
        """Give a loaded version with the weights of that one, or None."""


class Kept(Protocol):
    """The kept images of a station."""

    def find(self, place: str | None) -> Path | None:
        """Give the file that a result refers to, or None."""


class Source(Protocol):
    """Where the results of a page come from."""

    @property
    def store(self) -> Results:
        """Give the results."""

    @property
    def models(self) -> Models:
        """Give the models that can draw results again."""

    @property
    def images(self) -> Kept:
        """Give the kept images."""


class _Nothing:
    names: tuple[str, ...] = ()

    def holding(self, _name: str, _version: str) -> None:
        return None

    def find(self, _place: str | None) -> None:
        return None


class HubSource:
    """The results of a hub, which has neither models nor images.

    Args:
        hub: to show.
    """

    def __init__(self, hub: Hub) -> None:
        self.hub, self.store = hub, hub.store
        self.models = self.images = _Nothing()


def source_of(request: Request) -> Source:
    """Give what the pages of results show."""
    source: Source = request.app.state.pages_source
    return source


def hub_of(request: Request) -> Hub | None:
    """Give the hub behind the pages; None at a station."""
    source = source_of(request)
    return source.hub if isinstance(source, HubSource) else None

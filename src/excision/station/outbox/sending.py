"""Sending during a block, for a process that is no service."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from excision.station.outbox.sender import Sender
from excision.station.outbox.settings import OutboxSettings
from excision.station.store.store import Store


@contextmanager
def sending(path: Path, settings: OutboxSettings | None) -> Iterator[None]:
    """Send what a file of results gets to a hub, if there is one, until the block ends.

    Raises:
        ResultsError: the file cannot be opened.
    """
    if settings is None:
        yield
        return
    with closing(Store(path)) as store, closing(Sender(store, settings)):
        yield

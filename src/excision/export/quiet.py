"""Suppresses log messages of libraries about their internals, on which a user cannot act."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator


@contextlib.contextmanager
def errors_alone(logger: str | None = None) -> Iterator[None]:
    """Suppress messages below the level of an error, of one logger or, without a name, of all."""
    log = logging.getLogger(logger)
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        yield
    finally:
        log.setLevel(level)

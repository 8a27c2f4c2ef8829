"""Holding back what libraries log of their own insides, which no user can act upon."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator


@contextlib.contextmanager
def errors_alone(logger: str | None = None) -> Iterator[None]:
    """Let a logger, or without a name all of them, say nothing below an error."""
    log = logging.getLogger(logger)
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        yield
    finally:
        log.setLevel(level)

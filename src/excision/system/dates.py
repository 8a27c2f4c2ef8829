"""Dates as they are written to files."""

from __future__ import annotations

from datetime import UTC, datetime


def today() -> str:
    """Return the present day in UTC, YYYY-MM-DD."""
    return datetime.now(UTC).strftime("%Y-%m-%d")

"""Times as the service tells them."""

from __future__ import annotations

from datetime import UTC, datetime


def moment(seconds: float) -> datetime:
    """Give a time in seconds since 1970 as one in UTC."""
    return datetime.fromtimestamp(seconds, UTC)

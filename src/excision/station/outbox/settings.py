"""Where a station sends its results, and how that is going."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from excision.errors import SettingsError
from excision.station.store.sequence import Stream
from excision.system.names import printable

LONGEST_NAME = 64

ADDRESS = r"https?://[^\s\"'<>]{1,490}"
"""Addresses that a page can link to."""


@dataclass(frozen=True, slots=True)
class OutboxSettings:
    """Where a station sends its results.

    Attributes:
        url: of the hub.
        station: name of this station at the hub.
        key: that the hub asks for; None shows none.
        page: address at which people reach the pages of this station; empty for none.
        rows: of a stream in one batch, at most.
        first: seconds until the first repetition after a failure.
        longest: seconds between two repetitions, at most.
    """

    url: str
    station: str
    key: str | None = field(default=None, repr=False)
    page: str = ""
    rows: int = 200
    first: float = 1.0
    longest: float = 60.0

    def __post_init__(self) -> None:
        for what, url in (("--hub-url", self.url), ("--station-page", self.page)):
            if url or what == "--hub-url":
                _check_address(what, url)
        check_station(self.station)

    @property
    def host(self) -> str:
        """Give the name of the hub's machine."""
        return urlsplit(self.url).hostname or ""


def check_station(name: str) -> str:
    """Give the name of a station back if it can be one.

    Raises:
        SettingsError: it is empty, too long, or holds what cannot be printed.
    """
    if not name.strip() or len(name) > LONGEST_NAME or not name.isprintable() or name != name.strip():
        raise SettingsError(
            f"--station {printable(name[:100])!r}: a station needs a name of 1 to {LONGEST_NAME} characters, "
            "without spaces at its ends"
        )
    return name


def _check_address(what: str, url: str) -> None:
    try:
        parts = urlsplit(url)
        known = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        known = False
    if (
        not known
        or not re.fullmatch(ADDRESS, url)
        or parts.username
        or parts.password
        or parts.query
        or parts.fragment
    ):
        raise SettingsError(
            f"{what}: give an address such as https://hub.example, without user, password or query"
        )


@dataclass(frozen=True, slots=True)
class OutboxState:
    """How the sending is going.

    Attributes:
        hub: name of the hub's machine.
        station: name of this station there.
        pushed: rows that the hub has acknowledged since the start.
        waiting: rows that it has not acknowledged yet, by stream.
        since: time of the oldest of these, seconds since 1970 in UTC; None if there is none.
        refused: rows that the hub could not use, since ever; it keeps them apart.
        trouble: why nothing can be sent now; None where it can.
        remark: what was odd about the last agreement with the hub; None if nothing was.
        agreed: whether the hub has said where it stands since the start.
    """

    hub: str
    station: str
    pushed: int
    waiting: dict[Stream, int]
    since: float | None
    refused: int
    trouble: str | None
    remark: str | None
    agreed: bool = False

    @property
    def total(self) -> int:
        """Give the number of rows that wait."""
        return sum(self.waiting.values())

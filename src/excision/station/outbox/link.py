"""What a station and its hub say to each other."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any, NamedTuple

from excision.errors import StationError
from excision.station.client.transport import StatusError, Transport
from excision.station.outbox.rows import Batch
from excision.station.outbox.settings import OutboxSettings
from excision.station.store.sequence import FORMAT, PATH, STREAMS, Place, Places
from excision.version import __version__

_MOVED = 412


class Told(NamedTuple):
    """What a hub answers.

    Attributes:
        places: last row of each stream that it has in its database.
        refused: rows of this station that it could not use, since ever.
    """

    places: Places
    refused: int


class MovedError(StationError):
    """The hub stands elsewhere in the sequence than this station believed."""


class Link(Transport):
    """Requests to a hub; none waits for a busy hub.

    Args:
        settings: where it is.
        identity: secret by which the hub knows this station again.
        home: where this station runs, so that a copy of it elsewhere is noticed.
        shifts: calendar of its shifts; None where it has none.
    """

    _other = "hub"
    _most = 2**16

    def __init__(
        self, settings: OutboxSettings, identity: str, home: str, shifts: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(settings.url, settings.key, timeout=30.0, patience=0.0)
        self._who = {
            "format": FORMAT,
            "version": __version__,
            "station": settings.station,
            "identity": identity,
            "home": home,
            "page": settings.page,
            "shifts": shifts,
        }

    def hello(self, waiting: int) -> Told:
        """Ask how far the hub is.

        Raises:
            StationError: the hub cannot be reached, or refuses.
        """
        return self._say({"waiting": waiting})

    def push(self, batch: Batch, after: Places, waiting: int) -> Told:
        """Send rows; when this returns they are in the hub's database.

        Args:
            batch: rows.
            after: where the hub stands.
            waiting: rows that wait behind these.

        Raises:
            MovedError: the hub stands elsewhere; it has taken none of them.
            StationError: the hub cannot be reached, or refuses; it may have taken all of them or none.
        """
        try:
            return self._say({"after": after, "to": batch.to, "rows": batch.rows, "waiting": waiting})
        except StatusError as error:
            raise MovedError(str(error)) if error.status == _MOVED else error from None

    def _say(self, content: Mapping[str, Any]) -> Told:
        body = json.dumps({**self._who, "sent": time.time(), **content}).encode("ascii")
        answer = self._ask("POST", PATH, body, "application/json")
        try:
            read = json.loads(answer)
            places = {
                stream: Place(int(number), str(mark)) for stream, (number, mark) in read["places"].items()
            }
            return Told({stream: places[stream] for stream in STREAMS}, int(read["refused"]))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise StationError(f"{self.url} answers, but is no hub of Excision") from error

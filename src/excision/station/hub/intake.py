"""Taking rows from stations into the database of a hub: a batch as a whole, each row once."""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import time
from typing import TYPE_CHECKING, NamedTuple

from excision.errors import StationError
from excision.station.hub.database import Database
from excision.station.hub.messages import Message, clean
from excision.station.hub.rows import Adding
from excision.station.store.sequence import FORMATS, STREAMS, Place, Places

if TYPE_CHECKING:
    from psycopg import Connection
    from psycopg.rows import DictRow

_LOG = logging.getLogger(__name__)

_ELSEWHERE = 60.0  # seconds for which a copy of a station elsewhere is turned away after the other was heard


class NotYoursError(StationError):
    """The station may not write under this name."""


class ElsewhereError(StationError):
    """The hub does not stand where the station believes."""


class Told(NamedTuple):
    """What a station is told: where the hub stands, how many of its rows it refused, and what is new."""

    places: Places
    refused: int
    added: int


class Intake:
    """Takes what stations send.

    Args:
        database: of the hub.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def take(self, message: Message) -> Told:
        """Take a message; when this returns, what it brought is on the disk of the database.

        Raises:
            NotYoursError: another station has this name, or a copy of this station is at work elsewhere.
            ElsewhereError: the batch does not follow on what the hub has; nothing of it is taken.
            StoreError: the database cannot take it now.
        """
        if message.format not in FORMATS:
            raise NotYoursError(
                f"the station sends format {message.format}, and this hub reads {FORMATS[-1]}: "
                "update the older of the two"
            )
        now = time.time()
        with self._database.transaction() as connection:
            self._know(connection, message, now)
            stands = _places(connection, message.station)
            added = 0
            if message.after is not None:
                if message.places("after", stands) != stands:
                    raise ElsewhereError("this batch does not follow on what the hub has")
                adding = Adding(connection, message.station)
                added = adding.add(message.rows)
                connection.execute(
                    "UPDATE stations SET results = results + %s, refused = refused + %s WHERE name = %s",
                    (added, adding.refused, message.station),
                )
                _move(connection, message, stands)
                stands = message.places("to", stands)
            (row,) = connection.execute(
                "SELECT refused FROM stations WHERE name = %s", (message.station,)
            ).fetchall()
        return Told(stands, int(row["refused"]), added)

    def _know(self, connection: Connection[DictRow], message: Message, now: float) -> None:
        """Enter a station that is new; see that one that is known is the same, and that it runs once."""
        identity = hashlib.sha256(message.identity.encode("utf-8", "replace")).hexdigest()
        connection.execute(
            "INSERT INTO stations "
            "(name, identity, home, page, version, first_seen, last_seen, clock, waiting) "
            "VALUES (%s, %s, %s, %s, %s, %s, 0, 0, 0) ON CONFLICT DO NOTHING",
            (message.station, identity, message.home, message.page, message.version, now),
        )
        _check(connection, message, identity, now)
        connection.execute(
            "UPDATE stations SET identity = %s, home = %s, page = %s, version = %s, last_seen = %s, "
            "clock = %s, waiting = %s, shifts = %s WHERE name = %s",
            (
                identity,
                message.home,
                message.page,
                message.version,
                now,
                message.sent - now,
                message.waiting,
                None if message.shifts is None else clean(json.dumps(message.shifts)),
                message.station,
            ),
        )


def _check(connection: Connection[DictRow], message: Message, identity: str, now: float) -> None:
    """See that a station is the one that has its name, and that it runs once; hold its row from here on.

    Raises:
        NotYoursError: it is not, or a copy of it is at work elsewhere.
    """
    # Under a second name each of its results would be kept twice.
    other = connection.execute(
        "SELECT name FROM stations WHERE identity = %s AND name <> %s", (identity, message.station)
    ).fetchone()
    if other is not None:
        raise NotYoursError(
            f"these results are known here as those of {other['name']}: send them under this name, or "
            "let a copy of its folder begin with an empty one"
        )
    # One batch of a station after another, whatever its link does.
    known = connection.execute(
        "SELECT * FROM stations WHERE name = %s FOR UPDATE", (message.station,)
    ).fetchone()
    assert known is not None
    if known["identity"] is not None and not hmac.compare_digest(known["identity"], identity):
        raise NotYoursError(
            f"another station is called {message.station} here: give this one another name with --station"
        )
    if known["home"] != message.home and 0 <= now - known["last_seen"] < _ELSEWHERE:
        raise NotYoursError(
            f"a copy of {message.station} sends from another folder or machine: stop one of the two"
        )


def _places(connection: Connection[DictRow], station: str) -> Places:
    rows = connection.execute("SELECT * FROM places WHERE station = %s", (station,)).fetchall()
    known = {row["stream"]: Place(row["number"], row["fingerprint"]) for row in rows}
    return {stream: known.get(stream, Place()) for stream in STREAMS}


def _move(connection: Connection[DictRow], message: Message, stands: Places) -> None:
    to = message.places("to", stands)
    back = [stream for stream in STREAMS if to[stream].number < stands[stream].number]
    if back:
        _LOG.warning(
            "%s sends its %s again: its database, or the hub's, was restored from a backup",
            message.station,
            " and ".join(back),
        )
        connection.execute("UPDATE stations SET resets = resets + 1 WHERE name = %s", (message.station,))
    with connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO places VALUES (%s, %s, %s, %s) ON CONFLICT (station, stream) "
            "DO UPDATE SET number = excluded.number, fingerprint = excluded.fingerprint",
            [(message.station, stream, place.number, place.fingerprint) for stream, place in to.items()],
        )

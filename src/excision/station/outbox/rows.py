"""The rows that a hub has not acknowledged yet, and what a station remembers about its hub."""

from __future__ import annotations

import json
import logging
import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from excision.station.store.records import STORED
from excision.station.store.sequence import STREAMS, Place, Places, Stream, fingerprint
from excision.station.store.store import Store
from excision.station.store.trail import LABELLED

_LOG = logging.getLogger(__name__)

MOST_BYTES, LARGEST_ROW = 2**19, 2**21
"""Of one batch, unless a single row is larger, and of a row as it is; a hub takes twice as much at once."""

_COUNTED = 10_000  # rows that are counted one by one

_COLUMNS: dict[Stream, str] = {
    # Where the image lies is the station's own business, and changes.
    "results": ", ".join(("id", *(name for name in STORED if name != "image"))),
    "labels": "id, result, time, who, truth, note, defect_class, withdraws",
    "events": "id, time, who, model, what, details",
    "parts": "id, time, serial, lot, recipe, expected, closed, verdict, reason",
}

# A label is sent as such; its event in the audit trail would say the same once more.
_SENT: dict[Stream, str] = {
    "results": "results",
    "labels": "labels",
    "events": f"(SELECT * FROM events WHERE what <> '{LABELLED}')",
    # Numbers are the sequence: a part that still waits for a view holds up those behind it for a moment.
    "parts": "(SELECT * FROM parts WHERE id < coalesce("
    "(SELECT min(id) FROM parts WHERE closed IS NULL), 9223372036854775807))",
}

Row = dict[str, Any]


@dataclass
class Batch:
    """Rows that are sent together.

    Attributes:
        rows: by stream, in the order of their numbers.
        to: last row of each stream that is sent with or before it.
        full: whether more may wait.
    """

    rows: dict[Stream, list[Row]]
    to: Places
    full: bool = False
    size: int = field(default=0, repr=False)

    @property
    def count(self) -> int:
        """Give the number of rows."""
        return sum(map(len, self.rows.values()))


class Rows:
    """What a station sends, read from its store in small pieces.

    Args:
        store: of the station.
        most: rows of a stream in one batch.
    """

    def __init__(self, store: Store, most: int) -> None:
        self._store, self._most = store, most

    def identity(self) -> str:
        """Give the secret by which a hub knows this station again, made when it is first asked for."""
        rows = self._store.rows("SELECT secret FROM identity")
        if not rows:
            with self._store.transaction() as connection:
                connection.execute(
                    "INSERT OR IGNORE INTO identity VALUES (1, ?, ?)", (secrets.token_hex(16), time.time())
                )
            rows = self._store.rows("SELECT secret FROM identity")
        secret: str = rows[0]["secret"]
        return secret

    def acknowledged(self) -> dict[Stream, int]:
        """Give the number of the last row of each stream that a hub has acknowledged."""
        known = {row["stream"]: row["number"] for row in self._store.rows("SELECT * FROM outbox")}
        return {stream: known.get(stream, 0) for stream in STREAMS}

    def acknowledge(self, places: Places) -> None:
        """Keep what a hub has acknowledged."""
        with self._store.transaction() as connection:
            connection.executemany(
                "INSERT INTO outbox VALUES (?, ?, ?) "
                "ON CONFLICT (stream) DO UPDATE SET number = excluded.number, time = excluded.time",
                [(stream, place.number, time.time()) for stream, place in places.items()],
            )

    def holds(self, stream: Stream, place: Place) -> bool:
        """Tell whether a row is this station's, as it is."""
        if place.number == 0:
            return True
        rows = self._store.rows(
            f"SELECT {_COLUMNS[stream]} FROM {stream} WHERE id = ?", (min(place.number, 2**63 - 1),)
        )
        return bool(rows) and fingerprint(stream, dict(rows[0])) == place.fingerprint

    def waiting(self) -> tuple[dict[Stream, int], float | None]:
        """Count the rows that no hub has acknowledged, and give the time of the oldest."""
        counts, times = dict[Stream, int](), list[float]()
        for stream, number in self.acknowledged().items():
            counts[stream] = self._count_after(stream, number)
            first = f"SELECT time FROM {_SENT[stream]} WHERE id > ? ORDER BY id LIMIT 1"
            times += [row["time"] for row in self._store.rows(first, (number,))]
        return counts, min(times, default=None)

    def _count_after(self, stream: Stream, number: int) -> int:
        (last,) = self._store.rows(f"SELECT coalesce(max(id), 0) FROM {_SENT[stream]}")[0]
        if last - number > _COUNTED:
            # Numbers have hardly any gaps, and counting a million rows would take a second.
            return int(last - number)
        return int(self._store.rows(f"SELECT count(*) FROM {_SENT[stream]} WHERE id > ?", (number,))[0][0])

    def batch(self, after: Places) -> Batch:
        """Give the rows after a place, as many as go into one batch; a label never before its result."""
        batch = Batch({stream: [] for stream in STREAMS}, dict(after))
        self._fill(batch, "results", self._after("results", after))
        self._fill(batch, "labels", self._labels(after, batch.to["results"].number))
        self._fill(batch, "events", self._after("events", after))
        self._fill(batch, "parts", self._after("parts", after))
        return batch

    def _fill(self, batch: Batch, stream: Stream, rows: Iterator[Row]) -> None:
        for count, row in enumerate(rows, start=1):
            size = len(json.dumps(row))
            if size > LARGEST_ROW:
                shortened = stream == "results"
                how = "without its boxes" if shortened else "as it is"
                _LOG.warning("hub: row %d of %s is large and sent %s", row["id"], stream, how)
                if shortened:
                    row = {**row, "boxes": "[]"}  # noqa: PLW2901  the fingerprint does not depend on them
                    size = len(json.dumps(row))
            if batch.count and batch.size + size > MOST_BYTES:
                batch.full = True
                return
            batch.size += size
            batch.rows[stream].append(row)
            batch.to[stream] = Place(row["id"], fingerprint(stream, row))
            batch.full |= count == self._most

    def _after(self, stream: Stream, after: Places) -> Iterator[Row]:
        rows = self._store.rows(
            f"SELECT {_COLUMNS[stream]} FROM {_SENT[stream]} WHERE id > ? ORDER BY id LIMIT ?",
            (after[stream].number, self._most),
        )
        return map(dict, rows)

    def _labels(self, after: Places, last: int) -> Iterator[Row]:
        """Give labels, each with the fingerprint of its result, up to the first of a result that is not sent.

        A result that somebody has removed from the database since has no fingerprint.
        """
        for row in self._after("labels", after):
            found = self._store.rows(
                f"SELECT {_COLUMNS['results']} FROM results WHERE id = ?", (row["result"],)
            )
            if found and row["result"] > last:
                return
            yield {**row, "result_fingerprint": fingerprint("results", dict(found[0])) if found else ""}

"""Where a station keeps the states of its drift monitors: in the file of its results."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from excision.station.store import trail
from excision.station.store.records import StoredResult, as_text, from_row
from excision.station.store.store import Store


class Stored(NamedTuple):
    """What is kept of a monitor.

    Attributes:
        state: as it was last written.
        before: as it was before the last decision of a person, which can be undone; None for no decision.
    """

    state: str
    before: str | None


class Event(NamedTuple):
    """An entry in the history of a model.

    Attributes:
        who: name of a person, or empty.
        what: kind of the event.
        details: ready for JSON.
    """

    who: str
    what: str
    details: Mapping[str, Any]


def read_state(store: Store, model: str, weights: str) -> Stored | None:
    """Give what is kept of the monitor of a model with these weights, or None."""
    rows = store.rows(
        "SELECT state, before FROM drift WHERE model = ? AND weights = ?", (as_text(model), weights)
    )
    return Stored(rows[0]["state"], rows[0]["before"]) if rows else None


def results_after(store: Store, model: str, weights: str, last: int, count: int) -> list[StoredResult]:
    """Give the results of a model with these weights that have larger numbers, oldest first."""
    rows = store.rows(
        "SELECT * FROM results WHERE id > ? AND model = ? AND (model_version = ? OR model_version LIKE ?) "
        "ORDER BY id LIMIT ?",
        (last, as_text(model), weights, f"{weights}.%", count),
    )
    return [from_row(row) for row in rows]


def write_state(store: Store, model: str, weights: str, stored: Stored, events: Iterable[Event] = ()) -> None:
    """Keep a monitor and what happened to it, as a whole or not at all.

    Raises:
        StoreError: the disk or the file is at fault.
        StoreBusyError: another process has locked the file.
    """
    with store.transaction() as connection:
        connection.execute(
            "INSERT INTO drift (model, weights, state, before) VALUES (?, ?, ?, ?) "
            "ON CONFLICT (model, weights) DO UPDATE SET state = excluded.state, before = excluded.before",
            (as_text(model), weights, stored.state, stored.before),
        )
        for event in events:
            trail.append(connection, event.what, event.details, event.who, model)

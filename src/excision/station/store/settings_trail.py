"""Settings of a station in its audit trail: what differs from the last start."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from typing import Any

from excision.errors import BusyError, StoreError
from excision.station.store import trail
from excision.station.store.store import Store
from excision.system.secrets import without_secrets

CHANGED = "settings changed"
"""Kind of the event."""

_LOG = logging.getLogger(__name__)

_NAME = "settings"
_LONGEST, _MOST = 200, 100


def note_settings(store: Store, given: Mapping[str, Any]) -> None:
    """Compare the settings of a station's file with those of the last start, and note what differs.

    The event holds, by the name of each setting such as "alarms.unfit_in_a_row", the value before and the
    value now; null where it is not in the file. Where a station remembers nothing, everything is new.

    Where it cannot be written now, such as on a full disk, the next start notes it.

    Args:
        store: of the station.
        given: content of the file; empty without a file.
    """
    try:
        _note(store, dict(_flat(given)))
    except (StoreError, BusyError) as error:
        _LOG.warning("changed settings could not be written to the audit trail: %s", error)


def _note(store: Store, now: dict[str, str]) -> None:
    with store.transaction() as connection:
        row = connection.execute("SELECT value FROM remembered WHERE name = ?", (_NAME,)).fetchone()
        before: dict[str, str] = {} if row is None else json.loads(row[0])
        differing = sorted(name for name in {*before, *now} if before.get(name) != now.get(name))
        if not differing:
            return
        details: dict[str, Any] = {
            name: [_short(before.get(name)), _short(now.get(name))] for name in differing[:_MOST]
        }
        if len(differing) > _MOST:
            details["more"] = len(differing) - _MOST
        trail.append(connection, CHANGED, details)
        connection.execute(
            "INSERT INTO remembered (name, value) VALUES (?, ?) "
            "ON CONFLICT (name) DO UPDATE SET value = excluded.value",
            (_NAME, json.dumps(now)),
        )


def _flat(table: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for name, value in table.items():
        if isinstance(value, Mapping) and value:
            found += _flat(value, f"{prefix}{name}.")
        else:
            text = value if isinstance(value, str) else json.dumps(value, default=str, ensure_ascii=False)
            found.append((f"{prefix}{name}", without_secrets(text)))
    return found


def _short(text: str | None) -> str | None:
    return text if text is None or len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"

"""The thread that sends what a station stores to its hub; nothing of the station waits for it."""

from __future__ import annotations

import hashlib
import logging
import random
import socket
import threading
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from excision.errors import ExcisionError, SettingsError
from excision.station.lock import only_one
from excision.station.outbox.link import Link, MovedError, Told
from excision.station.outbox.rows import Batch, Rows
from excision.station.outbox.settings import OutboxSettings, OutboxState
from excision.station.store.sequence import STREAMS, Place, Places, Stream
from excision.station.store.store import Store

_LOG = logging.getLogger(__name__)

LOCK = "hub.lock"

_LOOK = 1.0  # seconds between two looks for something new
_ALIVE = 60.0  # seconds without anything new after which the hub hears that the station is alive
_SHARE = 4  # after a batch the sender rests so many times as long as it took to read it
_LAST = 3.0  # seconds in which a station that ends sends what is left, if the hub answers
_MACHINE = Path("/etc/machine-id")

_BEHIND = (
    "the hub had fewer rows than it had acknowledged, as after a restore from a backup: what it lacks is "
    "sent again"
)
_RESTORED = (
    "the hub has rows that this station does not have, as after a restore of the station from a backup: all "
    "rows of this station are compared with the hub's, and what it lacks is sent"
)


class Sender:
    """Sends rows in the order of their numbers, again and again until the hub has acknowledged them.

    The hub says where it stands, and the station goes on from there. So nothing that it sends depends on what
    it remembers: neither a kill nor an older copy of either database makes it leave out a row.

    Args:
        store: of the station; another thread may close it after `close`.
        settings: where the hub is.
        shifts: calendar of the station's shifts, which the hub groups results by; None for none.
    """

    def __init__(
        self, store: Store, settings: OutboxSettings, shifts: Mapping[str, Any] | None = None
    ) -> None:
        self._store, self._settings, self._shifts = store, settings, shifts
        self._rows = Rows(store, settings.rows)
        self._link: Link | None = None
        # Where the hub stands, and after which rows the station goes on; None before they have agreed.
        self._stands: Places | None = None
        self._next: Places = dict.fromkeys(STREAMS, Place())
        self._failures, self._spoken = 0, 0.0
        self._state = OutboxState(
            settings.host, settings.station, 0, dict.fromkeys(STREAMS, 0), None, 0, None, None
        )
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, name="outbox", daemon=True)
        self._thread.start()

    def state(self) -> OutboxState:
        """Give how the sending is going, without waiting."""
        return self._state

    def close(self) -> None:
        """Send what is left if that takes a moment, and end; the rest is sent after the next start."""
        self._end.set()
        self._thread.join(_LAST + 1.0)

    def _run(self) -> None:
        while True:
            try:
                # A service and a watcher may share a folder: one of them sends.
                with only_one(self._store.path.parent, LOCK, "--hub-url", "another process sends", "--data"):
                    self._go_on()
                return
            except (SettingsError, OSError) as error:
                self._note(str(error))
                wait = self._settings.first
            except Exception as error:
                # Without this thread nothing would ever be sent again.
                _LOG.exception("sending to the hub has ended; it begins again")
                self._note(f"{type(error).__name__}: {error}")
                wait = self._settings.longest
            if self._end.wait(wait):
                return

    def _go_on(self) -> None:
        self._note(None)
        while not self._end.is_set():
            wait = _LOOK
            try:
                self._send_all()
                self._note(None)
            except (ExcisionError, OSError) as error:
                self._stands = None
                wait = self._later(error)
                self._note(str(error))
            self._wait(wait)
        if self._failures == 0:
            try:
                self._send_all(time.monotonic() + _LAST)
            except (ExcisionError, OSError) as error:
                _LOG.warning("hub: %s; the rest is sent after the next start", error)

    def _wait(self, seconds: float) -> None:
        """Wait, and count meanwhile what comes to wait as well."""
        until = time.monotonic() + seconds
        while not self._end.wait(min(_LOOK, max(0.0, until - time.monotonic()))):
            if time.monotonic() >= until:
                return
            self._note(self._state.trouble)

    def _later(self, error: Exception) -> float:
        """Give the seconds until the next try: twice as long after each failure, and never all at once."""
        if self._failures == 0:
            _LOG.warning("hub: %s", error)
        settings = self._settings
        longest = min(settings.longest, settings.first * 2.0 ** min(self._failures, 30))
        self._failures += 1
        return random.uniform(0.5, 1.0) * longest

    def _send_all(self, until: float | None = None) -> None:
        """Send what waits; while the station runs, without taking much of its processor."""
        while until is None or time.monotonic() < until:
            start = time.thread_time()
            if self._stands is None:
                self._agree()
            batch = self._rows.batch(self._next)
            if batch.to == self._stands:
                if time.monotonic() - self._spoken > _ALIVE:
                    self._agree()
                return
            self._push(batch)
            if not batch.full:
                return
            if until is None and self._end.wait(_SHARE * (time.thread_time() - start)):
                return

    def _push(self, batch: Batch) -> None:
        assert self._stands is not None and self._link is not None
        waiting = max(0, self._state.total - batch.count)
        try:
            told = self._link.push(batch, self._stands, waiting)
        except MovedError:
            # A copy of this station sends as well, or the hub's database was replaced.
            self._stands = None
            raise
        self._heard(told)
        self._stands, self._next = batch.to, dict(batch.to)
        self._rows.acknowledge(batch.to)
        self._state = replace(self._state, pushed=self._state.pushed + batch.count)
        self._note(None)

    def _agree(self) -> None:
        """Ask where the hub stands, and find out after which rows to go on."""
        if self._link is None:
            self._link = Link(self._settings, self._rows.identity(), _home(self._store.path), self._shifts)
        told = self._link.hello(self._state.total)
        self._heard(told)
        known, going_on, remark = self._rows.acknowledged(), dict[Stream, Place](), ""
        for stream, place in told.places.items():
            ours = self._rows.holds(stream, place)
            going_on[stream] = place if ours else Place()
            if not ours:
                remark = _RESTORED
            elif place.number < known[stream]:
                remark = remark or _BEHIND
        if remark:
            _LOG.warning("hub: %s", remark)
            self._state = replace(self._state, remark=remark)
        if {stream: place.number for stream, place in going_on.items()} != known:
            self._rows.acknowledge(going_on)
        self._next, self._stands = going_on, told.places
        self._note(None)
        self._state = replace(self._state, agreed=True)

    def _heard(self, told: Told) -> None:
        self._spoken = time.monotonic()
        self._failures = 0
        self._state = replace(self._state, refused=told.refused)

    def _note(self, trouble: str | None) -> None:
        """Say how it is going."""
        try:
            waiting, since = self._rows.waiting()
        except (ExcisionError, OSError) as error:
            self._state = replace(self._state, trouble=trouble or str(error))
        else:
            self._state = replace(self._state, waiting=waiting, since=since, trouble=trouble)


def _home(path: Path) -> str:
    """Give digits that say where a station runs, and nothing else: the same after every start there."""
    try:
        machine = _MACHINE.read_text("ascii").strip()
    except (OSError, ValueError):
        machine = ""
    words = "\0".join((machine, socket.gethostname(), str(path.resolve())))
    return hashlib.blake2b(words.encode("utf-8", "surrogateescape"), digest_size=8).hexdigest()

"""Puts the results of a station together to parts, each with one verdict, at the latest at its deadline."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from excision.errors import BusyError, StoreError
from excision.station.parts.codes import Reading, try_code
from excision.station.parts.formats import formats_of
from excision.station.parts.open_part import OpenPart, with_code
from excision.station.parts.open_parts import OpenParts
from excision.station.parts.rows import (
    Part,
    add_part,
    close_parts,
    get_part,
    note_fault,
    open_parts,
    results_of,
)
from excision.station.parts.settings import PartsSettings
from excision.station.parts.verdict import verdict_of
from excision.station.store.records import StoredResult
from excision.station.store.store import Store

_LOG = logging.getLogger(__name__)

_AGAIN = 1.0  # seconds until what could not be written is tried again

Listener = Callable[[Part], None]
"""Is called with each part that has its verdict; it must not wait."""


class Parts:
    """The parts of a station. Results are assigned to parts before they are stored, and counted after.

    A killed station loses no part: those without a verdict are read from the file, and get one at their
    deadlines, or at once where these have passed.

    Args:
        store: of the station.
        settings: which views make a part.
        by_clock: whether parts are given up at their deadlines; otherwise by `give_up` alone.

    Raises:
        SettingsError: zxing-cpp, which the settings ask for, is missing, or knows no such code.
    """

    def __init__(self, store: Store, settings: PartsSettings, *, by_clock: bool = True) -> None:
        if settings.formats:
            # Otherwise every part would be a fault, and each would be a line in the log.
            formats_of(settings.formats)
        self._store, self._settings = store, settings
        self._listeners: list[Listener] = []
        self._open = OpenParts(settings)
        self._change = threading.Condition()
        self._ended, self._by_clock = False, by_clock
        for part in open_parts(store):
            self._open.restore(part, results_of(store, [part.id])[part.id])
        self._thread = threading.Thread(target=self._run, name="parts", daemon=True)
        if by_clock:
            self._thread.start()

    @property
    def settings(self) -> PartsSettings:
        """Give how parts are put together."""
        return self._settings

    @property
    def waiting(self) -> int:
        """Number of parts without a verdict."""
        return len(self._open)

    def listen(self, listener: Listener) -> None:
        """Tell somebody of each part that has its verdict."""
        self._listeners.append(listener)

    def get(self, number: int) -> Part | None:
        """Give a part by its number, or None."""
        return get_part(self._store, number)

    def open(
        self,
        views: Sequence[str] | None = None,
        serial: str | None = None,
        lot: str | None = None,
        recipe: str | None = None,
        timeout: float | None = None,
    ) -> int:
        """Announce a part, such as by a trigger that asks several cameras, and give its number.

        Args:
            views: that make it whole; None takes those of the settings.
            serial: serial number, where it is known.
            lot: that it belongs to.
            recipe: that was asked for.
            timeout: seconds after which it gets a verdict in any case; None takes that of the settings.

        Raises:
            StoreError: the disk or the file is at fault.
            StoreBusyError: another process has locked the file.
        """
        expected = self._settings.views if views is None else tuple(views)
        seconds = self._settings.timeout if timeout is None else timeout
        with self._change:
            one = OpenPart.begin(expected, serial, lot, recipe, seconds)
            self._write([one], [])
        return one.part.id

    def assign(self, results: Sequence[StoredResult], codes: Sequence[Reading | None]) -> list[StoredResult]:
        """Give results, which are not stored yet, with their parts, and with what their codes say.

        Args:
            results: not in the store yet.
            codes: what was read from each image; None where no code was looked for.

        Raises:
            StoreError: the disk or the file is at fault.
            StoreBusyError: another process has locked the file.
        """
        given = []
        with self._change:
            if self._by_clock:
                self._open.forget_late(time.monotonic())
            new, faults = list[OpenPart](), list[tuple[OpenPart, str, str]]()
            for result, code in zip(results, codes, strict=True):
                known, fault = with_code(result, code)
                part = self._open.part_of(known, fault, new)
                given.append((known, part))
                if fault and isinstance(part, OpenPart):
                    faults.append((part, known.view or "", fault))
            if new or faults:
                try:
                    self._write(new, faults)
                except BaseException:
                    _forget((part, known) for known, part in given)
                    for known, part in given:
                        if isinstance(part, int):
                            self._open.put_back(replace(known, part=part))
                    raise
        return [
            known if part is None else replace(known, part=part if isinstance(part, int) else part.part.id)
            for known, part in given
        ]

    def add(
        self, results: Sequence[StoredResult], codes: Sequence[Reading | None]
    ) -> list[StoredResult | None]:
        """Store results with their parts, all of it or nothing; `count` them afterwards.

        Args:
            results: not in the store yet.
            codes: what was read from each image; None where no code was looked for.

        Returns:
            Each with its number; None for a file that is in the store already.

        Raises:
            StoreError: the disk or the file is at fault.
            StoreBusyError: another process has locked the file.
        """
        with self._change:
            before, assigned = self._open.numbers, list[StoredResult]()
            try:
                with self._store.transaction():
                    assigned = self.assign(results, codes)
                    numbers = self._store.add(assigned)
            except BaseException:
                # Their rows are gone as well.
                self._open.keep(before)
                self.dropped(assigned)
                raise
        return [
            None if number is None else replace(result, id=number)
            for result, number in zip(assigned, numbers, strict=True)
        ]

    def read_code(self, image: Path, view: str | None) -> Reading | None:
        """Read the code of a part from the image of a view; None where none is looked for. Never raises."""
        return try_code(image, self._settings) if self._settings.reads_code(view) else None

    def count(self, results: Sequence[StoredResult]) -> None:
        """Count results that are on disk; a part whose last view is there gets its verdict."""
        with self._change:
            touched = []
            for result in results:
                one = self._open.get(result.part)
                if one is None:
                    self._open.settle(result)
                elif result.id:
                    one.take(result)
                    touched.append(one)
            self._finish([one for one in touched if one.is_complete])

    def give_up(self, until: float) -> None:
        """Give a verdict to the parts whose deadline is before a time, and to those that lack nothing.

        Args:
            until: in seconds since 1970: every picture that came before then has been counted.
        """
        with self._change:
            self._finish([one for one in self._open if one.is_complete or (one.part.deadline or 0.0) < until])
            self._open.forget_late(until)

    def dropped(self, results: Sequence[StoredResult]) -> None:
        """Forget results that could not be stored after all: their views may come once more."""
        with self._change:
            _forget((self._open.get(result.part), result) for result in results)
            for result in results:
                self._open.put_back(result)

    def close(self) -> None:
        """End; parts without a verdict get it after the next start."""
        with self._change:
            self._ended = True
            self._change.notify()
        if self._thread.ident is not None:
            self._thread.join()

    def _write(self, new: Sequence[OpenPart], faults: Sequence[tuple[OpenPart, str, str]]) -> None:
        """Write new parts, and what is wrong with codes: (part, view, fault)."""
        with self._store.transaction() as connection:
            for one in new:
                one.part = add_part(connection, one.part)
            for one, view, fault in faults:
                note_fault(connection, one.part.id, view, fault)
        self._open.add(new)
        self._change.notify()

    def _finish(self, ready: Sequence[OpenPart]) -> None:
        """Give parts their verdicts; what cannot be written now stays open, and is tried again."""
        if not ready:
            return
        now, closed = time.time(), []
        for one in {one.part.id: one for one in ready}.values():
            verdict, reason = verdict_of(one.part.expected, one.seen, self._settings.missing)
            closed.append(replace(one.part, closed=now, verdict=verdict, reason=reason))
        try:
            close_parts(self._store, closed)
        except (StoreError, BusyError) as error:
            _LOG.error("the verdicts of %d parts could not be written: %s", len(closed), error)
            for one in ready:
                one.deadline = time.monotonic() + _AGAIN
            self._change.notify()
            return
        for part in closed:
            # Of pictures that lie in a folder, their own time counts: they may wait there for hours.
            begins = time.monotonic() if self._by_clock else part.deadline or 0.0
            self._open.close(part, begins + self._settings.timeout)
            self._tell(part)

    def _tell(self, part: Part) -> None:
        for listener in self._listeners:
            try:
                listener(part)
            except Exception:
                # The verdict is on disk; whoever listens must not keep the next part from its own.
                _LOG.exception("somebody could not be told of part %d", part.id)

    def _run(self) -> None:
        while True:
            with self._change:
                left = min((one.deadline for one in self._open), default=None)
                if not self._ended:
                    self._change.wait(None if left is None else max(0.0, left - time.monotonic()))
                if self._ended:
                    return
                now = time.monotonic()
                try:
                    self._finish([one for one in self._open if one.deadline <= now])
                except Exception:
                    # Without this thread no part would get its verdict at its deadline.
                    _LOG.exception("parts could not be finished; they are tried again")
                    for one in self._open:
                        one.deadline = now + _AGAIN


def _forget(given: Iterable[tuple[OpenPart | int | None, StoredResult]]) -> None:
    for one, result in given:
        if isinstance(one, OpenPart):
            one.coming.pop(result.view or "", None)

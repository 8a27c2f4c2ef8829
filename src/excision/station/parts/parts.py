"""Puts the results of a station together to parts, each with one verdict, at the latest at its deadline."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from excision.errors import BusyError, ImageError, StoreError
from excision.station.parts.codes import Reading, read_code
from excision.station.parts.formats import formats_of
from excision.station.parts.rows import Part, add_part, close_parts, get_part, open_parts, results_of
from excision.station.parts.settings import PartsSettings
from excision.station.parts.verdict import Seen, verdict_of
from excision.station.store.records import StoredResult
from excision.station.store.store import Store

_LOG = logging.getLogger(__name__)

_AGAIN = 1.0  # seconds until what could not be written is tried again

Listener = Callable[[Part], None]
"""Is called with each part that has its verdict; it must not wait."""


@dataclass
class _Open:
    """A part without a verdict: what has come of it, and what is on its way to the disk."""

    part: Part
    deadline: float
    seen: dict[str, Seen] = field(default_factory=dict)
    coming: dict[str, str] = field(default_factory=dict)

    @property
    def is_complete(self) -> bool:
        """Tell whether every view is there."""
        return self.seen.keys() >= set(self.part.expected) and bool(self.seen)

    def lacks(self, view: str) -> bool:
        """Tell whether a view has not come yet."""
        return view not in self.seen and view not in self.coming


class Parts:
    """The parts of a station. Results are assigned to parts before they are stored, and counted after.

    A killed station loses no part: those without a verdict are read from the file, and get one at their
    deadlines, or at once where these have passed.

    Args:
        store: of the station.
        settings: which views make a part.

    Raises:
        SettingsError: zxing-cpp, which the settings ask for, is missing, or knows no such code.
    """

    def __init__(self, store: Store, settings: PartsSettings) -> None:
        if settings.formats:
            # Otherwise every part would be a fault, and each would be a line in the log.
            formats_of(settings.formats)
        self._store, self._settings = store, settings
        self._listeners: list[Listener] = []
        self._open: dict[int, _Open] = {}
        # A view that comes after the verdict belongs to its part, and changes nothing.
        self._late: dict[tuple[str, str], tuple[int, float]] = {}
        self._change = threading.Condition()
        self._ended = False
        for part in open_parts(store):
            self._restore(part)
        self._thread = threading.Thread(target=self._run, name="parts", daemon=True)
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
            with self._store.transaction() as connection:
                now = time.time()
                part = add_part(connection, Part(now, expected, serial, lot, recipe, now + seconds))
            self._open[part.id] = _Open(part, deadline=time.monotonic() + seconds)
            self._change.notify()
        return part.id

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
            new: list[_Open] = []
            for result, code in zip(results, codes, strict=True):
                known, fault = _with_code(result, code)
                part = self._part_of(known, fault, new)
                given.append((known, part))
            if new:
                with self._store.transaction() as connection:
                    for one in new:
                        one.part = add_part(connection, one.part)
                self._open.update((one.part.id, one) for one in new)
                self._change.notify()
        return [
            known if part is None else replace(known, part=part if isinstance(part, int) else part.part.id)
            for known, part in given
        ]

    def read_code(self, image: Path, view: str | None) -> Reading | None:
        """Read the code of a part from the image of a view; None where none is looked for. Never raises."""
        if not self._settings.reads_code(view):
            return None
        try:
            return read_code(image, self._settings)
        except ImageError:
            return Reading(fault="no code could be read: the image is damaged")
        except Exception as error:
            # The image was accepted, so it must get a result, with or without a code.
            _LOG.exception("reading a code failed")
            return Reading(fault=f"no code could be read ({type(error).__name__})")

    def count(self, results: Sequence[StoredResult]) -> None:
        """Count results that are on disk; a part whose last view is there gets its verdict."""
        with self._change:
            touched = []
            for result in results:
                one = self._open.get(result.part or 0)
                if one is not None and result.id:
                    _take(one, result)
                    touched.append(one)
            self._finish([one for one in touched if one.is_complete])

    def dropped(self, results: Sequence[StoredResult]) -> None:
        """Forget results that could not be stored after all: their views may come once more."""
        with self._change:
            for result in results:
                one = self._open.get(result.part or 0)
                if one is not None:
                    one.coming.pop(result.view or "", None)

    def close(self) -> None:
        """End; parts without a verdict get it after the next start."""
        with self._change:
            self._ended = True
            self._change.notify()
        self._thread.join()

    def _restore(self, part: Part) -> None:
        left = 0.0 if part.deadline is None else part.deadline - time.time()
        one = _Open(part, deadline=time.monotonic() + min(max(left, 0.0), self._settings.timeout))
        for result in results_of(self._store, [part.id])[part.id]:
            if self._settings.reads_code(result.view) and result.serial is None and result.lot is None:
                one.coming[result.view or ""] = "no code was read before the station was restarted"
            _take(one, result)
        if one.is_complete:
            one.deadline = time.monotonic()
        self._open[part.id] = one

    def _part_of(self, result: StoredResult, fault: str, new: list[_Open]) -> _Open | int | None:
        """Give the open part of a result, the number of one that has its verdict, or None for no part."""
        view = result.view or ""
        expected = self._settings.views
        if result.part is not None:
            one = self._open.get(result.part)
            if one is None:
                return result.part
        elif expected and view not in expected:
            return None
        else:
            one = self._find(result.serial, view, new)
            if one is None and result.serial is not None and (result.serial, view) in self._late:
                return self._late.pop((result.serial, view))[0]
        if one is None:
            seconds = self._settings.timeout
            now = time.time()
            part = Part(now, expected, result.serial, result.lot, result.recipe, now + seconds)
            one = _Open(part, deadline=time.monotonic() + seconds)
            new.append(one)
        one.coming[view] = fault
        one.part = replace(
            one.part,
            serial=one.part.serial or result.serial,
            lot=one.part.lot or result.lot,
            recipe=one.part.recipe or result.recipe,
        )
        return one

    def _find(self, serial: str | None, view: str, new: list[_Open]) -> _Open | None:
        if serial is None or not self._settings.views:
            return None
        return next(
            (
                one
                for one in (*self._open.values(), *new)
                if one.part.serial == serial and one.lacks(view) and view in one.part.expected
            ),
            None,
        )

    def _finish(self, ready: Sequence[_Open]) -> None:
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
            one = self._open.pop(part.id)
            if part.serial is not None:
                until = time.monotonic() + self._settings.timeout
                late = [view for view in part.expected if view not in one.seen]
                self._late.update({(part.serial, view): (part.id, until) for view in late})
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
                left = min((one.deadline for one in self._open.values()), default=None)
                if not self._ended:
                    self._change.wait(None if left is None else max(0.0, left - time.monotonic()))
                if self._ended:
                    return
                now = time.monotonic()
                try:
                    self._finish([one for one in self._open.values() if one.deadline <= now])
                except Exception:
                    # Without this thread no part would get its verdict at its deadline.
                    _LOG.exception("parts could not be finished; they are tried again")
                    for one in self._open.values():
                        one.deadline = now + _AGAIN
                self._late = {key: found for key, found in self._late.items() if found[1] > now}


def _with_code(result: StoredResult, code: Reading | None) -> tuple[StoredResult, str]:
    """Give a result with what its code says, and what is wrong with the code, in words."""
    if code is None:
        return result, ""
    fault = code.fault
    for name, said, read in (("serial", result.serial, code.serial), ("lot", result.lot, code.lot)):
        if said is not None and read is not None and said != read:
            fault = f"the code says {name} {read}, but {said} was given"
    known = replace(result, serial=result.serial or code.serial, lot=result.lot or code.lot)
    return known, fault


def _take(one: _Open, result: StoredResult) -> None:
    view = result.view or ""
    reason = result.error or "; ".join(result.unfit)
    fault = one.coming.pop(view, "")
    one.seen[view] = Seen(result.verdict or "fault", reason, fault)

"""The thread of one signal: sends it every report in order, and the heartbeat; nothing waits for it."""

from __future__ import annotations

import contextlib
import logging
import random
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace

from excision.errors import ExcisionError
from excision.signals.signal import Commands, LineState, RefusedError, Report, Signal, SignalError
from excision.station.line.journal import Journal, Numbered

_LOG = logging.getLogger(__name__)

_TOGETHER = 50  # reports that are read at once
_FIRST, _LONGEST = 0.25, 5.0  # seconds between two tries
_RESTART = 5.0  # seconds between two tries to start a signal
_LAST = 3.0  # seconds in which a station that ends sends what is left
_JOIN = 30.0
_KEPT = 1000  # identities of reports that were sent before they were on disk


@dataclass(frozen=True, slots=True)
class CourierState:
    """How one signal is doing.

    Attributes:
        name: of the signal.
        durable: whether every report must arrive.
        started: whether it takes commands.
        trouble: why the last report or heartbeat could not be sent; None where it could.
        sent: reports since the start.
        lost: reports of a signal that is not durable, or that were refused or given up, since the start.
        waiting: reports that it has not sent yet.
        last: when it last sent a report, seconds since 1970 in UTC; None before the first.
    """

    name: str
    durable: bool
    started: bool = False
    trouble: str | None = None
    sent: int = 0
    lost: int = 0
    waiting: int = 0
    last: float | None = None


class Courier:
    """Sends the reports after the last one that the signal has confirmed, as the journal knows it.

    Args:
        signal: not started.
        journal: holds the reports.
        commands: that the signal gives what the line asks for.
        state: gives how the line is.
        heartbeat: seconds between two times that the state is shown.
    """

    def __init__(
        self,
        signal: Signal,
        journal: Journal,
        commands: Commands,
        state: Callable[[], LineState],
        heartbeat: float,
    ) -> None:
        self.signal, self._journal, self._commands = signal, journal, commands
        self._line, self._heartbeat = state, heartbeat
        self.state = CourierState(signal.name, signal.durable)
        self._urgent: deque[Report] = deque()
        self._known: deque[str] = deque(maxlen=_KEPT)
        self._wake, self._end = threading.Event(), threading.Event()
        self._until, self._shown = 0.0, 0.0
        self._place = journal.place(signal.name)
        self._written = self._place
        self._tries = 0
        self._thread = threading.Thread(target=self._run, name=f"signal {signal.name}", daemon=True)

    def start(self) -> None:
        """Begin, in a thread of its own."""
        self._thread.start()

    def wake(self) -> None:
        """Look for something to send; returns at once."""
        self._wake.set()

    def send_unwritten(self, report: Report) -> None:
        """Send a report that could not be written to disk; returns at once."""
        self._urgent.append(report)
        self._wake.set()

    def close(self) -> None:
        """Send what is left if that takes a moment, and end; the rest is sent after the next start."""
        self._until = time.monotonic() + _LAST
        self._end.set()
        self._wake.set()
        if self._thread.ident is not None:
            self._thread.join(_JOIN)
        with contextlib.suppress(ExcisionError, OSError):
            self.signal.close()

    def _run(self) -> None:
        while not self._end.is_set():
            try:
                self._begin()
                self._go_on()
            except Exception as error:
                # Without this thread the signal would be dead while the station runs.
                if not isinstance(error, ExcisionError | OSError):
                    _LOG.exception("signal %s has failed; it goes on", self.signal.name)
                self._troubled(error)
                self._end.wait(_RESTART if not self.state.started else _FIRST)
        with contextlib.suppress(ExcisionError, OSError):
            self._write_place()

    def _begin(self) -> None:
        if not self.state.started:
            self.signal.start(self._commands)
            self.state = replace(self.state, started=True, trouble=None)

    def _go_on(self) -> None:
        while True:
            ending = self._end.is_set()
            self._show(force=ending)
            if ending and time.monotonic() > self._until:
                return
            items = self._journal.after(self._place, _TOGETHER)
            if not items and not self._urgent:
                self._write_place()
                self._send_dead()
                if ending:
                    return
                self.state = replace(self.state, waiting=0)
                self._wake.wait(max(0.0, self._shown + self._heartbeat - time.monotonic()))
                self._wake.clear()
                continue
            if not self._send_items(items) and ending:
                return

    def _send_items(self, items: list[Numbered]) -> bool:
        """Send urgent reports and these; False where one could not be sent, after a rest."""
        while self._urgent:
            report = self._urgent[0]
            try:
                if not self._try(report):
                    return False
            except RefusedError:
                self._count(lost=1)
            self._known.append(report.id)
            self._urgent.popleft()
        for item in items:
            if item.report.id not in self._known and not self._deliver(item):
                self._write_place()
                self.state = replace(self.state, waiting=self._journal.count_after(self._place))
                return False
            self._place = item.number
            self._show()
        return True

    def _deliver(self, item: Numbered) -> bool:
        """Send a report; True where the next one's turn has come."""
        try:
            done = self._try(item.report)
        except RefusedError as error:
            self._bury(item, str(error))
            return True
        give_up = getattr(self.signal, "give_up", None)
        if not done and give_up is not None and time.time() - item.report.time > give_up:
            self._bury(item, self.state.trouble or "")
            return True
        return done

    def _try(self, report: Report) -> bool:
        """Send a report once; False where it is to be sent again, after a rest.

        Raises:
            RefusedError: the other side will never take it.
        """
        self._tries += 1
        try:
            self.signal.send(report)
        except SignalError as error:
            self._troubled(error)
            if not self.signal.durable:
                _LOG.warning("signal %s: report %s is lost: %s", self.signal.name, report.id, error)
                self._count(lost=1)
                return True
            if isinstance(error, RefusedError):
                raise
            self._rest()
            return False
        self._count(sent=1)
        return True

    def _count(self, sent: int = 0, lost: int = 0) -> None:
        self._tries = 0
        state = replace(self.state, sent=self.state.sent + sent, lost=self.state.lost + lost)
        self.state = replace(state, last=time.time(), trouble=None) if sent else state

    def _bury(self, item: Numbered, reason: str) -> None:
        _LOG.warning("signal %s: report %s is given up: %s", self.signal.name, item.report.id, reason)
        self._journal.bury(self.signal.name, item, self._tries, reason)
        self._written = item.number
        self._count(lost=1)

    def _rest(self) -> None:
        """Wait before the next try: twice as long after each failure; the heartbeat goes on meanwhile."""
        longest = min(_LONGEST, _FIRST * 2.0 ** min(self._tries - 1, 30))
        until = time.monotonic() + random.uniform(0.5, 1.0) * longest
        while not self._end.is_set() and (left := until - time.monotonic()) > 0:
            self._end.wait(min(left, self._heartbeat))
            self._show()

    def _send_dead(self) -> None:
        """Send dead letters that a person has asked for."""
        for letter in self._journal.asked_again(self.signal.name):
            try:
                self.signal.send(letter.report)
            except SignalError as error:
                self._journal.failed_again(self.signal.name, letter.number, str(error))
            else:
                self._journal.discard(self.signal.name, letter.number)
                self._count(sent=1)

    def _show(self, force: bool = False) -> None:
        now = time.monotonic()
        if now - self._shown < self._heartbeat and not force:
            return
        self._shown = now
        try:
            self.signal.show(self._line())
        except SignalError as error:
            self._troubled(error)
        else:
            if not self._tries:
                self.state = replace(self.state, trouble=None)

    def _troubled(self, error: Exception) -> None:
        reason = (
            str(error) if isinstance(error, ExcisionError | OSError) else f"{type(error).__name__}: {error}"
        )
        if self.state.trouble is None:
            _LOG.warning("signal %s: %s", self.signal.name, reason)
        self.state = replace(self.state, trouble=reason)

    def _write_place(self) -> None:
        if self._written != self._place:
            self._journal.move(self.signal.name, self._place)
            self._written = self._place

"""The thread that turns answers and deadlines into reports, each on disk before it is sent."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable, Sequence

from excision.errors import ExcisionError
from excision.signals.signal import Report
from excision.station.line.journal import Journal
from excision.station.line.pending import Pending
from excision.station.line.verdict import Answer, fault_report, reason_of, report_of, with_part
from excision.station.parts.parts import Parts

_LOG = logging.getLogger(__name__)

_RETRY = 1.0  # seconds between two tries to write what could not be written
_IDLE = 1.0
_MARGIN = 10.0
_TIDY = 3600.0  # seconds between two removals of what is old

_Event = tuple[Pending, str | None, Answer | None]


class Reporter:
    """Watches over pending triggers: the last answer or the deadline, whichever is first, makes the report.

    Args:
        journal: keeps the reports.
        reported: is called with each report, and whether it is on disk; it must not wait.
        station: name of the station.
        parts: know what was read from codes; None where the station puts no parts together.
        durable: names of the signals that must get every report: what one has not sent is never removed.
    """

    def __init__(
        self,
        journal: Journal,
        reported: Callable[[Report, bool], None],
        station: str | None,
        parts: Parts | None = None,
        durable: Sequence[str] = (),
    ) -> None:
        self._journal, self._reported, self._station = journal, reported, station
        self._parts, self._durable = parts, tuple(durable)
        self._events: queue.SimpleQueue[_Event | None] = queue.SimpleQueue()
        self._pending: dict[int, Pending] = {}
        self._unanswered = 0
        self._change = threading.Condition()
        self._unwritten: list[Report] = []
        self._tried = 0.0
        self._tidied = -_TIDY
        self.late = 0
        """Verdicts that came after the deadline of their triggers."""
        self._thread = threading.Thread(target=self._run, name="reports", daemon=True)

    @property
    def is_busy(self) -> bool:
        """Tell whether a trigger waits for its report."""
        return self._unanswered > 0

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def begin(self, pending: Pending) -> None:
        """Watch over a trigger that is on disk; returns at once."""
        with self._change:
            self._unanswered += 1
        self._events.put((pending, None, None))

    def answer(self, pending: Pending, view: str, answer: Answer) -> None:
        """Take the answer of a view; returns at once."""
        self._events.put((pending, view, answer))

    def finish(self, deadline: float) -> None:
        """Wait until every trigger has its report, at most for its deadline and a little."""
        with self._change:
            self._change.wait_for(lambda: self._unanswered <= 0, deadline + _MARGIN)

    def close(self) -> None:
        """End."""
        self._events.put(None)
        if self._thread.ident is not None:
            self._thread.join(_MARGIN)

    def _run(self) -> None:
        while True:
            try:
                if not self._step():
                    return
            except Exception:
                # Without this thread no trigger would get its report.
                _LOG.exception("a step of the reports failed; they go on")
                time.sleep(_RETRY / 10)

    def _step(self) -> bool:
        """Wait for something to do, and do all of it; False at the end."""
        going, ready = True, list[Pending]()
        for event in self._gather():
            if event is None:
                going = False
            else:
                ready += self._take(*event)
        reports = [self._report(one) for one in ready]
        now = time.monotonic()
        for one in self._pending.values():
            if not one.reported and one.deadline <= now:
                one.reported = True
                reports.append(fault_report(one.trigger, _missed(one), self._station, True))
        if reports:
            self._keep(reports)
        for number in [number for number, one in self._pending.items() if one.reported and one.is_complete]:
            del self._pending[number]
        if self._unwritten and time.monotonic() - self._tried > _RETRY:
            self._write_rest()
        if not self._pending and now - self._tidied > _TIDY:
            self._tidy(now)
        return going

    def _report(self, pending: Pending) -> Report:
        report = report_of(pending.trigger, pending.answers, self._station)
        if self._parts is None or pending.part is None:
            return report
        try:
            part = self._parts.get(pending.part)
        except ExcisionError as error:
            _LOG.error("the part of trigger %d cannot be read: %s", pending.trigger.number, error)
            return report
        return report if part is None else with_part(report, part)

    def _gather(self) -> list[_Event | None]:
        """Give what has happened, waiting for it until the next deadline."""
        deadlines = [one.deadline for one in self._pending.values() if not one.reported]
        patience = max(0.0, min([_IDLE, *(deadline - time.monotonic() for deadline in deadlines)]))
        events = list[_Event | None]()
        try:
            events.append(self._events.get(timeout=patience))
            while True:
                events.append(self._events.get_nowait())
        except queue.Empty:
            return events

    def _take(self, pending: Pending, view: str | None, answer: Answer | None) -> list[Pending]:
        """Note an event; give the trigger where it is complete now and has no report yet."""
        if view is None or answer is None:
            self._pending[pending.trigger.number] = pending
            return []
        pending.answers[view] = answer
        if not pending.is_complete:
            return []
        if pending.reported or time.monotonic() >= pending.deadline:
            self.late += 1
            return []
        pending.reported = True
        return [pending]

    def _keep(self, reports: list[Report]) -> None:
        try:
            for report in self._journal.keep(reports):
                self._reported(report, True)
        except (ExcisionError, OSError) as error:
            # The line must hear of each part all the same.
            _LOG.error(
                "%d reports could not be written to disk, and are sent without: %s", len(reports), error
            )
            self._unwritten += reports
            self._tried = time.monotonic()
            for report in reports:
                self._reported(report, False)
        with self._change:
            self._unanswered -= len(reports)
            self._change.notify_all()

    def _tidy(self, now: float) -> None:
        """Remove some of what is old; the next idle step goes on until nothing is left."""
        try:
            if self._journal.tidy(self._durable) == 0:
                self._tidied = now
        except (ExcisionError, OSError) as error:
            _LOG.warning("old triggers and reports could not be removed: %s", error)
            self._tidied = now

    def _write_rest(self) -> None:
        self._tried = time.monotonic()
        try:
            self._journal.keep(self._unwritten)
        except (ExcisionError, OSError):
            return
        self._unwritten.clear()


def _missed(pending: Pending) -> str:
    """Say what was missing at the deadline."""
    missing = [view for view in pending.views if view not in pending.answers]
    reasons = [reason for view, one in pending.answers.items() if (reason := reason_of(one))]
    told = [*reasons, *(f"{view} has no verdict yet" for view in missing)]
    return f"deadline missed: {'; '.join(told) or 'the verdict came too late'}"

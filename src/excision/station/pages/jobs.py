"""Long work: one job at a time in a thread of its own, which can be watched and stopped."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from excision.errors import BusyError, ExcisionError
from excision.progress import Progress

_LOG = logging.getLogger(__name__)


State = Literal["running", "done", "failed", "stopped"]


class _StoppedError(Exception):
    pass


@dataclass(eq=False)
class Work:
    """A job, as it stands.

    Attributes:
        number: counts jobs since the service started.
        kind: names how its result is shown.
        subject: what it works on.
        started: seconds since 1970 in UTC.
        done: steps that are done.
        total: number of all steps; 0 before it is known.
        state: whether it runs, or how it ended.
        result: what it found; None before it is done.
        reason: why it failed.
    """

    number: int
    kind: str
    subject: str
    started: float
    done: int = 0
    total: int = 0
    state: State = "running"
    result: Any = None
    reason: str = ""
    stop: threading.Event = field(default_factory=threading.Event, repr=False)

    def progress(self, done: int, total: int) -> None:
        """Note how far it is; ends the job where somebody stopped it."""
        self.done, self.total = done, total
        if self.stop.is_set():
            raise _StoppedError


class Jobs:
    """The job of a station and the one before."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.last: Work | None = None

    def start(self, kind: str, subject: str, do: Callable[[Progress], Any]) -> Work:
        """Begin a job.

        Args:
            kind: names how its result is shown.
            subject: what it works on, as a person would say it.
            do: the work, which calls what it is given after each step and returns its result.

        Raises:
            BusyError: another job runs.
        """
        with self._lock:
            if self.last is not None and self.last.state == "running":
                raise BusyError(f"one thing at a time: {self.last.subject} is still under way")
            number = 1 if self.last is None else self.last.number + 1
            work = self.last = Work(number, kind, subject, time.time())
        threading.Thread(target=_run, args=(work, do), name="job", daemon=True).start()
        return work

    def stop(self) -> None:
        """Ask the job to stop after the step under way."""
        if self.last is not None:
            self.last.stop.set()


def _run(work: Work, do: Callable[[Progress], Any]) -> None:
    try:
        work.result = do(work.progress)
        work.state = "done"
    except _StoppedError:
        work.state = "stopped"
    except ExcisionError as error:
        work.reason, work.state = str(error), "failed"
    except Exception as error:
        _LOG.exception("%s failed", work.subject)
        work.reason, work.state = f"{type(error).__name__}: {error}", "failed"

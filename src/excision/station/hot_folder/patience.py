"""Waiting out faults of the disk and of the file of results: nothing is lost, and a person is told."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from excision.errors import DiskError, DiskFullError, ReadOnlyError, ResultsError, StoreBusyError
from excision.station.store.faults import DISK, of_system

_PASSING = (StoreBusyError, DiskFullError, ReadOnlyError, DiskError)
"""Faults that a person or another process can end while the watcher waits."""

AGAIN = 2.0
"""Seconds until an attempt that failed is repeated."""

_ENOUGH = 30.0  # seconds of waiting after which a watcher that is to end when idle ends with the fault


class Patience:
    """Bears faults of the disk and of the file of results as long as they may pass.

    Args:
        results: file of results, for messages.
        idle_exit: seconds without work after which the watcher ends; None if it never does.
        note: called with a sentence that a person should read.

    Attributes:
        waits: whether the last attempt failed.
    """

    def __init__(self, results: Path, idle_exit: float | None, note: Callable[[str], None]) -> None:
        self._results, self._idle_exit, self._note = results, idle_exit, note
        self.waits = False
        self._since, self._said = 0.0, ""

    @contextmanager
    def attempt(self) -> Iterator[None]:
        """Bear a fault in a block that can be repeated from the beginning.

        Raises:
            ResultsError: a fault that does not pass, such as damage; or the watcher is to end when idle.
        """
        try:
            yield
        except (ResultsError, StoreBusyError) as fault:
            self._bear(fault)
        except OSError as error:
            if error.errno not in DISK:
                raise
            self._bear(of_system(error, self._results))
        else:
            if self.waits:
                self._note("it works again; the watcher goes on")
            self.waits, self._said = False, ""

    def _bear(self, fault: ResultsError | StoreBusyError) -> None:
        now = time.monotonic()
        if not self.waits:
            self._since = now
        too_long = self._idle_exit is not None and now - self._since > self._idle_exit + _ENOUGH
        if too_long or not isinstance(fault, _PASSING):
            raise fault
        self.waits = True
        kind = type(fault).__name__
        if kind != self._said:
            self._said = kind
            self._note(f"{fault}; nothing is lost: it is tried again every {AGAIN:g} seconds")

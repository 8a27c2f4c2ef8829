"""The accepted images: a queue that never grows beyond its bound and never drops an image."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path

from excision.errors import BusyError
from excision.station.parts.codes import Reading
from excision.station.store.records import UNKNOWN, Origin, StoredResult


@dataclass(frozen=True, slots=True)
class Outcome:
    """The answer for one image, which is on disk.

    Attributes:
        result: as it is kept, with its number.
        station_fault: True where the image could not be inspected and it is not the image's fault.
        code: what was read from the image before its result was stored; None where no code was looked for.
    """

    result: StoredResult
    station_fault: bool = False
    code: Reading | None = None


def _promise() -> Future[Outcome]:
    """Give a future that cannot be cancelled: the client may disconnect, but its image is accepted."""
    promise: Future[Outcome] = Future()
    promise.set_running_or_notify_cancel()
    return promise


@dataclass(frozen=True, slots=True, eq=False)
class Job:
    """An accepted image.

    Attributes:
        path: its bytes.
        source: name that the client gave it.
        model: name of the model.
        origin: what is known of the part.
        content: bytes that are still to be written to `path`; None where they are there.
        accepted: by `time.perf_counter`.
        answer: is there once the result is on disk.
    """

    path: Path
    source: str
    model: str
    origin: Origin = UNKNOWN
    content: bytes | bytearray | None = field(default=None, repr=False)
    accepted: float = field(default_factory=time.perf_counter)
    answer: Future[Outcome] = field(default_factory=_promise)

    def write(self) -> None:
        """Write the bytes to the file, unless they are there.

        Raises:
            OSError: the disk is full or at fault.
        """
        if self.content is not None:
            with self.path.open("xb") as stream:
                stream.write(self.content)


class JobQueue:
    """Accepted images, first in, first out, from any number of threads.

    Args:
        bound: images that may be accepted and not yet answered.
    """

    def __init__(self, bound: int) -> None:
        self.bound = bound
        self._waiting: deque[Job] = deque()
        self._unanswered = 0
        self._closed = False
        self._change = threading.Condition()

    @property
    def unanswered(self) -> int:
        """Number of images that are accepted and not yet answered."""
        return self._unanswered

    @property
    def waiting(self) -> int:
        """Number of images whose inspection has not begun."""
        return len(self._waiting)

    @property
    def is_full(self) -> bool:
        """Tell whether not one more image would be accepted."""
        return self._closed or self._unanswered >= self.bound

    def offer(self, jobs: Sequence[Job]) -> None:
        """Accept images, all of them or none.

        Raises:
            BusyError: there is no room for all of them now, or the station is stopping.
        """
        with self._change:
            if self._closed:
                raise BusyError("the station is stopping")
            if self._unanswered + len(jobs) > self.bound:
                raise BusyError(f"{self._unanswered} of {self.bound} places are taken: try again shortly")
            self._unanswered += len(jobs)
            self._waiting.extend(jobs)
            self._change.notify(len(jobs))

    def take(self) -> Job | None:
        """Give the next image, waiting for one; None once the queue is closed and empty."""
        with self._change:
            while not self._waiting:
                if self._closed:
                    return None
                self._change.wait()
            return self._waiting.popleft()

    def release(self, count: int) -> None:
        """Make room again: so many images are about to be answered."""
        with self._change:
            self._unanswered -= count

    def close(self) -> None:
        """Accept nothing more; what is accepted is still given out."""
        with self._change:
            self._closed = True
            self._change.notify_all()

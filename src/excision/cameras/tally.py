"""Counting what a camera gives and loses."""

from __future__ import annotations

import time
from collections import deque

_WINDOW = 5.0  # seconds over which the rate is taken
_MOST_TIMES = 512


class Tally:
    """Counts pictures; one thread counts, and any may read.

    Attributes:
        frames: pictures that arrived.
        dropped: pictures that were lost, wherever.
        damaged: those of them that arrived and are not whole.
        reconnects: times that the connection was made again.
        last: when the last picture arrived, seconds since 1970 in UTC.
    """

    def __init__(self) -> None:
        self.frames = self.dropped = self.damaged = self.reconnects = 0
        self.last: float | None = None
        self._times: deque[float] = deque(maxlen=_MOST_TIMES)

    def arrived(self) -> None:
        """Count a picture."""
        self.frames += 1
        self.last = time.time()
        self._times.append(time.monotonic())

    def rate(self) -> float:
        """Give pictures per second over the last seconds; a camera that has stopped has 0."""
        now = time.monotonic()
        times = [one for one in tuple(self._times) if one >= now - _WINDOW]
        return (len(times) - 1) / (now - times[0]) if len(times) > 1 and now > times[0] else 0.0

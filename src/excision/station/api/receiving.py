"""Places for images that are coming in; who is slow gives way when all are taken."""

from __future__ import annotations

import time
from asyncio import Timeout
from collections.abc import Iterator
from contextlib import contextmanager

from excision.errors import BusyError

_RATE, _PATIENCE = 500.0, 2.0  # bytes a second, and seconds that a sender may lag behind it when others wait


class Place:
    """Of one request whose body is coming in."""

    def __init__(self) -> None:
        self.timeout: Timeout | None = None
        self._begun, self._bytes = time.monotonic(), 0
        self._waiting = False

    def received(self, count: int) -> None:
        """Count bytes."""
        self._bytes += count

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Take time that is not the sender's: he cannot lag meanwhile."""
        start, self._waiting = time.monotonic(), True
        try:
            yield
        finally:
            self._waiting = False
            self._begun += time.monotonic() - start

    def lag(self, now: float) -> float:
        """Give the seconds that the sender lags behind the least rate."""
        return 0.0 if self._waiting else now - self._begun - self._bytes / _RATE

    def give_up(self) -> None:
        """Let another have it: the sender is answered as one who is too slow."""
        if self.timeout is not None and not self.timeout.expired():
            self.timeout.reschedule(0)


class Places:
    """All places.

    Args:
        count: how many there are.
    """

    def __init__(self, count: int) -> None:
        self._count = count
        self._taken: set[Place] = set()

    def take(self) -> Place:
        """Take a place; the slowest sender loses his if no other is left.

        Raises:
            BusyError: all are taken, and no sender is slow.
        """
        if len(self._taken) >= self._count:
            now = time.monotonic()
            slowest = max(self._taken, key=lambda place: place.lag(now))
            if slowest.lag(now) < _PATIENCE:
                raise BusyError("every place is taken: try again shortly")
            self.leave(slowest)
            slowest.give_up()
        place = Place()
        self._taken.add(place)
        return place

    def leave(self, place: Place) -> None:
        """Give a place back."""
        self._taken.discard(place)

"""The time of an exposure by the clock of this machine, from the time stamps of a camera's own clock."""

from __future__ import annotations

_WINDOW = 60.0  # seconds after which the clocks are compared anew, because they drift


class CameraClock:
    """Converts the time stamps of a camera.

    A picture arrives some time after it was taken, and never before: so the least difference between the time
    of arrival and the time stamp is the best estimate of the difference of the two clocks (the minimum filter
    of Mills, "Internet time synchronization: the Network Time Protocol", IEEE Transactions on Communications,
    1991). It still holds the shortest time that a picture takes to arrive.
    """

    def __init__(self) -> None:
        self._begun = 0.0
        self._least: float | None = None
        self._coming: float | None = None

    def to_host(self, stamp: float, arrived: float) -> float:
        """Give the time of a time stamp, never later than the arrival.

        Args:
            stamp: seconds by the camera's clock.
            arrived: seconds since 1970 in UTC by this machine's clock.
        """
        difference = arrived - stamp
        if arrived - self._begun > _WINDOW or arrived < self._begun:
            self._begun, self._least, self._coming = arrived, self._coming, None
        self._coming = difference if self._coming is None else min(self._coming, difference)
        self._least = self._coming if self._least is None else min(self._least, self._coming)
        return min(stamp + self._least, arrived)

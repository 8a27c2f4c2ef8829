"""Numbers that a camera gives its pictures: what they skip was lost."""

from __future__ import annotations

_ROUND = 65535
"""GigE Vision numbers from 1 to this and begins again at 1."""


class FrameNumbers:
    """Counts the pictures that the numbers of a camera skip."""

    def __init__(self) -> None:
        self._last: int | None = None

    def lost_before(self, number: int) -> int:
        """Give how many pictures lie between the last number and this one; 0 if the camera began anew."""
        last, self._last = self._last, number
        if last is None or number == last:
            return 0
        if number > last:
            return number - last - 1
        # Below half a round it is a new beginning rather than a gap.
        step = number + _ROUND - last
        return step - 1 if last <= _ROUND and 0 < step < _ROUND // 2 else 0

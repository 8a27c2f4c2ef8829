"""A budget that work in several threads shares, such as pixels in memory."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Budget:
    """An amount that is shared; who asks for more than is left waits.

    Args:
        most: the whole amount, which no request exceeds: whoever wants more is alone.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._taken = 0
        self._change = threading.Condition()

    @contextmanager
    def take(self, amount: int) -> Iterator[None]:
        """Hold an amount during a block."""
        amount = min(amount, self._most)
        with self._change:
            self._change.wait_for(lambda: self._taken + amount <= self._most)
            self._taken += amount
        try:
            yield
        finally:
            with self._change:
                self._taken -= amount
                self._change.notify_all()

"""Deferring Ctrl-C or a request to stop until work that must not be interrupted is complete."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Interrupt:
    """Whether the program has been asked to stop.

    Attributes:
        asked: True after the first request, such as Ctrl-C.
    """

    def __init__(self) -> None:
        self.asked = False

    def remember(self, _number: int, _frame: FrameType | None) -> None:
        """Note the first request, as the handler of a signal, and interrupt at the second."""
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True


@contextmanager
def deferred_interrupt() -> Iterator[Interrupt]:
    """Defer the first Ctrl-C during a block; the block checks `asked` wherever it may stop.

    A second Ctrl-C interrupts at once, and one that the block did not check interrupts at its end. Outside
    the main thread, or if the program handles Ctrl-C itself, nothing is changed.

    Raises:
        KeyboardInterrupt: Ctrl-C was pressed and the block did not raise this error itself.
    """
    interrupt = Interrupt()
    main = threading.current_thread() is threading.main_thread()
    if not main or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield interrupt
        return

    signal.signal(signal.SIGINT, interrupt.remember)
    try:
        yield interrupt
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if interrupt.asked:
        raise KeyboardInterrupt


@contextmanager
def requests_to_stop() -> Iterator[Interrupt]:
    """Turn the first Ctrl-C or SIGTERM into a request: the block checks `asked` and ends by itself.

    A second one interrupts at once. Outside the main thread nothing is changed.

    Raises:
        KeyboardInterrupt: the program was asked a second time.
    """
    interrupt = Interrupt()
    if threading.current_thread() is not threading.main_thread():
        yield interrupt
        return

    before = {number: signal.signal(number, interrupt.remember) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield interrupt
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

"""Holding Ctrl-C, or the request to end, back until work that must not be torn apart is whole."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Interrupt:
    """Whether the program was asked to stop.

    Attributes:
        asked: True from the first request on, such as Ctrl-C.
    """

    def __init__(self) -> None:
        self.asked = False


@contextmanager
def deferred_interrupt() -> Iterator[Interrupt]:
    """Hold back the first Ctrl-C for the length of a block; the block looks at `asked` where it may stop.

    A second Ctrl-C interrupts at once, and one that the block never looked at interrupts at its end. Outside
    the main thread, or where the program handles Ctrl-C by itself, nothing is changed.

    Raises:
        KeyboardInterrupt: Ctrl-C was pressed and the block did not raise this itself.
    """
    interrupt = Interrupt()
    main = threading.current_thread() is threading.main_thread()
    if not main or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield interrupt
        return

    def remember(_number: int, _frame: FrameType | None) -> None:
        if interrupt.asked:
            raise KeyboardInterrupt
        interrupt.asked = True

    signal.signal(signal.SIGINT, remember)
    try:
        yield interrupt
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if interrupt.asked:
        raise KeyboardInterrupt


@contextmanager
def requests_to_stop() -> Iterator[Interrupt]:
    """Take the first Ctrl-C or SIGTERM as a request that the block looks for in `asked`, and ends by itself.

    A second one interrupts at once. Outside the main thread nothing is changed.

    Raises:
        KeyboardInterrupt: the program was asked a second time.
    """
    interrupt = Interrupt()
    if threading.current_thread() is not threading.main_thread():
        yield interrupt
        return

    def remember(_number: int, _frame: FrameType | None) -> None:
        if interrupt.asked:
            raise KeyboardInterrupt
        interrupt.asked = True

    before = {number: signal.signal(number, remember) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield interrupt
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

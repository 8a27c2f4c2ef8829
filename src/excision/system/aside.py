"""Work in a thread of its own while the caller does something else."""

from __future__ import annotations

import _thread
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

T = TypeVar("T")


def begin_aside(work: Callable[[], T]) -> Future[T]:
    """Begin work in a new thread, and give what will hold its result, or what it raised.

    The thread does not keep the program from ending. `threading.Thread` would wait until it runs, which takes
    as long as the work that is begun here.
    """
    future: Future[T] = Future()

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as error:
            future.set_exception(error)

    _thread.start_new_thread(run, ())
    return future

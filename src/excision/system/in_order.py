"""Work on many items in several threads, with the results in the order of the items."""

from __future__ import annotations

import queue
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from contextlib import suppress
from typing import Any, TypeVar

T = TypeVar("T")
R = TypeVar("R")

GRACE = 2.0
"""Seconds that work which has begun may still take after a request to stop."""

_AHEAD = 3  # items in progress or done, for each thread: one that takes long must not stop the others
_LOOK = 0.2  # seconds between two looks at whether the user wants to stop


def in_order(
    work: Callable[[T], R],
    items: Iterable[T],
    workers: int,
    is_stopped: Callable[[], bool] = lambda: False,
) -> Iterator[R]:
    """Call `work` with each item in several threads, and give the results in the order of the items.

    No more than three items a thread are taken ahead of the result that is given next, so memory does not
    grow with their number. The threads end with the iterator; after an error, what has begun has `GRACE`
    seconds to end.

    Args:
        work: is called from several threads at once; of one thread if `workers` is 1.
        items: are taken in the thread that asks for the results.
        workers: number of threads.
        is_stopped: once it is true, nothing begins any more; what has begun is still given if it ends within
            `GRACE` seconds.

    Raises:
        BaseException: what `work` raised, in the place of its result. The results before it were given.
    """
    with _Threads(work, workers) as threads:
        waiting: deque[Future[R]] = deque()
        for item in items:
            if is_stopped():
                break
            waiting.append(threads.begin(item))
            if len(waiting) == _AHEAD * workers and _is_done(waiting[0], is_stopped):
                yield waiting.popleft().result()
        while waiting and _is_done(waiting[0], is_stopped):
            yield waiting.popleft().result()
        # Only a request to stop leaves something.
        end = time.monotonic() + GRACE
        for future in waiting:
            if not future.cancel():
                with suppress(TimeoutError):
                    yield future.result(max(end - time.monotonic(), 0))


def _is_done(future: Future[Any], is_stopped: Callable[[], bool]) -> bool:
    """Wait until there is a result; False if the user wants to stop before that."""
    while not future.done():
        if is_stopped():
            return False
        with suppress(TimeoutError):
            future.exception(_LOOK)
    return True


class _Threads:
    """Threads that take items from a queue. They do not keep the program from ending.

    Args:
        work: what they do with an item.
        count: how many there are.
    """

    def __init__(self, work: Callable[[Any], Any], count: int) -> None:
        self._work = work
        self._tasks: queue.SimpleQueue[tuple[Future[Any], Any] | None] = queue.SimpleQueue()
        self._threads = [threading.Thread(target=self._run, daemon=True) for _ in range(count)]

    def __enter__(self) -> _Threads:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        # What nobody waits for any more must not hold up the end.
        with suppress(queue.Empty):
            while task := self._tasks.get_nowait():
                task[0].cancel()
        for _thread in self._threads:
            self._tasks.put(None)
        if kind is not None and not sys.is_finalizing():
            self._wait()

    def _wait(self) -> None:
        """Let work that has begun end: the end of the process would stop it, and leave half of a file."""
        end = time.monotonic() + GRACE
        for thread in self._threads:
            if thread is not threading.current_thread():
                thread.join(max(end - time.monotonic(), 0))

    def begin(self, item: Any) -> Future[Any]:
        future: Future[Any] = Future()
        self._tasks.put((future, item))
        return future

    def _run(self) -> None:
        while task := self._tasks.get():
            future, item = task
            if not future.set_running_or_notify_cancel():
                continue
            try:
                future.set_result(self._work(item))
            except BaseException as error:
                future.set_exception(error)

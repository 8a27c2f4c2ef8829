"""Changes are written in a few threads of their own: no lock or slow disk holds up what is read."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import ParamSpec, TypeVar

from anyio import CapacityLimiter
from anyio.to_thread import run_sync
from starlette.requests import Request

from excision.errors import BusyError

_P = ParamSpec("_P")
_T = TypeVar("_T")

_THREADS, _WAITING = 4, 64


class Writing:
    """Threads for changes, with a bound on how many may wait for one.

    Args:
        threads: that write at the same time; the database takes one after another.
        waiting: changes that may wait for a thread.
    """

    def __init__(self, threads: int = _THREADS, waiting: int = _WAITING) -> None:
        self._limiter = CapacityLimiter(threads)
        self._waiting = waiting

    async def do(self, change: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        """Make a change in a thread and give what it returns.

        Raises:
            BusyError: too many changes are waiting.
        """
        if self._limiter.statistics().tasks_waiting >= self._waiting:
            raise BusyError("too many changes wait to be written: try again shortly")
        return await run_sync(partial(change, *args, **kwargs), limiter=self._limiter)


def writing_of(request: Request) -> Writing:
    """Give the threads for changes of the service behind a request."""
    writing: Writing = request.app.state.writing
    return writing

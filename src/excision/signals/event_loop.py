"""An event loop in a thread of its own, for the libraries of signals that need one."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Coroutine
from concurrent.futures import CancelledError, Future
from concurrent.futures import TimeoutError as LateError
from contextlib import suppress
from typing import Any, TypeVar

from excision.signals.signal import SignalError

_log = logging.getLogger(__name__)

T = TypeVar("T")

STOP = 5.0
"""Seconds that the thread has to end."""


class LoopThread:
    """Runs coroutines for callers in other threads.

    Args:
        name: of the thread.
    """

    def __init__(self, name: str) -> None:
        self.loop = asyncio.new_event_loop()
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def run(self, coroutine: Coroutine[Any, Any, T], timeout: float) -> T:
        """Give what a coroutine returns.

        Args:
            coroutine: to run in the loop.
            timeout: seconds to wait, after which the coroutine is cancelled.

        Raises:
            SignalError: it took longer, or the loop was closed before or meanwhile.
        """
        future = self._submitted(coroutine)
        try:
            return future.result(timeout)
        except LateError as error:
            future.cancel()
            raise SignalError(f"{self._thread.name}: no answer within {timeout:g} s") from error
        except CancelledError as error:
            raise SignalError(f"{self._thread.name}: was closed before the answer came") from error

    def end(self, last: Coroutine[Any, Any, None], timeout: float) -> None:
        """Run what a connection does at its end, and end the thread; where that fails, it is logged.

        Args:
            last: coroutine to run in the loop.
            timeout: seconds to wait for it.
        """
        try:
            self.run(last, timeout)
        except SignalError as error:
            _log.warning("%s: %s", self._thread.name, error)
        self.close()

    def close(self) -> None:
        """Cancel what still runs and end the thread. May be called twice."""
        self._closed.set()
        with suppress(RuntimeError):  # it has ended already
            self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(STOP)

    def _submitted(self, coroutine: Coroutine[Any, Any, T]) -> Future[T]:
        with suppress(RuntimeError):  # `close` has ended the loop meanwhile
            if not self._closed.is_set():
                return asyncio.run_coroutine_threadsafe(coroutine, self.loop)
        coroutine.close()
        raise SignalError(f"{self._thread.name}: is closed")

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        try:
            self.loop.run_forever()
            pending = asyncio.all_tasks(self.loop)
            for task in pending:
                task.cancel()
            self.loop.run_until_complete(asyncio.gather(*pending, return_exceptions=True))
            self.loop.run_until_complete(self.loop.shutdown_asyncgens())
        finally:
            self.loop.close()

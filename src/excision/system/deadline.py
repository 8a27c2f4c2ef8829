"""An end to a request as a whole: time-outs of sockets start anew with every byte."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress


class Deadline:
    """Shuts a socket once its time is up; whoever reads from it then gets an error.

    Args:
        seconds: from entering the context.
    """

    def __init__(self, seconds: float) -> None:
        self._wire: socket.socket | None = None
        self._is_over = False
        self._lock = threading.Lock()
        self._timer = threading.Timer(seconds, self._end)
        self._timer.daemon = True

    def __enter__(self) -> Deadline:
        self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()

    def watch(self, wire: socket.socket) -> None:
        """Shut this socket when the time is up; at once if connecting has used it up."""
        with self._lock:
            self._wire = wire
            self._shut_if_over()

    def _end(self) -> None:
        with self._lock:
            self._is_over = True
            self._shut_if_over()

    def _shut_if_over(self) -> None:
        if self._is_over and self._wire is not None:
            with suppress(OSError):
                self._wire.shutdown(socket.SHUT_RDWR)

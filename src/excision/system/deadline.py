"""An end to a request as a whole: time-outs of sockets start anew with every byte."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress


class Deadline:
    """Shuts a socket once its time is up; whoever reads from it then gets an error.

    Args:
        seconds: from entering the context.

    Attributes:
        wire: the socket, once there is one.
    """

    def __init__(self, seconds: float) -> None:
        self.wire: socket.socket | None = None
        self._timer = threading.Timer(seconds, self._shut)
        self._timer.daemon = True

    def __enter__(self) -> Deadline:
        self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()

    def _shut(self) -> None:
        if self.wire is not None:
            with suppress(OSError):
                self.wire.shutdown(socket.SHUT_RDWR)

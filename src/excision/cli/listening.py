"""Serving at an address until a signal ends it."""

from __future__ import annotations

import signal
import socket
from types import FrameType
from typing import TYPE_CHECKING

from excision.cli.output import say

if TYPE_CHECKING:
    from excision.station.api.server import Server


def listen(server: Server, listener: socket.socket, what: str, where: str) -> None:
    """Serve, and say so.

    Args:
        server: with its application.
        listener: bound, not yet listening.
        what: is served.
        where: the results are, as a sentence.
    """

    def stop(_number: int, _frame: FrameType | None) -> None:
        # While it runs the server has its own handler; this one is for the time before, and for the signal
        # that the server raises again at its end. Neither may kill this process.
        server.should_exit = True

    signal.signal(signal.SIGTERM, stop)
    # From here on connections wait until the server accepts them, so the printed address works.
    listener.listen(server.config.backlog)
    host, port = listener.getsockname()[:2]
    say(f"Serving {what} at http://{f'[{host}]' if ':' in host else host}:{port}")
    say(where)
    server.run(sockets=[listener])

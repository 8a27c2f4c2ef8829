"""Whether a signal can listen at an address."""

from __future__ import annotations

import errno
import socket

from excision.signals.signal import SignalError

_PRIVATE = 1024  # ports below it need a right


def check_port(host: str, port: int) -> None:
    """Say whether a port can be listened at.

    Raises:
        SignalError: it cannot, and why.
    """
    try:
        family, kind, protocol, _, where = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(where)
    except OSError as error:
        what = error.strerror or str(error)
        advice = ""
        if error.errno in {errno.EACCES, errno.EPERM} and port < _PRIVATE:
            advice = "; ports below 1024 need a right (CAP_NET_BIND_SERVICE), or set port = 1502"
        elif error.errno == errno.EADDRINUSE:
            advice = "; another program listens there, perhaps the station itself"
        raise SignalError(f"{host}:{port}: cannot be listened at ({what}){advice}") from error

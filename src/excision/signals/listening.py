"""Whether a signal can listen at an address."""

from __future__ import annotations

import errno
import socket

from excision.signals.signal import SignalError

_PRIVATE = 1024  # ports below it need a right


class PortTakenError(SignalError):
    """Another program listens at a port.

    Attributes:
        host: address.
        port: of it.
    """

    def __init__(self, message: str, host: str, port: int) -> None:
        super().__init__(message)
        self.host, self.port = host, port


def check_port(host: str, port: int) -> None:
    """Say whether a port can be listened at.

    Raises:
        PortTakenError: another program listens there.
        SignalError: it cannot, and why.
    """
    try:
        family, kind, protocol, _, where = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(where)
    except UnicodeError as error:
        raise SignalError(f"{host}:{port}: this is no name of a machine ({error})") from error
    except OSError as error:
        told = f"{host}:{port}: cannot be listened at ({error.strerror or error})"
        if error.errno == errno.EADDRINUSE:
            raise PortTakenError(f"{told}; another program listens there", host, port) from error
        if error.errno in {errno.EACCES, errno.EPERM} and port < _PRIVATE:
            told += "; ports below 1024 need a right (CAP_NET_BIND_SERVICE), or set port = 1502"
        raise SignalError(told) from error

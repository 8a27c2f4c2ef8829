"""The header of a request: what HTTP allows in it, and how much of it this service takes."""

from __future__ import annotations

from collections.abc import Sequence

from excision.station.api.limits import ConnectionLimits
from excision.station.api.wire import path_of


class Refusal(Exception):  # noqa: N818  it ends the parsing of a request, and is no error of this program
    """A request is refused, with this status and sentence; status 0 refuses without a word."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


def too_large(limits: ConnectionLimits) -> Refusal:
    """Return the refusal of a header with too many bytes or lines."""
    return Refusal(431, f"a header may have {limits.header_bytes} bytes and {limits.header_lines} lines")


class Header:
    """What came in so far of the header of a request.

    Args:
        limits: of a connection.
    """

    def __init__(self, limits: ConnectionLimits) -> None:
        self._limits = limits
        self._size = self._lines = self._hosts = 0

    def begin(self) -> None:
        """Begin with the header of another request."""
        self._size = self._lines = self._hosts = 0

    def check_address(self, address: bytes) -> None:
        """Check what came in so far of the address of a request.

        Raises:
            Refusal: it is too long.
        """
        if len(address) > self._limits.line_bytes:
            raise Refusal(414, f"an address may have {self._limits.line_bytes} bytes at most")

    def count(self, name: bytes, value: bytes) -> None:
        """Count a line, also one of a trailer.

        Raises:
            Refusal: the header is too large.
        """
        self._lines += 1
        self._size += len(name) + len(value) + 4
        if self._lines > self._limits.header_lines or self._size > self._limits.header_bytes:
            raise too_large(self._limits)

    def note(self, name: bytes, value: bytes) -> None:
        """Note what a line says; its name is in lower case.

        Raises:
            Refusal: it asks for a transfer encoding other than chunked.
        """
        if name == b"host":
            self._hosts += 1
        elif name == b"transfer-encoding" and value.strip().lower() != b"chunked":
            raise Refusal(400, "chunked is the only transfer encoding that is understood")

    def check(self, version: str, method: bytes) -> None:
        """Check the header as a whole.

        Raises:
            Refusal: it is of another version of HTTP, lacks a host or has several, or asks for a proxy.
        """
        if version not in ("1.0", "1.1"):
            raise Refusal(400, "this service speaks HTTP/1.1 and HTTP/1.0")
        if self._hosts > 1 or (self._hosts == 0 and version == "1.1"):
            raise Refusal(400, "a request has one Host header")
        if method == b"CONNECT":
            raise Refusal(405, "this is no proxy")


def relative_address(address: bytes, headers: Sequence[tuple[bytes, bytes]]) -> bytes:
    """Return the path and query of an address.

    Raises:
        Refusal: it names another host than the header.
    """
    host = next((value for name, value in headers if name == b"host"), b"")
    relative = path_of(address, host)
    if relative is None:
        raise Refusal(400, "the address of a request begins with / and names no other host")
    return relative

"""One connection to the service: nothing on it lasts or grows without a limit.

uvicorn limits the idle time between requests, and concurrency. The latter counts idle connections and then
refuses everybody, so it is not used. What uvicorn lacks is here: time for a header and a body, bytes and
lines of a header, requests in a pipeline, a reader that does not read, and answers that say what was wrong.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any, Protocol

import httptools
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from excision.station.api.header import Header, Refusal, relative_address, too_large
from excision.station.api.limits import ConnectionLimits
from excision.station.api.wire import plain_address, spoken

_PIECE = 4096  # bytes of a header that are parsed before it is looked at again


class Crowd(Protocol):
    """Who keeps the connections of a server."""

    def joined(self, connection: Connection) -> None:
        """Hear of a new one."""

    def left(self, connection: Connection) -> None:
        """Hear that one has ended."""

    def refused(self, status: int) -> None:
        """Hear that a request was refused before the application saw it."""


class Connection(HttpToolsProtocol):
    """A connection with limits.

    Args:
        config: of the server.
        state: of the server.
        app_state: that the application's start left behind.
        limits: of this connection.
        crowd: hears when it begins and ends.
    """

    def __init__(
        self,
        config: Config,
        state: ServerState,
        app_state: dict[str, Any],
        limits: ConnectionLimits,
        crowd: Crowd,
    ) -> None:
        super().__init__(config, state, app_state)
        self._limits, self._crowd = limits, crowd
        self._open = 0  # requests that are not answered yet
        self._in_body = False
        self._is_again = False  # while a header is parsed a second time
        self._header, self._raw = Header(limits), 0  # what is coming in, and its bytes
        self._received = self._unspent = 0  # bytes of a body, and bytes around it that are none
        self._since = self._heard = self._answered = self._checked = time.monotonic()
        self._awaits_header = True  # from its first byte on, and from the beginning of the connection
        self._refusal: Refusal | None = None
        self._last_words: bytes | None = None
        self._end_by: float | None = None
        self._buffered, self._moved = 0, 0.0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's
        """Begin."""
        super().connection_made(transport)
        if self.client is not None:
            self.client = (plain_address(self.client[0]), self.client[1])
        self._crowd.joined(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """End."""
        super().connection_lost(exc)
        self._unset_keepalive_if_required()
        self._crowd.left(self)

    def data_received(self, data: bytes) -> None:
        """Parse what comes in, a header in small pieces."""
        self._unset_keepalive_if_required()
        if self._refusal is not None or self.transport.is_closing():
            return
        self._heard = time.monotonic()
        if not self._in_body and not self._awaits_header:
            self._awaits_header, self._since = True, self._heard
        rest = memoryview(data)
        while rest and self._refusal is None and not self.transport.is_closing():
            piece = rest if self._in_body else rest[:_PIECE]
            rest = rest[len(piece) :]
            left = self._feed(piece)
            if left:  # behind a request that wanted to speak another protocol
                rest = memoryview(bytes(left) + bytes(rest))

    def _feed(self, piece: memoryview) -> memoryview | None:
        before = self._received
        if not self._in_body:
            self._raw += len(piece)
        try:
            self.parser.feed_data(piece)
        except httptools.HttpParserUpgrade as wish:
            self._decline_upgrade()
            return piece[wish.args[0] :]
        except httptools.HttpParserError as error:
            cause = error.__context__
            self._refuse(cause if isinstance(cause, Refusal) else Refusal(400, "this is no proper HTTP"))
            return None
        if self._in_body:
            # Sizes and extensions of chunks, and a trailer, are no part of any body.
            self._unspent = self._unspent + len(piece) if self._received == before else 0
        if max(0 if self._in_body else self._raw, self._unspent) > self._limits.header_bytes:
            self._refuse(too_large(self._limits))
        return None

    def _decline_upgrade(self) -> None:
        # The parser takes what follows for the other protocol. Here the request goes on as what it is, with
        # its body: Java's client offers HTTP/2 with every request.
        framing = [
            b"%s: %s\r\n" % header
            for header in self.headers
            if header[0] in (b"content-length", b"transfer-encoding")
        ]
        self.parser = httptools.HttpRequestParser(self)
        self._is_again = True
        self.parser.feed_data(b"".join([b"POST / HTTP/1.1\r\n", *framing, b"\r\n"]))
        self._is_again = False

    def on_message_begin(self) -> None:
        """Begin a request."""
        if self._is_again:
            return
        super().on_message_begin()
        self._header.begin()

    def on_url(self, url: bytes) -> None:
        """Take a part of its address."""
        if self._is_again:
            return
        super().on_url(url)
        self._header.check_address(self.url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a line of its header; what comes behind the body counts, and is not kept."""
        if self._is_again:
            return
        self._header.count(name, value)
        if self._in_body:
            return
        super().on_header(name, value)
        self._header.note(self.headers[-1][0], value)

    def on_headers_complete(self) -> None:
        """Hand the request to the application, unless it is none that HTTP allows."""
        if self._is_again:
            return
        if self._open >= self._limits.pipelined:
            raise Refusal(0, "")
        self._header.check(self.parser.get_http_version(), self.parser.get_method())
        self.url = relative_address(self.url, self.headers)
        try:
            super().on_headers_complete()
        except (UnicodeDecodeError, AttributeError, httptools.HttpParserInvalidURLError) as error:
            raise Refusal(
                400, "the address is no proper one: it must be ASCII and percent-encoded"
            ) from error
        self._open += 1
        self._in_body, self._awaits_header = True, False
        self._since = self._heard = self._checked = time.monotonic()
        self._received = self._unspent = self._raw = 0

    def on_body(self, body: bytes) -> None:
        """Take a part of its body."""
        self._received += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        """See the end of a request."""
        if self.parser.should_upgrade():
            return
        self._in_body, self._raw = False, 0
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Go on after an answer: with the next request, or with the end."""
        self._open -= 1
        self._answered = time.monotonic()
        if self._awaits_header:
            self._since = self._answered
        super().on_response_complete()
        if self._open or self.transport.is_closing():
            return
        if self._last_words is not None:
            self._end(self._last_words)
        elif self._in_body and self.expect_100_continue and not self._received:
            # Nobody knows whether the body is still coming: the next bytes could be either.
            self._end(b"")

    def quiet_since(self) -> float | None:
        """Give since when this connection waits for its client, by `time.monotonic`; None if it does not."""
        if self._end_by is not None:
            return self._end_by - self._limits.farewell_seconds
        if self._buffered:
            return self._moved
        if self._in_body:
            return None if self.flow.read_paused else self._since + self._received / self._limits.body_rate
        return None if self._open else max(self._since, self._answered)

    def give_way(self) -> None:
        """End at once: another client needs the place."""
        self.transport.abort()

    def check(self, now: float) -> None:
        """End what has taken too long.

        Args:
            now: of `time.monotonic`.
        """
        try:
            self._check(now)
        finally:
            self._checked = now

    def _check(self, now: float) -> None:
        if self._has_stalled(now) or (self._end_by is not None and now > self._end_by):
            self.transport.abort()
        elif self._refusal is not None or self._buffered or self.transport.is_closing():
            return
        elif self._in_body:
            self._check_body(now)
        elif self._awaits_header and not self._open and now - self._since > self._limits.header_seconds:
            if self._raw:
                self._refuse(Refusal(408, "the header comes too slowly"))
            else:
                self.transport.close()

    def _has_stalled(self, now: float) -> bool:
        waiting = self.transport.get_write_buffer_size()
        if waiting != self._buffered:
            self._buffered, self._moved = waiting, now
        return waiting > 0 and now - self._moved > self._limits.write_seconds

    def _check_body(self, now: float) -> None:
        limits = self._limits
        if self.cycle.response_complete:
            if now - self._answered > limits.rest_seconds:
                self._end(b"")
            return
        if self.flow.read_paused:
            # It is the application that takes its time.
            self._heard, self._since = now, self._since + now - self._checked
            return
        age = now - self._since
        lags = age - self._received / limits.body_rate > limits.body_seconds
        if lags or age > limits.request_seconds or now - self._heard > limits.body_seconds:
            self._refuse(Refusal(408, "the body comes too slowly"))

    def _refuse(self, refusal: Refusal) -> None:
        """Answer what no application can, behind the answers that are still owed."""
        self._refusal = refusal
        words = b""
        if refusal.status:
            self._crowd.refused(refusal.status)
            words = spoken(refusal.status, str(refusal))
        if self._in_body and self.cycle is not None and not self.cycle.response_complete:
            words = self._drop(words)
        if self._open:
            self._last_words = words
        else:
            self._end(words)

    def _drop(self, words: bytes) -> bytes:
        """Give up the request whose body was coming in; gives what is left to say."""
        self._open -= 1
        if self.pipeline and self.pipeline[0][0] is self.cycle:
            self.pipeline.popleft()
            return words
        self.cycle.disconnected = True
        self.cycle.message_event.set()
        return b"" if self.cycle.response_started else words

    def _end(self, words: bytes) -> None:
        """Say the last words, and read on for a while: a client that is still sending would not hear them."""
        self._unset_keepalive_if_required()
        self._refusal = self._refusal or Refusal(0, "")
        self._end_by = time.monotonic() + self._limits.farewell_seconds
        self.transport.write(words)
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self.flow.resume_reading()

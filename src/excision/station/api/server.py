"""The server of a service: uvicorn, with connections that are counted before they cost anything."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import socket
import time
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import uvicorn
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from excision.station.api.connection import Connection
from excision.station.api.limits import ConnectionLimits
from excision.station.api.metrics import Metrics
from excision.station.api.wire import plain_address, spoken

_EXHAUSTED = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
_PAUSE = 1.0  # seconds before the next try to accept where descriptors or memory have run out
_ROUND = 0.5  # seconds between two looks at what has taken too long
_LINES, _WINDOW = 5, 60.0  # equal lines of the log in so many seconds

_LOG = logging.getLogger("uvicorn.error")


class Server(uvicorn.Server):
    """A server that closes idle, slow and too many connections, and accepts no more than it can hold.

    Args:
        application: to serve.
        limits: of connections.
        metrics: counts what is refused.
        proxies: addresses and networks of proxies in front of it, which are believed when they say for whom
            they ask and whether that was over TLS. They may have any number of connections.
    """

    def __init__(
        self, application: Any, limits: ConnectionLimits, metrics: Metrics, proxies: Iterable[str] = ()
    ) -> None:
        proxies = list(proxies)
        super().__init__(
            uvicorn.Config(
                application,
                http=Connection,
                ws="none",
                log_level="warning",
                server_header=False,
                # Otherwise any process of this machine could say for whom it asks.
                proxy_headers=bool(proxies),
                forwarded_allow_ips=proxies,
                timeout_graceful_shutdown=60,
                timeout_keep_alive=limits.idle_seconds,
            )
        )
        self._limits, self._metrics = limits, metrics
        self._proxies = ProxyHeadersMiddleware(application, proxies).trusted_hosts if proxies else ()
        self._by_address: defaultdict[str, set[Connection]] = defaultdict(set)
        self._all: set[Connection] = set()
        self._accepting: list[asyncio.Task[None]] = []
        self._checking: asyncio.Task[None] | None = None
        metrics.watch_connections(lambda: len(self._all))
        for name in ("uvicorn.error", "asyncio"):
            logging.getLogger(name).addFilter(Sparse())

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to accept."""
        await super().startup(sockets=[])
        self._checking = asyncio.create_task(self._check())
        self._accepting = [asyncio.create_task(self._accept(listener)) for listener in sockets or []]

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End; connections are looked after until the last one is closed."""
        for task in self._accepting:
            task.cancel()
        await asyncio.gather(*self._accepting, return_exceptions=True)
        await super().shutdown(sockets)
        if self._checking is not None:
            self._checking.cancel()

    def joined(self, connection: Connection) -> None:
        """Count a connection."""
        self._all.add(connection)
        self._by_address[_host(connection)].add(connection)

    def left(self, connection: Connection) -> None:
        """Forget a connection."""
        self._all.discard(connection)
        neighbours = self._by_address[_host(connection)]
        neighbours.discard(connection)
        if not neighbours:
            del self._by_address[_host(connection)]

    def refused(self, status: int) -> None:
        """Count a request that no application saw."""
        self._metrics.refused(status)

    async def _accept(self, listener: socket.socket) -> None:
        # Once no descriptor is left, asyncio's own server tries and logs as often as its backlog is long.
        loop = asyncio.get_running_loop()
        listener.setblocking(False)
        while True:
            try:
                wire, address = await loop.sock_accept(listener)
            except OSError as error:
                if error.errno in _EXHAUSTED:
                    _LOG.warning("no connection can be accepted now: %s", error.strerror)
                    self._make_room(self._all)
                    await asyncio.sleep(_PAUSE)
                # Any other is of a client that has left before it was accepted.
                await asyncio.sleep(0)
                continue
            try:
                await self._admit(wire, plain_address(str(address[0])))
            except Exception:
                # Whatever it was, it was about one connection: the others must still be accepted.
                _LOG.exception("a connection could not be admitted")
                wire.close()
            await asyncio.sleep(0)

    async def _admit(self, wire: socket.socket, host: str) -> None:
        neighbours = self._by_address.get(host, set())
        own = len(neighbours) < self._limits.connections_per_address or host in self._proxies
        if not own or len(self._all) >= self._limits.connections:
            crowd = self._all if own else neighbours
            if not self._make_room(crowd):
                self._turn_away(wire)
                return
        await asyncio.get_running_loop().connect_accepted_socket(self._connection, wire)

    def _connection(self) -> Connection:
        return Connection(self.config, self.server_state, self.lifespan.state, self._limits, self)

    def _make_room(self, crowd: Iterable[Connection]) -> bool:
        """Close the connection that has waited longest for its client; False where none waits for one."""
        now = time.monotonic()
        waiting = [(since, id(each), each) for each in crowd if (since := each.quiet_since()) is not None]
        since, _, quietest = min(waiting, default=(now, 0, None))
        if quietest is None or since >= now:
            return False
        self._metrics.crowded_out()
        self.left(quietest)
        quietest.give_way()
        return True

    def _turn_away(self, wire: socket.socket) -> None:
        self.refused(503)
        with contextlib.closing(wire), contextlib.suppress(OSError):
            wire.setblocking(False)
            wire.send(spoken(503, "too many connections are open: try again shortly"))
            wire.shutdown(socket.SHUT_WR)

    async def _check(self) -> None:
        while True:
            await asyncio.sleep(_ROUND)
            now = time.monotonic()
            for connection in list(self._all):
                try:
                    connection.check(now)
                except Exception:
                    _LOG.exception("a connection could not be checked")
                    connection.give_way()


class Sparse(logging.Filter):
    """Passes a line of the log a few times a minute, and then says how often it was left out."""

    def __init__(self) -> None:
        super().__init__()
        self._seen: dict[tuple[object, ...], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Tell whether a line is to be written."""
        error = record.exc_info[1] if record.exc_info else None
        where = error.__traceback__ if error else None
        while where is not None and where.tb_next is not None:
            where = where.tb_next
        key = (record.name, record.msg, type(error), where and (where.tb_frame.f_code, where.tb_lineno))
        begun, count = self._seen.get(key, (record.created, 0))
        if record.created - begun > _WINDOW:
            if count > _LINES:
                record.msg = f"{record.msg} ({count - _LINES} more like this were left out)"
            begun, count = record.created, 0
        if len(self._seen) > 256:
            self._seen.clear()
        self._seen[key] = (begun, count + 1)
        return count < _LINES


def _host(connection: Connection) -> str:
    return connection.client[0] if connection.client else ""

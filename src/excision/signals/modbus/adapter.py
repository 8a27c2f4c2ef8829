"""A PLC by Modbus TCP as a signal of the station."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Protocol

from excision.signals.event_loop import LoopThread
from excision.signals.modbus.client import PlcPoller
from excision.signals.modbus.exchange import Exchange
from excision.signals.modbus.image import Image
from excision.signals.modbus.server import StationServer
from excision.signals.signal import Commands, LineState, Report, SignalError

if TYPE_CHECKING:
    from excision.signals.modbus.settings import ModbusSettings

_log = logging.getLogger(__name__)

TICK = 0.01
"""Seconds between two looks at the time-outs."""

_OPEN = 10.0
_MARGIN = 5.0


class Transport(Protocol):
    """How the PLC's values come and go."""

    @property
    def image(self) -> Image:
        """What the PLC wrote last."""

    @property
    def away(self) -> str | None:
        """Why the PLC cannot be reached; None where it can."""

    async def open(self) -> None:
        """Begin."""

    async def close(self) -> None:
        """End."""


class ModbusSignal:
    """The handshake with one PLC.

    Args:
        name: of the table.
        settings: of the table.
    """

    durable = True

    def __init__(self, name: str, settings: ModbusSettings) -> None:
        self.name, self._settings = name, settings
        self._thread: LoopThread | None = None
        self._exchange: Exchange | None = None
        self._transport: Transport | None = None
        self._ticking: asyncio.Task[None] | None = None

    @property
    def port(self) -> int:
        """The port of a started server."""
        assert isinstance(self._transport, StationServer)
        return self._transport.port

    def start(self, commands: Commands) -> None:
        """Listen, or begin to look at the PLC.

        Raises:
            SignalError: the port of a server cannot be used.
        """
        self._thread = LoopThread(f"signals.{self.name}")
        try:
            self._thread.run(self._open(commands), _OPEN)
        except SignalError:
            self.close()
            raise

    def send(self, report: Report) -> None:
        """Show a report to the PLC; return once it is acknowledged.

        A report on a trigger of another signal is passed over, unless the settings ask for all.

        Raises:
            SignalError: the PLC is away, or did not acknowledge in time.
        """
        thread, exchange = self._running()
        timing = self._settings.timing
        most = 2 * timing.acknowledge + timing.release + 2 * timing.hold + _MARGIN
        thread.run(exchange.deliver(report), most)

    def show(self, state: LineState) -> None:
        """Show how the station is.

        Raises:
            SignalError: the PLC is away.
        """
        thread, exchange = self._running()
        thread.loop.call_soon_threadsafe(exchange.show, state)
        if self._transport is not None and self._transport.away is not None:
            raise SignalError(self._transport.away)

    def close(self) -> None:
        """End every connection."""
        if self._thread is not None:
            self._thread.end(self._close(), _MARGIN)
            self._thread = None

    def _running(self) -> tuple[LoopThread, Exchange]:
        if self._thread is None or self._exchange is None:
            raise SignalError(f"{self.name}: is not started")
        return self._thread, self._exchange

    async def _open(self, commands: Commands) -> None:
        self._exchange = exchange = Exchange(self.name, self._settings, commands)
        made: type[StationServer] | type[PlcPoller]
        made = StationServer if self._settings.mode == "server" else PlcPoller
        self._transport = transport = made(self._settings, exchange)
        await transport.open()
        self._ticking = asyncio.create_task(self._tick(exchange, transport))

    async def _tick(self, exchange: Exchange, transport: Transport) -> None:
        while True:
            try:
                exchange.tick(transport.image)
            except Exception:
                # Without ticks there were no time-outs and no heartbeat, and the PLC would wait for ever.
                _log.exception("%s: a step of the handshake failed", self.name)
            await asyncio.sleep(TICK)

    async def _close(self) -> None:
        if self._ticking is not None:
            self._ticking.cancel()
        if self._transport is not None:
            await self._transport.close()

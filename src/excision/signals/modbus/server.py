"""The station as a Modbus TCP server, which a PLC reads and writes."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Any

from pymodbus.constants import ExcCodes
from pymodbus.server import ModbusTcpServer
from pymodbus.server.requesthandler import ServerRequestHandler
from pymodbus.simulator import DataType, SimData, SimDevice

from excision.signals.listening import check_port
from excision.signals.modbus.addresses import FROM_PLC, WIDTHS, Table
from excision.signals.modbus.exchange import Exchange
from excision.signals.modbus.image import Image
from excision.signals.signal import SignalError

if TYPE_CHECKING:
    from excision.signals.modbus.settings import ModbusSettings

_TABLE_OF: dict[int, Table] = {1: "coil", 5: "coil", 15: "coil", 2: "discrete", 4: "input"}
_HEAD = 6  # bytes before the length of a frame counts
_LONGEST = 254
_MOST_WAITING = 64  # requests of one connection


class StationServer:
    """Serves the tables of one exchange.

    Args:
        settings: of the table.
        exchange: with the station.
    """

    def __init__(self, settings: ModbusSettings, exchange: Exchange) -> None:
        self._settings, self._exchange = settings, exchange
        self.image: Image = {}
        self._asked = exchange.layout.addresses(FROM_PLC)
        self._server: _Server | None = None

    @property
    def away(self) -> str | None:
        """Why the PLC cannot be reached; a server waits for it, so there is nothing to say."""
        return None

    @property
    def port(self) -> int:
        """The port that it listens at."""
        assert self._server is not None
        return int(self._server.transport.sockets[0].getsockname()[1])  # type: ignore[attr-defined]  # pymodbus

    async def open(self) -> None:
        """Listen.

        Raises:
            SignalError: the address or port cannot be used.
        """
        check_port(self._settings.host, self._settings.port)
        device = SimDevice(id=0, simdata=self._blocks(), action=self._act)
        where = (self._settings.host, self._settings.port)
        self._server = _Server(device, address=where, clients=frozenset(self._settings.clients))
        try:
            await self._server.serve_forever(background=True)
        except RuntimeError as error:
            raise SignalError(f"{where[0]}:{where[1]}: cannot be listened at") from error

    async def close(self) -> None:
        """Stop listening, and end every connection."""
        if self._server is not None:
            await self._server.shutdown()  # type: ignore[no-untyped-call]  # pymodbus

    def _blocks(self) -> tuple[list[SimData], list[SimData], list[SimData], list[SimData]]:
        used = self._exchange.layout.addresses(WIDTHS)
        made = []
        for table, kind in (
            ("coil", DataType.BITS),
            ("discrete", DataType.BITS),
            ("holding", DataType.REGISTERS),
            ("input", DataType.REGISTERS),
        ):
            value: bool | int = False if kind is DataType.BITS else 0
            last = max(used.get(table, {0}))  # type: ignore[call-overload]  # the names are those of Table
            made.append([SimData(0, count=last + 1, values=value, datatype=kind)])
        return made[0], made[1], made[2], made[3]

    async def _act(
        self,
        function: int,
        start: int,
        address: int,
        count: int,  # noqa: ARG002  # pymodbus gives it, in registers also for bits
        registers: list[int],
        values: list[int] | list[bool] | None,
    ) -> ExcCodes | None:
        self._exchange.heard()
        table = _TABLE_OF.get(function, "holding")
        if values:
            self._write(table, address, values)
        else:
            self._show(table, start, registers)
        return None

    def _write(self, table: Table, address: int, values: list[int] | list[bool]) -> None:
        asked = self._asked.get(table, set())
        mine = self.image.setdefault(table, {})
        mine.update({address + at: int(one) for at, one in enumerate(values) if address + at in asked})
        self._exchange.feed(self.image)

    def _show(self, table: Table, start: int, registers: list[int]) -> None:
        bits = table in {"coil", "discrete"}
        for number, value in self._exchange.outputs.get(table, {}).items():
            if not bits:
                registers[number - start] = value
                continue
            at, mask = number // 16 - start, 1 << number % 16
            registers[at] = registers[at] | mask if value else registers[at] & ~mask


class _Server(ModbusTcpServer):
    """Lets the given addresses in, and answers every request of a connection in turn."""

    def __init__(self, device: SimDevice, *, address: tuple[str, int], clients: frozenset[str]) -> None:
        super().__init__(device, address=address)
        self.clients = clients

    def callback_new_connection(self) -> ServerRequestHandler:
        return _Connection(self, None, None, None)


class _Connection(ServerRequestHandler):
    """One connection.

    The library answers only the first of several requests that arrive together, and forgets the others. A PLC
    may send so, and a forgotten write would be a lost trigger.
    """

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)  # type: ignore[no-untyped-call]  # pymodbus
        self._bytes = b""
        self._frames: deque[bytes] = deque()
        self._work: asyncio.Task[None] | None = None

    def callback_connected(self) -> None:
        """Close the connection of a stranger."""
        super().callback_connected()
        peer = self.transport.get_extra_info("peername") or ("",)
        known = self.server.clients
        if known and peer[0].removeprefix("::ffff:") not in known:
            self.close()

    def datagram_received(self, data: bytes, addr: tuple[Any, ...] | None) -> None:
        """Cut what arrives into requests; give up a connection that does not speak Modbus."""
        self._bytes += data
        while len(self._bytes) >= _HEAD:
            protocol = int.from_bytes(self._bytes[2:4])
            length = int.from_bytes(self._bytes[4:6])
            if protocol != 0 or not 2 <= length <= _LONGEST or len(self._frames) >= _MOST_WAITING:
                self._bytes = b""
                self.close()
                return
            if len(self._bytes) < _HEAD + length:
                break
            self._frames.append(self._bytes[: _HEAD + length])
            self._bytes = self._bytes[_HEAD + length :]
        if self._frames and (self._work is None or self._work.done()):
            self._work = asyncio.create_task(self._answer(addr))

    async def _answer(self, addr: tuple[Any, ...] | None) -> None:
        while self._frames and self.transport:
            frame = self._frames.popleft()
            self.last_pdu = None
            ServerRequestHandler.callback_data(self, frame, addr)
            if self.last_pdu:
                await self.handle_request()

    def handle_later(self) -> None:
        """Do nothing: the requests are handled in turn."""

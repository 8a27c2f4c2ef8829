"""The station as a Modbus TCP client, which reads and writes a PLC's tables."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from pymodbus.client import AsyncModbusTcpClient
from pymodbus.exceptions import ModbusException

from excision.signals.modbus.addresses import FROM_PLC, WIDTHS, Table
from excision.signals.modbus.exchange import Exchange
from excision.signals.modbus.image import Image, Layout, runs
from excision.signals.signal import SignalError

if TYPE_CHECKING:
    from excision.signals.modbus.settings import ModbusSettings

_log = logging.getLogger(__name__)
# It would write a line at every attempt to reach a PLC that is switched off.
logging.getLogger("pymodbus.logging").setLevel(logging.ERROR)

ANSWER = 1.0
"""Seconds that the PLC has for an answer."""

_AGAIN = (0.2, 5.0)  # seconds before the first and the last attempt to connect again
_READ = {"coil": 2000, "discrete": 2000, "holding": 125, "input": 125}
_WRITE = {"coil": 1968, "holding": 123}
_BITS = [name for name in FROM_PLC if not WIDTHS[name]]
_WORDS = [name for name in FROM_PLC if WIDTHS[name]]  # read only where the trigger rises
_WRITING_ORDER: tuple[Table, ...] = ("holding", "coil")  # numbers are there before the bit that says so


class PlcClient:
    """A connection to the PLC.

    Args:
        settings: of the table.
        layout: where the signals lie.
    """

    def __init__(self, settings: ModbusSettings, layout: Layout) -> None:
        self._unit, self._layout = settings.unit, layout
        self.where = f"{settings.host}:{settings.port}"
        self._client = AsyncModbusTcpClient(
            settings.host, port=settings.port, timeout=ANSWER, retries=0, reconnect_delay=0
        )

    async def connect(self) -> None:
        """Connect.

        Raises:
            SignalError: nobody answers.
        """
        if not await self._client.connect():
            raise SignalError(f"{self.where}: no PLC answers there")

    def close(self) -> None:
        """End the connection."""
        self._client.close()

    async def read(self, names: Iterable[str]) -> Image:
        """Read where some signals lie.

        Raises:
            SignalError: the PLC does not answer, or has no such address.
        """
        image: Image = {}
        for table, numbers in self._layout.addresses(names).items():
            for first, values in runs(dict.fromkeys(numbers, 0), _READ[table]):
                answer = await self._ask(_reader(table), table, first, count=len(values))
                got = answer.bits if table in {"coil", "discrete"} else answer.registers
                image.setdefault(table, {}).update(
                    {first + at: int(one) for at, one in enumerate(got[: len(values)])}
                )
        return image

    async def write(self, image: Image) -> None:
        """Write values.

        Raises:
            SignalError: the PLC does not answer, or refuses.
        """
        for table in _WRITING_ORDER:
            for first, values in runs(image.get(table, {}), _WRITE[table]):
                if table == "coil":
                    await self._ask("write_coils", table, first, [bool(one) for one in values])
                else:
                    await self._ask("write_registers", table, first, values)

    async def _ask(self, name: str, table: Table, first: int, *given: Any, **named: Any) -> Any:
        try:
            answer = await getattr(self._client, name)(first, *given, **named, device_id=self._unit)
        except (ModbusException, OSError, TimeoutError) as error:
            raise SignalError(f"{self.where}: no answer at {table}:{first}") from error
        if answer.isError():
            raise SignalError(f"{self.where}: the PLC refuses {name} at {table}:{first} ({answer})")
        return answer


class PlcPoller:
    """Looks at the PLC again and again, and connects again where it went away.

    Args:
        settings: of the table.
        exchange: with the station.
    """

    def __init__(self, settings: ModbusSettings, exchange: Exchange) -> None:
        self._settings, self._exchange = settings, exchange
        self.image: Image = {}
        self.away: str | None = "not connected yet"
        self._written: Image = {}
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._triggered = False
        exchange.fresh = self._wake.set

    async def open(self) -> None:
        """Begin to look."""
        self._task = asyncio.create_task(self._run())

    async def close(self) -> None:
        """Stop."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def _run(self) -> None:
        wait = _AGAIN[0]
        while True:
            client = PlcClient(self._settings, self._exchange.layout)
            try:
                await client.connect()
                self._written = {}
                _log.info("%s: connected", client.where)
                self.away, wait = None, _AGAIN[0]
                while True:
                    await self._look(client)
            except SignalError as error:
                if self.away is None:
                    _log.warning("%s", error)
                self.away = str(error)
            except Exception as error:
                # Without this task the PLC would never be asked again.
                _log.exception("%s: a look at the PLC failed; it goes on", client.where)
                self.away = f"{client.where}: {type(error).__name__}: {error}"
            finally:
                client.close()
            await asyncio.sleep(wait)
            wait = min(2 * wait, _AGAIN[1])

    async def _look(self, client: PlcClient) -> None:
        # Cleared first: a report that comes during the requests below is written right after them.
        self._wake.clear()
        image = await client.read(_BITS)
        trigger = self._exchange.layout.inputs(image).trigger
        if trigger and not self._triggered:
            image = _joined(image, await client.read(_WORDS))
        self._triggered = trigger
        self._exchange.heard()
        self.image = image
        self._exchange.feed(image)
        await self._write(client)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._wake.wait(), self._settings.poll)
            await self._write(client)

    async def _write(self, client: PlcClient) -> None:
        wanted = self._exchange.outputs
        changed: Image = {}
        for table, values in wanted.items():
            before = self._written.get(table, {})
            different = {at: value for at, value in values.items() if before.get(at) != value}
            if different:
                changed[table] = different
        if changed:
            await client.write(changed)
            self._written = wanted


def _joined(one: Image, other: Image) -> Image:
    return {table: {**one.get(table, {}), **other.get(table, {})} for table in {*one, *other}}


def _reader(table: Table) -> str:
    return {
        "coil": "read_coils",
        "discrete": "read_discrete_inputs",
        "holding": "read_holding_registers",
        "input": "read_input_registers",
    }[table]

"""How long a trigger of a PLC takes through the station's adapters, on this machine's loopback.

    python experiments/plc_times.py                          # alone
    python experiments/plc_times.py --burn 2 --readers 4     # with busy cores and other clients
    python experiments/plc_times.py --model line/parts --images new_images/    # and the inspection as well

The station answers at once, so that the figures are those of the wire, the handshake and the adapter; the
time of the inspection comes on top. Modbus, the PLC as client: from just before the coil is written until the
PLC reads result_valid. Modbus, the station as client: from the coil in the PLC's memory until result_valid is
there. OPC UA: from just before StartSingleJob is called until a subscription of 10 ms has brought the number
of the report.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import queue
import socket
import statistics
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from excision.signals.modbus.adapter import ModbusSignal
from excision.signals.modbus.settings import ModbusSettings
from excision.signals.opcua.server import OpcUaServer
from excision.signals.opcua.settings import OpcUaSettings
from excision.signals.signal import LineState, Report, Signal
from excision.system.duration import Duration

PATIENCE = Duration(60.0)
SCAN = 0.0005  # seconds of a cycle of the PLC; one that never slept would keep the station's thread waiting


class Quick:
    """A station whose inspections take no time; the report of a trigger is sent in a thread of its own."""

    def __init__(self) -> None:
        self._signal: Signal | None = None
        self._numbers = 0
        self._asked: queue.Queue[int | None] = queue.Queue()
        self._thread = threading.Thread(target=self._answer)

    def run(self, signal: Signal) -> None:
        """Begin to answer."""
        self._signal = signal
        signal.start(self)
        signal.show(LineState(ready=True, busy=False))
        self._thread.start()

    def close(self) -> None:
        """End."""
        self._asked.put(None)
        self._thread.join()
        if self._signal is not None:
            self._signal.close()

    def trigger(self, origin: str, **_: str | None) -> int:
        """Accept a trigger."""
        del origin
        self._numbers += 1
        self._asked.put(self._numbers)
        return self._numbers

    def set_lot(self, lot: str | None) -> None:
        """Do nothing."""

    def set_recipe(self, name: str) -> None:
        """Do nothing."""

    def acknowledge(self) -> None:
        """Do nothing."""

    def _answer(self) -> None:
        while (number := self._asked.get()) is not None and self._signal is not None:
            now = time.time()
            self._signal.send(
                Report(str(uuid.uuid4()), number, "good", score=0.5, threshold=1.0, result=number, time=now)
            )


def modbus_server(count: int, readers: int) -> list[float]:
    """Measure with the PLC as client, in seconds."""
    signal, station = ModbusSignal("modbus", _patient()), Quick()
    station.run(signal)
    with ExitStack() as stack:
        stack.callback(station.close)
        stack.enter_context(_others(readers, lambda: _read_for_ever(signal.port)))
        return _parts(signal.port, count)


def whole_line(count: int, readers: int, model: Path, images: Path) -> list[float]:
    """Measure with the PLC as client, a camera that reads a folder, and the inspection, in seconds."""
    from excision.cameras.folder import FolderSettings
    from excision.station.line.line import Line
    from excision.station.line.settings import LineSettings
    from excision.station.station import Station, StationSettings

    signal = ModbusSignal("modbus", _patient())
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        station = Station(StationSettings(data=Path(folder), models={"model": model}))
        stack.callback(station.close)
        camera = FolderSettings(path=images, loop=True).open("front")
        line = Line(station, LineSettings(deadline=PATIENCE), [camera], [signal])
        line.start()
        stack.callback(line.close)
        while not all(courier.state.started for courier in line.couriers):
            time.sleep(0.01)
        stack.enter_context(_others(readers, lambda: _read_for_ever(signal.port)))
        return _parts(signal.port, count)


def _parts(port: int, count: int) -> list[float]:
    """Run the program of a PLC over the default map, and give the time of each part."""
    from pymodbus.client import ModbusTcpClient

    client = ModbusTcpClient("127.0.0.1", port=port)
    client.connect()  # type: ignore[no-untyped-call]  # pymodbus

    def bit(number: int) -> bool:
        return client.read_discrete_inputs(0, count=8).bits[number]

    def one() -> float:
        _until(lambda: bit(0))
        start = time.perf_counter()
        client.write_coil(0, True)
        _until(lambda: bit(2))
        taken = time.perf_counter() - start
        client.write_coil(1, True)
        _until(lambda: not bit(2))
        client.write_coils(0, [False, False])
        return taken

    try:
        return [one() for _ in range(count)]
    finally:
        client.close()  # type: ignore[no-untyped-call]  # pymodbus


def modbus_client(count: int, poll: float) -> list[float]:
    """Measure with the station as client, in seconds."""
    from pymodbus.server import ModbusTcpServer
    from pymodbus.simulator import DataType, SimData, SimDevice

    port = _free_port()

    async def plc() -> list[float]:
        bits = [SimData(0, count=32, values=False, datatype=DataType.BITS)]
        words = [SimData(0, count=200, values=0, datatype=DataType.REGISTERS)]
        server = ModbusTcpServer(
            SimDevice(1, (bits, list(bits), words, list(words))), address=("127.0.0.1", port)
        )
        await server.serve_forever(background=True)
        station = Quick()
        settings = ModbusSettings(mode="client", port=port, poll=Duration(poll), **_timing())
        signal = ModbusSignal("press", settings)
        try:
            await asyncio.to_thread(_run_when_there, station, signal)
            return [await _one_part(server) for _ in range(count)]
        finally:
            await asyncio.to_thread(station.close)
            await server.shutdown()  # type: ignore[no-untyped-call]  # pymodbus

    return asyncio.run(plc())


async def _one_part(server: Any) -> float:
    async def until(number: int, value: bool) -> None:
        while (await server.async_getValues(1, 1, 16 + number, 1))[0] is not value:
            await asyncio.sleep(SCAN)

    await until(0, True)
    start = time.perf_counter()
    await server.async_setValues(1, 5, 0, [True])
    await until(2, True)
    taken = time.perf_counter() - start
    await server.async_setValues(1, 5, 1, [True])
    await until(2, False)
    await server.async_setValues(1, 15, 0, [False, False])
    return taken


def opc_ua(count: int, folder: Path) -> list[float]:
    """Measure with an encrypted channel, in seconds."""
    from asyncua import Client, ua
    from asyncua.crypto.security_policies import SecurityPolicyBasic256Sha256

    from excision.signals.opcua.certificate import ensure_certificate
    from excision.system.credentials import Secret

    (folder / "password.txt").write_text("right")
    url = f"opc.tcp://127.0.0.1:{_free_port()}/excision"
    settings = OpcUaSettings(
        endpoint=url, certificates=folder / "own", user="plc", password=Secret(folder / "password.txt")
    )
    station, signal = Quick(), OpcUaServer("opcua", settings)
    station.run(signal)
    files = ensure_certificate(folder / "client", "urn:plc")

    class Seen:
        def __init__(self) -> None:
            self.changed = asyncio.Event()

        def datachange_notification(self, *_: Any) -> None:
            self.changed.set()

    async def plc() -> list[float]:
        client = Client(url)
        client.application_uri = "urn:plc"
        await client.set_security(SecurityPolicyBasic256Sha256, str(files[0]), str(files[1]))
        client.set_user("plc")
        client.set_password("right")
        async with client:
            await client.load_data_type_definitions()
            own = await client.get_namespace_index("urn:excision:station")
            seen, taken = Seen(), []
            subscription = await client.create_subscription(10, seen)
            await subscription.subscribe_data_change(client.get_node(f"ns={own};s=Report.ReportNumber"))
            name = "VisionSystem.VisionStateMachine.AutomaticModeStateMachine"
            parent = client.get_node(f"ns={own};s={name}")
            method = ua.NodeId.from_string(f"ns={own};s={name}.StartSingleJob")
            state = client.get_node(f"ns={own};s={name}.CurrentState")
            kinds = ("MeasId", "PartId", "RecipeIdExternal", "ProductId")
            given = [
                *(getattr(ua, f"{kind}DataType")(Id="") for kind in kinds),
                ua.Variant([], ua.VariantType.Variant, is_array=True),
            ]
            await seen.changed.wait()
            for _ in range(count):
                while (await state.read_value()).Text != "Ready":
                    await asyncio.sleep(0.001)
                seen.changed.clear()
                start = time.perf_counter()
                await parent.call_method(method, *given)
                await seen.changed.wait()
                taken.append(time.perf_counter() - start)
            return taken

    try:
        return asyncio.run(plc())
    finally:
        station.close()


def describe(seconds: list[float]) -> tuple[float, float, float, float]:
    """Give p50, p99, p99.9 and the largest, in milliseconds; of few values the last ones are the same."""
    ordered = sorted(seconds)

    def quantile(share: float) -> float:
        return 1000 * ordered[min(len(ordered) - 1, int(share * len(ordered)))]

    return 1000 * statistics.median(ordered), quantile(0.99), quantile(0.999), 1000 * ordered[-1]


def _timing() -> dict[str, Any]:
    return dict.fromkeys(("result_timeout", "acknowledge_timeout", "release_timeout"), PATIENCE)


def _patient() -> ModbusSettings:
    return ModbusSettings(port=0, **_timing())


def _run_when_there(station: Quick, signal: ModbusSignal) -> None:
    from excision.signals.signal import SignalError

    signal.start(station)
    station._signal = signal
    while True:
        try:
            signal.show(LineState(ready=True, busy=False))
            break
        except SignalError:
            time.sleep(0.05)
    station._thread.start()


def _until(condition: Callable[[], bool]) -> None:
    while not condition():
        time.sleep(SCAN)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _burn() -> None:
    while True:
        sum(range(10_000))


def _read_for_ever(port: int) -> None:
    from pymodbus.client import ModbusTcpClient

    client = ModbusTcpClient("127.0.0.1", port=port)
    client.connect()  # type: ignore[no-untyped-call]  # pymodbus
    while True:
        client.read_input_registers(0, count=13)
        time.sleep(0.01)


@contextmanager
def _others(count: int, work: Callable[[], None]) -> Iterator[None]:
    context = multiprocessing.get_context("fork")
    started = [context.Process(target=work, daemon=True) for _ in range(count)]
    for process in started:
        process.start()
    try:
        yield
    finally:
        for process in started:
            process.kill()
            process.join()


def main(words: list[str] | None = None) -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--count", type=int, default=2000, help="triggers for each row")
    parser.add_argument("--burn", type=int, default=0, help="processes that keep a core busy")
    parser.add_argument("--readers", type=int, default=0, help="other Modbus clients that read every 10 ms")
    parser.add_argument("--model", type=Path, help="exported folder, for a row of the whole line")
    parser.add_argument("--images", type=Path, help="what its camera sees")
    given = parser.parse_args(words)
    print("| wire | triggers | p50, ms | p99, ms | p99.9, ms | largest, ms |")
    print("| --- | ---: | ---: | ---: | ---: | ---: |")
    with _others(given.burn, _burn), tempfile.TemporaryDirectory() as folder:
        rows: tuple[tuple[str, Callable[[], list[float]]], ...] = (
            ("Modbus, the PLC is the client", lambda: modbus_server(given.count, given.readers)),
            ("Modbus, the station is the client, `poll` 10 ms", lambda: modbus_client(given.count, 0.01)),
            ("OPC UA, encrypted, subscription of 10 ms", lambda: opc_ua(given.count, Path(folder))),
        )
        if given.model and given.images:
            line = lambda: whole_line(given.count, given.readers, given.model, given.images)  # noqa: E731
            rows = (*rows, ("whole line, Modbus, the PLC is the client", line))
        for name, measure in rows:
            figures = " | ".join(f"{one:.1f}" for one in describe(measure()))
            print(f"| {name} | {given.count} | {figures} |", flush=True)


if __name__ == "__main__":
    main()

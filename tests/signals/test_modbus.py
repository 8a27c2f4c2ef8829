"""A station and a PLC on loopback, each as server and as client, with the library's own counterpart."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Literal

import pytest
from pymodbus.client import ModbusTcpClient
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from excision.errors import SettingsError
from excision.signals.modbus.adapter import ModbusSignal
from excision.signals.modbus.addresses import STATUS, WIDTHS, default_map
from excision.signals.modbus.settings import ModbusSettings
from excision.signals.signal import LineState, SignalError
from excision.system.duration import Duration
from tests.signals.stand_in import StandIn, free_port, keep_sending, report, wait_for

TRIGGER, ACKNOWLEDGE, RESET = 0, 1, 2
LONG, QUARTER = Duration(60.0), Duration(0.25)


class Plc:
    """What the program of a PLC does, over the default map of a station that is the server."""

    def __init__(self, port: int) -> None:
        self._client = ModbusTcpClient("127.0.0.1", port=port, timeout=60)
        assert self._client.connect()  # type: ignore[no-untyped-call]  # pymodbus

    def write(self, coil: int, on: bool) -> None:
        assert not self._client.write_coil(coil, on).isError()

    def text(self, first: int, text: str) -> None:
        raw = text.encode().ljust(32, b"\0")
        assert not self._client.write_registers(first, list(struct.unpack(">16H", raw))).isError()

    def recipe(self, number: int) -> None:
        assert not self._client.write_register(0, number).isError()

    @property
    def bits(self) -> dict[str, bool]:
        answer = self._client.read_discrete_inputs(0, count=len(STATUS))
        return dict(zip(STATUS, answer.bits, strict=True))

    @property
    def on(self) -> set[str]:
        return {name for name, value in self.bits.items() if value}

    @property
    def words(self) -> dict[str, int | float]:
        got = self._client.read_input_registers(0, count=13).registers
        raw = struct.pack(">13H", *got)
        names = ("status", "verdict", "result_number", "trigger_number", "score", "threshold")
        values = struct.unpack(">HHIIffHHH", raw)
        return dict(zip((*names, "fault_code", "heartbeat", "missed_triggers"), values, strict=True))

    def close(self) -> None:
        self._client.close()  # type: ignore[no-untyped-call]  # pymodbus


def started(**given: Duration) -> tuple[ModbusSignal, StandIn]:
    """Give a station; each time-out is a minute unless it is given."""
    names = ("result_timeout", "acknowledge_timeout", "release_timeout", "silence")
    patience = {**dict.fromkeys(names, LONG), **given}
    settings = ModbusSettings(port=0, recipes=("parts", "casting"), **patience)  # type: ignore[arg-type]
    signal, stand_in = ModbusSignal("modbus", settings), StandIn()
    signal.start(stand_in)
    return signal, stand_in


@pytest.fixture
def station() -> Iterator[tuple[ModbusSignal, StandIn]]:
    signal, stand_in = started()
    yield signal, stand_in
    signal.close()


@pytest.fixture
def plc(station: tuple[ModbusSignal, StandIn]) -> Iterator[Plc]:
    made = Plc(station[0].port)
    yield made
    made.close()


def test_a_plc_polls_the_station_through_one_part(station: tuple[ModbusSignal, StandIn], plc: Plc) -> None:
    signal, stand_in = station
    assert plc.on == {"ready"}
    plc.text(1, "S-0815")
    plc.text(17, "LOT 4")
    plc.recipe(2)
    plc.write(TRIGGER, True)
    assert plc.on == {"busy"}
    asked = stand_in.triggers.get(timeout=60)
    assert (asked["origin"], asked["serial"], asked["lot"]) == ("modbus", "S-0815", "LOT 4")
    assert asked["recipe"] == "casting"
    with ThreadPoolExecutor() as pool:
        sent = pool.submit(keep_sending, signal, report(1, "defect", 70000))
        wait_for(lambda: plc.on == {"result_valid", "defect"})
        words = plc.words
        assert (words["result_number"], words["trigger_number"], words["verdict"]) == (70000, 1, 3)
        assert (words["score"], words["threshold"]) == (0.25, 1.5)
        assert words["status"] == 1 << STATUS.index("result_valid") | 1 << STATUS.index("defect")
        assert not sent.done()
        plc.write(ACKNOWLEDGE, True)
        sent.result(60)
    assert plc.on == set()
    plc.write(TRIGGER, False)
    plc.write(ACKNOWLEDGE, False)
    wait_for(lambda: plc.on == {"ready"})


@contextlib.contextmanager
def impatient(**given: Duration) -> Iterator[tuple[ModbusSignal, StandIn, Plc]]:
    """Give a station of which one time-out is short, so that no other can come first."""
    signal, stand_in = started(**given)
    plc = Plc(signal.port)
    try:
        yield signal, stand_in, plc
    finally:
        plc.close()
        signal.close()


def test_a_result_that_comes_late() -> None:
    with impatient(result_timeout=QUARTER) as (signal, stand_in, plc):
        plc.write(TRIGGER, True)
        wait_for(lambda: plc.on == {"result_valid", "no_verdict", "fault"})
        assert plc.words["fault_code"] == 2
        signal.send(report(1))  # too late: settled at once, and not shown
        assert plc.words["verdict"] == 5
        plc.write(ACKNOWLEDGE, True)
        plc.write(TRIGGER, False)
        plc.write(ACKNOWLEDGE, False)
        wait_for(lambda: plc.on == {"ready", "fault"})
        plc.write(RESET, True)
        assert plc.on == {"ready"} and stand_in.acknowledged == 1


def test_a_plc_that_acknowledges_late() -> None:
    with impatient(acknowledge_timeout=QUARTER) as (signal, _, plc):
        plc.write(TRIGGER, True)
        late = report(1)
        with pytest.raises(SignalError, match="has not acknowledged result 7"):
            signal.send(late)
        assert plc.on == {"result_valid", "good", "fault"} and plc.words["fault_code"] == 3
        with ThreadPoolExecutor() as pool:
            again = pool.submit(keep_sending, signal, late)  # as the outbox does
            plc.write(ACKNOWLEDGE, True)
            again.result(60)


def test_a_plc_that_does_not_lower_its_signals() -> None:
    with impatient(release_timeout=QUARTER) as (signal, _, plc):
        plc.write(TRIGGER, True)
        with ThreadPoolExecutor() as pool:
            sent = pool.submit(keep_sending, signal, report(1))
            wait_for(lambda: "result_valid" in plc.on)
            plc.write(ACKNOWLEDGE, True)
            sent.result(60)
        wait_for(lambda: plc.words["fault_code"] == 4)
        plc.write(TRIGGER, False)
        plc.write(ACKNOWLEDGE, False)
        wait_for(lambda: plc.on == {"ready", "fault"})


def test_a_trigger_while_busy_is_counted(station: tuple[ModbusSignal, StandIn], plc: Plc) -> None:
    _, stand_in = station
    for level in (True, False, True, False, True):
        plc.write(TRIGGER, level)
    assert "fault" in plc.on
    assert (plc.words["missed_triggers"], plc.words["fault_code"]) == (2, 1)
    assert stand_in.triggers.qsize() == 1


def test_a_station_that_refuses_says_so(station: tuple[ModbusSignal, StandIn], plc: Plc) -> None:
    _, stand_in = station
    stand_in.refuses = True
    plc.write(TRIGGER, True)
    assert plc.on == {"result_valid", "no_verdict", "fault"} and plc.words["fault_code"] == 5
    plc.write(ACKNOWLEDGE, True)
    plc.write(TRIGGER, False)
    plc.write(ACKNOWLEDGE, False)
    wait_for(lambda: "ready" in plc.on)
    stand_in.refuses = False
    plc.recipe(3)
    plc.write(TRIGGER, True)
    assert "no_verdict" in plc.on and stand_in.triggers.empty()


def test_the_state_of_the_line(station: tuple[ModbusSignal, StandIn], plc: Plc) -> None:
    signal, _ = station
    signal.show(LineState(ready=False, busy=False, fault="camera front does not answer"))
    wait_for(lambda: plc.on == {"fault"})
    assert plc.words["fault_code"] == 7
    signal.show(LineState(ready=True, busy=False))
    wait_for(lambda: plc.on == {"ready"})
    before = plc.words["heartbeat"]
    wait_for(lambda: plc.words["heartbeat"] != before)


def test_requests_that_arrive_together_are_all_answered(station: tuple[ModbusSignal, StandIn]) -> None:
    signal, stand_in = station

    def frame(number: int, content: bytes) -> bytes:
        return struct.pack(">HHHB", number, 0, len(content) + 1, 255) + content

    read = bytes([2, 0, 0, 0, 8])
    with socket.create_connection(("127.0.0.1", signal.port), 60) as line:
        line.sendall(frame(1, read) + frame(2, bytes([5, 0, 0, 0xFF, 0])) + frame(3, read)[:-2])
        line.sendall(frame(3, read)[-2:])
        got = b""
        while len(got) < 10 + 12 + 10:
            got += line.recv(100)
    assert got[:2] + got[10:12] + got[22:24] == bytes([0, 1, 0, 2, 0, 3])
    assert got[9] == 1 and got[31] == 2  # ready, then busy
    assert stand_in.triggers.qsize() == 1


def test_nonsense_ends_its_connection_alone(station: tuple[ModbusSignal, StandIn], plc: Plc) -> None:
    for nonsense in (b"GET / HTTP/1.1\r\n\r\n", b"\0\1\0\0\xff\xff" + b"x" * 300, b"\0\1\0\0\0\1\1"):
        with socket.create_connection(("127.0.0.1", station[0].port), 60) as line:
            line.sendall(nonsense)
            assert line.recv(10) == b""
    with socket.create_connection(("127.0.0.1", station[0].port), 60) as line:
        line.sendall(struct.pack(">HHHBBHH", 1, 0, 6, 1, 4, 60000, 10))
        assert line.recv(20)[7:] == bytes([0x84, 2])  # illegal data address
    assert plc.on == {"ready"}


def test_strangers_are_not_let_in() -> None:
    signal, stand_in = ModbusSignal("modbus", ModbusSettings(port=0, clients=("192.0.2.1",))), StandIn()
    signal.start(stand_in)
    try:
        where = ("127.0.0.1", signal.port)
        with socket.create_connection(where, 60) as line, contextlib.suppress(ConnectionResetError):
            line.sendall(struct.pack(">HHHBBHBB", 1, 0, 6, 1, 5, 0, 0xFF, 0))
            assert line.recv(10) == b""
        assert stand_in.triggers.empty()
    finally:
        signal.close()


def test_a_silent_plc_is_a_fault() -> None:
    with impatient(silence=QUARTER) as (_, _, plc):

        def is_noticed() -> bool:
            # Each look ends the silence, so it has to be a rare one.
            threading.Event().wait(0.4)
            return plc.on == {"ready", "fault"}

        wait_for(is_noticed)
        assert plc.words["fault_code"] == 6


def test_a_port_in_use_is_said() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        settings = ModbusSettings(port=taken.getsockname()[1])
        with pytest.raises(SignalError, match="another program listens there"):
            settings.check()
        with pytest.raises(SignalError, match="another program listens there"):
            ModbusSignal("modbus", settings).start(StandIn())


class PlcServer:
    """A PLC that is a server: a device of the library, and the program's view of its memory."""

    def __init__(self, port: int) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._server = asyncio.run_coroutine_threadsafe(self._open(port), self._loop).result(60)

    async def _open(self, port: int) -> ModbusTcpServer:
        bits = [SimData(0, count=32, values=False, datatype=DataType.BITS)]
        words = [SimData(0, count=200, values=0, datatype=DataType.REGISTERS)]
        device = SimDevice(id=1, simdata=(bits, list(bits), words, list(words)))
        server = ModbusTcpServer(device, address=("127.0.0.1", port))
        await server.serve_forever(background=True)
        return server

    def write(self, coil: int, on: bool) -> None:
        values = self._server.async_setValues(1, 15, coil, [on])
        asyncio.run_coroutine_threadsafe(values, self._loop).result(60)

    @property
    def on(self) -> set[str]:
        values = self._server.async_getValues(1, 1, 16, len(STATUS))
        got = asyncio.run_coroutine_threadsafe(values, self._loop).result(60)
        return {name for name, value in zip(STATUS, got, strict=True) if value}

    def word(self, name: str) -> int:
        first = int(default_map("client")[name].partition(":")[2])
        values = self._server.async_getValues(1, 3, first, WIDTHS[name])
        got = asyncio.run_coroutine_threadsafe(values, self._loop).result(60)
        return int(sum(one << 16 * at for at, one in enumerate(reversed(got))))

    def close(self) -> None:
        ended = self._server.shutdown()  # type: ignore[no-untyped-call]  # pymodbus
        asyncio.run_coroutine_threadsafe(ended, self._loop).result(60)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(60)
        self._loop.close()


def test_the_station_polls_a_plc_which_goes_away_and_returns() -> None:
    port = free_port()
    settings = ModbusSettings(
        mode="client",
        port=port,
        acknowledged_by="trigger",
        hold=Duration(0.05),
        result_timeout=LONG,
        acknowledge_timeout=QUARTER,
        release_timeout=LONG,
        silence=LONG,
    )
    signal, stand_in = ModbusSignal("press", settings), StandIn()
    signal.start(stand_in)
    try:
        with pytest.raises(SignalError, match=r"not connected|no PLC answers"):
            signal.show(LineState(True, False))
        plc = PlcServer(port)
        wait_for(lambda: plc.on == {"ready"})
        assert "24 signals" not in settings.check() and "trigger is off" in settings.check()
        plc.write(TRIGGER, True)
        assert stand_in.triggers.get(timeout=60)["origin"] == "press"
        wait_for(lambda: plc.on == {"busy"})
        plc.close()  # the PLC is switched off while the station works
        with pytest.raises(SignalError, match="has not acknowledged"):
            signal.send(late := report(1, "review", 9))
        plc = PlcServer(port)
        plc.write(TRIGGER, True)
        wait_for(lambda: plc.on >= {"result_valid", "review"})
        assert (plc.word("result_number"), plc.word("trigger_number")) == (9, 1)
        with ThreadPoolExecutor() as pool:
            sent = pool.submit(keep_sending, signal, late)
            plc.write(TRIGGER, False)
            sent.result(60)
        wait_for(lambda: "ready" in plc.on)
        before = plc.word("heartbeat")
        wait_for(lambda: plc.word("heartbeat") != before)
        plc.close()
    finally:
        signal.close()
    with pytest.raises(SignalError, match="no PLC answers there"):
        settings.check()


def test_reports_of_other_triggers_are_passed_over_unless_asked_for() -> None:
    settings = ModbusSettings(port=0, reports="all", acknowledged_by="trigger", hold=Duration(0.01))
    signal = ModbusSignal("modbus", settings)
    signal.start(StandIn())
    shown = Plc(signal.port)
    try:
        with ThreadPoolExecutor() as pool:
            sent = pool.submit(keep_sending, signal, report(5, "review"))
            sent.result(60)
    finally:
        shown.close()
        signal.close()


def test_reports_of_other_triggers_are_passed_over(station: tuple[ModbusSignal, StandIn], plc: Plc) -> None:
    station[0].send(report(12345))
    assert plc.on == {"ready"}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"port": 70000}, "port is 70000"),
        ({"mode": "client", "clients": ("192.0.2.1",)}, "clients is for a server"),
        ({"clients": ("plc.local",)}, "must be an IP address"),
        ({"recipes": ("a", "a")}, "names a model twice"),
        ({"map": {"triger": "coil:0"}}, "map.triger is unknown"),
        ({"map": {"trigger": "coils:0"}}, "write TABLE:NUMBER"),
        ({"map": {"trigger": "holding:5"}}, "it is a bit"),
        ({"map": {"result_number": "holding:5.3"}}, "whole registers"),
        ({"map": {"score": "coil:9"}}, "needs a register"),
        ({"map": {"score": "input:65535"}}, "addresses end at 65535"),
        ({"map": {"busy": "discrete:0"}}, "ready lies there already"),
        ({"map": {"busy": "holding:0.3"}}, "recipe lies there already"),
        ({"map": {"busy": "holding:90.3", "reset": "holding:90.4"}}, "both sides would write"),
        ({"map": {"trigger": "input:90.3"}}, "can write coils and holding registers only"),
        ({"mode": "client", "map": {"ready": "discrete:90"}}, "can write coils and holding registers only"),
        ({"map": {"acknowledge": "none"}}, 'acknowledged_by = "trigger"'),
        ({"map": {"trigger": "none"}}, 'reports = "all"'),
    ],
)
def test_wrong_settings_are_refused(given: dict[str, object], said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        ModbusSettings(**given)  # type: ignore[arg-type]


def test_bits_of_registers_and_the_low_word_first() -> None:
    places = {name: f"holding:50.{at}" for at, name in enumerate(STATUS)}
    places |= {"trigger": "holding:60.0", "acknowledge": "holding:60.1", "reset": "holding:60.15"}
    settings = ModbusSettings(port=0, word_order="low_first", map=places)
    signal, stand_in = ModbusSignal("modbus", settings), StandIn()
    signal.start(stand_in)
    client = ModbusTcpClient("127.0.0.1", port=signal.port)
    try:
        assert client.connect()  # type: ignore[no-untyped-call]  # pymodbus
        assert client.read_holding_registers(50).registers == [1]
        client.write_register(60, 1)
        assert client.read_holding_registers(50).registers == [2]
        with ThreadPoolExecutor() as pool:
            sent = pool.submit(keep_sending, signal, report(stand_in.number, "good", 70000))
            wait_for(lambda: client.read_holding_registers(50).registers == [0b1100])
            assert client.read_input_registers(2, count=2).registers == [70000 % 65536, 1]
            client.write_register(50, 0xFFFF)  # not the PLC's to write
            assert client.read_holding_registers(50).registers == [0b1100]
            client.write_register(60, 0b11)
            sent.result(60)
    finally:
        client.close()  # type: ignore[no-untyped-call]  # pymodbus
        signal.close()


def test_every_signal_has_a_place_in_both_default_maps_and_a_meaning() -> None:
    modes: tuple[Literal["server", "client"], ...] = ("server", "client")
    for mode in modes:
        assert set(default_map(mode)) == set(WIDTHS)
        ModbusSettings(mode=mode)

"""A line on loopback: a PLC triggers over Modbus, a camera gives pictures, and both wires get the verdict."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from pymodbus.client import ModbusTcpClient

from excision.signals.modbus.adapter import ModbusSignal
from excision.signals.modbus.addresses import STATUS
from excision.signals.modbus.settings import ModbusSettings
from excision.signals.opcua.server import OpcUaServer
from excision.signals.opcua.settings import OpcUaSettings
from excision.station.line.line import Line
from excision.system.duration import Duration
from tests.signals.stand_in import free_port, wait_for
from tests.station.lines import Listener, folder_camera, running

LONG = Duration(60.0)


class Plc:
    """The program of a PLC over the default map: one part after another."""

    def __init__(self, port: int) -> None:
        self._client = ModbusTcpClient("127.0.0.1", port=port, timeout=60)
        assert self._client.connect()  # type: ignore[no-untyped-call]  # pymodbus

    @property
    def on(self) -> set[str]:
        bits = self._client.read_discrete_inputs(0, count=8).bits
        return {name for name, value in zip(STATUS, bits, strict=True) if value}

    def inspect(self, serial: str) -> tuple[set[str], int, int]:
        """Run the handshake once; give the verdict, and the numbers of result and trigger."""
        wait_for(lambda: "ready" in self.on)
        raw = serial.encode().ljust(32, b"\0")
        words = [int.from_bytes(raw[at : at + 2]) for at in range(0, 32, 2)]
        self._client.write_registers(1, words)
        self.raise_trigger()
        return self.take()

    def raise_trigger(self) -> None:
        self._client.write_coil(0, True)

    def take(self) -> tuple[set[str], int, int]:
        """Wait for a result, read and acknowledge it."""
        wait_for(lambda: "result_valid" in self.on)
        verdict = self.on - {"result_valid"}
        got = self._client.read_input_registers(2, count=4).registers
        self._client.write_coil(1, True)
        wait_for(lambda: "result_valid" not in self.on)
        self._client.write_coils(0, [False, False])
        return verdict, got[0] << 16 | got[1], got[2] << 16 | got[3]

    def close(self) -> None:
        self._client.close()  # type: ignore[no-untyped-call]  # pymodbus


@pytest.fixture
def pictures(parts: Path) -> Path:
    return parts / "test" / "good"


def test_a_plc_gets_a_verdict_for_each_part(tmp_path: Path, line: Path, pictures: Path) -> None:
    modbus = ModbusSignal(
        "modbus",
        ModbusSettings(
            port=0, result_timeout=LONG, acknowledge_timeout=LONG, release_timeout=LONG, silence=LONG
        ),
    )
    url = f"opc.tcp://127.0.0.1:{free_port()}/excision"
    opcua = OpcUaServer("opcua", OpcUaSettings(endpoint=url, security="none", anonymous=True))
    listener = Listener()
    camera = folder_camera("front", pictures)
    with running(tmp_path, line, [camera], [modbus, opcua, listener]) as controller:
        wait_for(lambda: all(courier.state.started for courier in controller.couriers))
        plc = Plc(modbus.port)
        parts = [plc.inspect(f"S-{number}") for number in range(3)]
        other = controller.trigger("another")  # its report is not the PLC's
        reports = listener.wait(4)
        assert plc.on == {"ready"}
        plc.close()
        for number, ((verdict, result, trigger), report) in enumerate(zip(parts, reports, strict=False)):
            assert verdict == {report.verdict} and report.verdict in {"good", "review", "defect"}
            assert (result, trigger) == (report.result, report.trigger)
            assert (report.serial, report.origin) == (f"S-{number}", "modbus")
        assert (reports[3].trigger, reports[3].origin) == (other, "another")
        asyncio.run(read(url, reports[3].verdict, other))
        assert_all_sent(controller)


async def read(url: str, verdict: str, trigger: int) -> None:
    """Read the last report as a client of OPC UA does."""
    from asyncua import Client

    async with Client(url) as client:
        own = await client.get_namespace_index("urn:excision:station")
        node = client.get_node(f"ns={own};s=Report.TriggerNumber")
        for _ in range(2000):
            if await node.read_value() == trigger:
                break
            await asyncio.sleep(0.01)
        assert await client.get_node(f"ns={own};s=Report.Verdict").read_value() == verdict


def assert_all_sent(controller: Line) -> None:
    wait_for(lambda: all(courier.state.sent == 4 for courier in controller.couriers))

"""The program of a PLC over the default Modbus map, as docs/station/plc.md shows it: part after part.

It answers for one part at a time. A part is done once a result came for it whose trigger number is new: a
verdict, or "no verdict". A result that was read before may come again after a restart of the station; it is
acknowledged, and the part is triggered again. Every cycle writes the serial number before the coils.
"""

from __future__ import annotations

import logging
import threading
import time
from contextlib import suppress
from dataclasses import dataclass

from excision.signals.modbus.addresses import STATUS

SCAN = 0.002  # seconds of a cycle


@dataclass(frozen=True, slots=True)
class Answer:
    """What the PLC was told of a part.

    Attributes:
        serial: that the PLC wrote with the trigger.
        trigger: number of the trigger; 0 where the station refused it.
        shown: "good", "review", "defect" or "no_verdict".
    """

    serial: str
    trigger: int
    shown: str


class PlcProgram(threading.Thread):
    """A PLC that goes on, whatever becomes of the station, until it is ended.

    Args:
        port: of the station.
    """

    def __init__(self, port: int) -> None:
        super().__init__(name="plc")
        from pymodbus.client import ModbusTcpClient

        # A station that is not there is nothing to tell of here.
        logging.getLogger("pymodbus").setLevel(logging.CRITICAL)
        self._client = ModbusTcpClient("127.0.0.1", port=port, timeout=1, retries=0)
        self._ended = threading.Event()
        self._step, self._trigger, self._acknowledge = 0, False, False
        self._part, self._last, self._written = 1, 0, ""
        self.answers: list[Answer] = []
        self.repeated = 0
        self.unexpected = ""

    @property
    def serial(self) -> str:
        """Serial number of the part under way."""
        return f"P-{self._part:06}"

    def end(self) -> None:
        """End, once the part under way has its answer."""
        self._ended.set()
        self.join()

    def run(self) -> None:
        """Scan until the end."""
        from pymodbus.exceptions import ModbusException

        while not (self._ended.is_set() and self._step == 0):
            try:
                if not self._client.connected and not self._client.connect():  # type: ignore[no-untyped-call]  # pymodbus
                    time.sleep(0.05)
                    continue
                self._scan()
            except (ModbusException, OSError, AttributeError):
                # The station has been killed: an answer without registers, or none.
                with suppress(Exception):
                    self._client.close()  # type: ignore[no-untyped-call]  # pymodbus
            time.sleep(SCAN)
        self._client.close()  # type: ignore[no-untyped-call]  # pymodbus

    def _scan(self) -> None:
        # Inputs, program, outputs: as a PLC does. One request, so that status and numbers belong together.
        words = self._client.read_input_registers(0, count=6).registers
        on = {name for bit, name in enumerate(STATUS) if words[0] >> bit & 1}
        self._program(on, words[4] << 16 | words[5])
        # The serial number in every cycle, and first: a station that was restarted has forgotten it.
        raw = self._written.encode().ljust(32, b"\0")
        self._client.write_registers(1, [int.from_bytes(raw[at : at + 2]) for at in range(0, 32, 2)])
        self._client.write_coils(0, [self._trigger, self._acknowledge])

    def _program(self, on: set[str], trigger: int) -> None:
        if self._step == 0 and "result_valid" in on:
            self._step = 1
        elif self._step == 0 and "ready" in on and not self._ended.is_set():
            self._trigger, self._step, self._written = True, 1, self.serial
        elif self._step == 1 and "result_valid" in on:
            self._take(on, trigger)
            self._acknowledge, self._step = True, 2
        elif self._step == 2 and "result_valid" not in on:
            self._trigger = self._acknowledge = False
            self._step = 0

    def _take(self, on: set[str], trigger: int) -> None:
        if trigger == self._last:
            self.repeated += 1
            return
        shown = on & {"good", "review", "defect", "no_verdict"}
        self._last = trigger
        if len(shown) != 1:
            self.unexpected = f"result of trigger {trigger}: {sorted(on)}"
        self.answers.append(Answer(self.serial, trigger, ", ".join(sorted(shown))))
        self._part += 1

"""The handshake between what the PLC wrote and what the station reports; both transports use it."""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import TYPE_CHECKING

from excision.signals.modbus.handshake import Handshake
from excision.signals.modbus.handshake_types import Fault, Inputs, Offer, Result
from excision.signals.modbus.image import Image, Layout
from excision.signals.signal import Commands, LineState, Report, SignalError

if TYPE_CHECKING:
    from excision.signals.modbus.settings import ModbusSettings

_log = logging.getLogger(__name__)

ALIVE = 10.0
"""Seconds after the station's last sign of life until the heartbeat stops, at least."""

BEAT = 0.5
"""Seconds between two counts of the heartbeat."""

_OWN = 4096  # numbers of triggers kept
_RARE = 60.0  # seconds between two lines about missed triggers


class Exchange:
    """One PLC. Everything here runs in the thread of one event loop.

    Args:
        name: of the signal.
        settings: of the table.
        commands: of the station.
    """

    def __init__(self, name: str, settings: ModbusSettings, commands: Commands) -> None:
        self._name, self._settings, self._commands = name, settings, commands
        self.layout = Layout(settings.places, settings.word_order == "low_first")
        self.handshake = Handshake(settings.timing)
        self._inputs = Inputs()
        self._own: OrderedDict[int, None] = OrderedDict()
        self._changed = asyncio.Event()
        self._state: LineState | None = None
        self._shown = self._heard = time.monotonic()
        self._beat, self._beaten, self._alive = 0, 0.0, ALIVE
        self._heard_once = self._silent = False
        self._told = -math.inf
        self.fresh: Callable[[], None] = lambda: None
        """Called when the outputs have changed without a word from the PLC."""

    @property
    def outputs(self) -> Image:
        """What the PLC is to read."""
        fault = self._state is not None and self._state.fault is not None
        return self.layout.outputs(self.handshake.outputs, self._beat, fault)

    def heard(self) -> None:
        """Note that the PLC was there."""
        self._heard = time.monotonic()
        self._heard_once, self._silent = True, False

    def feed(self, image: Image) -> None:
        """Take in what the PLC wrote."""
        before, self._inputs = self._inputs, self.layout.inputs(image)
        self._advance(image)
        if self._inputs.reset and not before.reset:
            self._commands.acknowledge()

    def tick(self, image: Image) -> None:
        """Let time pass.

        Args:
            image: what the PLC wrote last.
        """
        now = time.monotonic()
        if now - self._beaten >= BEAT and now - self._shown < self._alive:
            self._beat, self._beaten = self._beat + 1, now
        silence = self._settings.silence
        if silence != "off" and self._heard_once and not self._silent and now - self._heard >= silence:
            self._silent = True
            self.handshake.raise_fault(Fault.PLC_SILENT)
            _log.warning("%s: no word from the PLC for %g s", self._name, silence)
        self._advance(image)

    def show(self, state: LineState) -> None:
        """Take in how the station is."""
        now = time.monotonic()
        self._alive = max(ALIVE, 3 * (now - self._shown))
        self._state, self._shown = state, now
        self.handshake.line(state.ready or state.busy)

    async def deliver(self, report: Report) -> None:
        """Show a report to the PLC until it is acknowledged.

        Raises:
            SignalError: it was not in time; the result stays, and the same report may be sent again.
        """
        if self._settings.reports == "own" and not self._is_own(report):
            return
        result = _result_of(report)
        timing = self._settings.timing
        turn = time.monotonic() + timing.acknowledge + timing.release + timing.hold
        shown: float | None = None
        while (offer := self.handshake.offer(now := time.monotonic(), result)) is not Offer.SETTLED:
            if offer is Offer.LATER and now >= turn:
                raise SignalError(f"{self._name}: the PLC has not released the part before {_what(result)}")
            if offer is Offer.SHOWN:
                shown = now if shown is None else shown
                if now - shown >= timing.acknowledge + timing.hold:
                    raise SignalError(f"{self._name}: the PLC has not acknowledged {_what(result)}")
            self.fresh()
            self._shown = now  # who waits here cannot show the state meanwhile
            self._changed.clear()
            await self._changed.wait()

    def _is_own(self, report: Report) -> bool:
        return report.origin == self._name or report.trigger in self._own

    def _advance(self, image: Image) -> None:
        before = self.handshake.outputs
        step = self.handshake.step(time.monotonic(), self._inputs)
        if step.start:
            self._start(image)
        if step.missed and time.monotonic() - self._told > _RARE:
            self._told = time.monotonic()
            _log.warning("%s: a trigger came while the station was not ready", self._name)
        fault = self.handshake.outputs.fault
        if fault is not before.fault and fault not in {Fault.NONE, Fault.MISSED_TRIGGER, Fault.PLC_SILENT}:
            _log.warning("%s: fault %d (%s)", self._name, fault, fault.name.lower())
        self._changed.set()

    def _start(self, image: Image) -> None:
        asked = self.layout.request(image)
        try:
            recipe = self._recipe(asked.recipe)
            number = self._commands.trigger(self._name, serial=asked.serial, lot=asked.lot, recipe=recipe)
        except SignalError as error:
            _log.warning("%s: the trigger was refused: %s", self._name, error)
            self.handshake.refused(time.monotonic())
            return
        self._own[number] = None
        while len(self._own) > _OWN:
            self._own.popitem(last=False)
        self.handshake.accepted(number)

    def _recipe(self, number: int) -> str | None:
        if number == 0:
            return None
        if number > len(self._settings.recipes):
            raise SignalError(f"recipe {number} of {len(self._settings.recipes)} in `recipes`")
        return self._settings.recipes[number - 1]


def _result_of(report: Report) -> Result:
    return Result(
        report.id,
        report.verdict,
        report.result or 0,
        report.trigger or 0,
        math.nan if report.score is None else report.score,
        math.nan if report.threshold is None else report.threshold,
    )


def _what(result: Result) -> str:
    return f"result {result.number}" if result.number else f"the report of trigger {result.trigger}"

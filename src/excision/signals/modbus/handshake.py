"""The four-phase handshake with a PLC as a state machine that knows neither sockets nor clocks.

trigger       ____‾‾‾‾‾‾‾‾‾‾‾‾‾‾________   the PLC asks for an inspection
ready         ‾‾‾‾__________________‾‾‾‾   the station may be asked
busy          ____‾‾‾‾‾‾‾_______________   the station works
result valid  ___________‾‾‾‾‾‾_________   verdict and numbers may be read
acknowledge   _______________‾‾‾‾‾‾_____   the PLC has read them
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import replace

from excision.signals.modbus.handshake_types import Fault, Inputs, Offer, Outputs, Phase, Result, Step, Timing

REMEMBERED = 1024
"""Reports and triggers that were settled, against repeats."""


class Handshake:
    """One PLC, one part at a time. Not safe for threads: call it from one.

    Args:
        timing: the time-outs.
    """

    def __init__(self, timing: Timing) -> None:
        self._timing = timing
        self._phase = Phase.READY
        self._inputs: Inputs | None = None
        self._since = 0.0
        self._warned = False
        self._number: int | None = None
        self._interrupted = False
        self._result: Result | None = None
        self._fault = Fault.NONE
        self._line_ready = True
        self._settled: OrderedDict[str | int, None] = OrderedDict()
        self.missed = self.late = self.unread = self.stale = 0
        """Counts since the start: triggers that were not accepted, reports that came too late, results that
        a reset withdrew unacknowledged, and reports on parts that the PLC no longer waits for."""

    @property
    def phase(self) -> Phase:
        """Where the handshake stands."""
        return self._phase

    @property
    def outputs(self) -> Outputs:
        """What the PLC is to see now."""
        return Outputs(
            ready=self._phase is Phase.READY and self._line_ready,
            busy=self._phase is Phase.BUSY,
            result=self._result if self._phase is Phase.RESULT else None,
            fault=self._fault,
            missed=self.missed,
        )

    def line(self, ready: bool) -> None:
        """Say whether the station can take a trigger."""
        self._line_ready = ready

    def raise_fault(self, fault: Fault) -> None:
        """Show a fault until the PLC resets it."""
        self._fault = fault

    def step(self, now: float, inputs: Inputs) -> Step:
        """Take in what the PLC says, or only that time has passed.

        Args:
            now: seconds of a clock that never goes back.
            inputs: the levels as they are now.
        """
        before = self._inputs
        self._inputs = inputs
        if before is None:
            return self._begin(now, inputs)
        rises = inputs.trigger and not before.trigger
        if inputs.reset and not before.reset:
            settled = self._reset(now)
        else:
            # What the low level before this edge ended comes first.
            settled = self._settle(now, replace(inputs, trigger=inputs.trigger and not rises))
        return replace(self._triggered(now), delivered=settled.delivered) if rises else settled

    def accepted(self, number: int) -> None:
        """Say the number of the trigger that the last step asked to start."""
        self._number = number

    def refused(self, now: float) -> None:
        """Say that the station did not take the trigger: the PLC gets a result without a verdict."""
        self._no_verdict(now, Fault.REFUSED)

    def offer(self, now: float, result: Result) -> Offer:
        """Offer a report to the PLC.

        Returns:
            SHOWN if result valid is now on for it, SETTLED if the PLC has had it or no longer waits for it,
            LATER if another part comes first.
        """
        if result.id in self._settled:
            return Offer.SETTLED
        if self._phase is Phase.RESULT:
            same = self._result is not None and self._result.id == result.id
            return Offer.SHOWN if same else self._after(result)
        if result.trigger in self._settled:
            self.late += 1
            return self._settle_report(result)
        if self._phase is Phase.RELEASE:
            return Offer.LATER
        if self._phase is Phase.BUSY and not self._interrupted and self._number != result.trigger:
            # Its trigger is from before a restart, and the PLC waits for another part by now.
            self.stale += 1
            return self._settle_report(result)
        self._show(now, result)
        return Offer.SHOWN

    def _begin(self, now: float, inputs: Inputs) -> Step:
        if inputs.trigger:
            # The PLC waits for the answer to a trigger from before the station's start.
            self._interrupted = True
            self._enter(Phase.BUSY, now)
        elif inputs.acknowledge:
            self._enter(Phase.RELEASE, now)
        return Step()

    def _triggered(self, now: float) -> Step:
        if self._phase is not Phase.READY or not self._line_ready:
            self.missed += 1
            self._fault = Fault.MISSED_TRIGGER
            return Step(missed=True)
        self._number, self._interrupted = None, False
        self._enter(Phase.BUSY, now)
        return Step(start=True)

    def _settle(self, now: float, inputs: Inputs) -> Step:
        passed = now - self._since
        if self._phase is Phase.BUSY and passed >= self._timing.result:
            self._no_verdict(now, Fault.INTERRUPTED if self._interrupted else Fault.RESULT_LATE)
        elif self._phase is Phase.RESULT and self._acknowledged(passed, inputs):
            return Step(delivered=self._withdraw(now))
        elif self._phase is Phase.RESULT and passed >= self._timing.acknowledge and not self._warned:
            self._warn(Fault.NOT_ACKNOWLEDGED)
        elif self._phase is Phase.RELEASE:
            if not inputs.trigger and not inputs.acknowledge:
                self._enter(Phase.READY, now)
            elif passed >= self._timing.release and not self._warned:
                self._warn(Fault.NOT_RELEASED)
        return Step()

    def _acknowledged(self, passed: float, inputs: Inputs) -> bool:
        if self._timing.by_trigger:
            return not inputs.trigger and passed >= self._timing.hold
        return inputs.acknowledge

    def _reset(self, now: float) -> Step:
        self._fault = Fault.NONE
        if self._phase is Phase.BUSY:
            self._remember(self._number)
            self._enter(Phase.RELEASE, now)
        elif self._phase is Phase.RESULT:
            self.unread += 1
            return Step(delivered=self._withdraw(now))
        return Step()

    def _withdraw(self, now: float) -> str | None:
        result, self._result = self._result, None
        self._enter(Phase.RELEASE, now)
        if result is None:
            return None
        self._remember(result.id)
        return result.id

    def _no_verdict(self, now: float, fault: Fault) -> None:
        self._fault = fault
        number = self._number or 0
        self._remember(self._number)
        self._show(now, Result(f"none-{number}", "fault", trigger=number))

    def _show(self, now: float, result: Result) -> None:
        self._result = result
        self._enter(Phase.RESULT, now)

    def _after(self, result: Result) -> Offer:
        if result.trigger in self._settled:
            self.late += 1
            return self._settle_report(result)
        return Offer.LATER

    def _settle_report(self, result: Result) -> Offer:
        self._remember(result.id)
        return Offer.SETTLED

    def _remember(self, key: str | int | None) -> None:
        if key is not None:
            self._settled[key] = None
            while len(self._settled) > REMEMBERED:
                self._settled.popitem(last=False)

    def _warn(self, fault: Fault) -> None:
        self._warned, self._fault = True, fault

    def _enter(self, phase: Phase, now: float) -> None:
        self._phase, self._since, self._warned = phase, now, False

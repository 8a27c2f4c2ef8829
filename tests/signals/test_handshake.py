"""The handshake without sockets: laws that hold for every sequence of levels, reports and pauses."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from excision.signals.modbus.handshake import Handshake
from excision.signals.modbus.handshake_types import Fault, Inputs, Offer, Outputs, Phase, Result, Timing

TIMING = Timing(result=2.0, acknowledge=1.0, release=1.0, hold=0.1)
GOOD = Result("a", "good", number=7, trigger=1, score=0.5, threshold=1.0)


class Plc:
    """Sets levels one after another, on a clock that is moved by hand."""

    def __init__(self, timing: Timing = TIMING) -> None:
        self.handshake = Handshake(timing)
        self.now = 100.0
        self.levels = Inputs()
        self.started = 0
        self.step()

    def step(self, wait: float = 0.01, **levels: bool) -> Outputs:
        self.now += wait
        self.levels = Inputs(**{**vars(self.levels), **levels})
        if self.handshake.step(self.now, self.levels).start:
            self.started += 1
            self.handshake.accepted(self.started)
        return self.handshake.outputs

    def offer(self, result: Result) -> Offer:
        return self.handshake.offer(self.now, result)


def test_one_part_passes_all_four_phases() -> None:
    plc = Plc()
    assert plc.handshake.outputs == Outputs(True, False, None, Fault.NONE, 0)
    assert plc.step(trigger=True) == Outputs(False, True, None, Fault.NONE, 0)
    assert plc.offer(GOOD) is Offer.SHOWN
    assert plc.step() == Outputs(False, False, GOOD, Fault.NONE, 0)
    assert plc.step(acknowledge=True) == Outputs(False, False, None, Fault.NONE, 0)
    assert plc.step(trigger=False) == Outputs(False, False, None, Fault.NONE, 0)
    assert plc.step(acknowledge=False) == Outputs(True, False, None, Fault.NONE, 0)
    assert plc.offer(GOOD) is Offer.SETTLED  # the outbox may send it again


def test_no_result_in_time_is_a_result_without_a_verdict_and_the_late_one_is_not_shown() -> None:
    plc = Plc()
    plc.step(trigger=True)
    assert plc.step(1.9).busy
    out = plc.step(0.1)
    assert out.fault is Fault.RESULT_LATE
    assert out.result is not None and out.result.verdict == "fault" and out.result.trigger == 1
    assert plc.offer(GOOD) is Offer.SETTLED
    assert plc.step().result == out.result
    assert plc.handshake.late == 1


def test_a_result_that_is_not_acknowledged_stays() -> None:
    plc = Plc()
    plc.step(trigger=True)
    plc.offer(GOOD)
    out = plc.step(1.0)
    assert (out.fault, out.result) == (Fault.NOT_ACKNOWLEDGED, GOOD)
    assert plc.step(3600).result == GOOD
    assert plc.step(acknowledge=True).result is None
    assert plc.handshake.phase is Phase.RELEASE


def test_a_level_that_is_not_lowered_withholds_ready() -> None:
    plc = Plc()
    plc.step(trigger=True)
    plc.offer(GOOD)
    plc.step(acknowledge=True)
    out = plc.step(1.0, acknowledge=False)
    assert (out.fault, out.ready) == (Fault.NOT_RELEASED, False)
    assert plc.step(trigger=False).ready


@pytest.mark.parametrize("phase", ["busy", "result", "release", "line"])
def test_a_trigger_while_not_ready_is_counted_and_is_a_fault(phase: str) -> None:
    plc = Plc()
    if phase == "line":
        plc.handshake.line(False)
    else:
        plc.step(trigger=True)
        if phase != "busy":
            plc.offer(GOOD)
        if phase == "release":
            plc.step(acknowledge=True)
        plc.step(trigger=False)
    out = plc.step(trigger=True)
    assert (out.missed, out.fault, plc.started) == (1, Fault.MISSED_TRIGGER, int(phase != "line"))


def test_a_reset_clears_the_fault_and_gives_up_the_part() -> None:
    plc = Plc()
    plc.step(trigger=True)
    plc.step(trigger=False)
    plc.step(trigger=True)
    out = plc.step(reset=True)
    assert (out.fault, out.busy) == (Fault.NONE, False)
    assert plc.offer(GOOD) is Offer.SETTLED
    assert plc.step(trigger=False, reset=False).ready


def test_a_refused_trigger_is_a_result_without_a_verdict() -> None:
    plc = Plc()
    plc.handshake.step(plc.now, Inputs(trigger=True))
    plc.handshake.refused(plc.now)
    out = plc.handshake.outputs
    assert out.fault is Fault.REFUSED and out.result is not None and out.result.verdict == "fault"


def test_a_trigger_that_is_on_at_the_start_gets_the_report_from_before_the_restart() -> None:
    handshake = Handshake(TIMING)
    handshake.step(0.0, Inputs(trigger=True))
    assert handshake.outputs.busy
    assert handshake.offer(0.1, GOOD) is Offer.SHOWN
    waiting = Handshake(TIMING)
    waiting.step(0.0, Inputs(trigger=True))
    waiting.step(2.0, Inputs(trigger=True))
    assert waiting.outputs.fault is Fault.INTERRUPTED and waiting.outputs.result is not None


def test_a_report_from_before_a_restart_does_not_answer_the_next_part() -> None:
    plc = Plc()
    plc.step(trigger=True)
    assert plc.offer(Result("old", "good", trigger=99)) is Offer.SETTLED
    assert plc.step().busy and plc.handshake.stale == 1


def test_lowering_the_trigger_acknowledges_where_there_is_no_signal_for_it() -> None:
    plc = Plc(Timing(hold=0.1, by_trigger=True))
    plc.step(trigger=True)
    plc.offer(GOOD)
    assert plc.step(0.5).result == GOOD
    assert plc.step(trigger=False).result is None
    assert plc.step().ready
    plc.step(trigger=True)
    plc.step(trigger=False)
    plc.offer(Result("b", "defect", trigger=2))
    assert plc.step(0.05).result is not None
    assert plc.step(0.06).result is None


class AnyPlc(RuleBasedStateMachine):
    """A PLC that obeys no rule, and a station that is fast, slow or silent."""

    @initialize(by_trigger=st.booleans(), levels=st.builds(Inputs, st.booleans(), st.booleans()))
    def begin(self, by_trigger: bool, levels: Inputs) -> None:
        self.timing = Timing(result=2.0, acknowledge=1.0, release=1.0, hold=0.1, by_trigger=by_trigger)
        self.handshake = Handshake(self.timing)
        self.now, self.levels, self.edges, self.accepted = 0.0, levels, 0, 0
        self.owed: dict[int, Result] = {}
        self.answered: set[int] = set()
        self.shown: Result | None = None
        self.handshake.step(self.now, levels)
        self.busy_since = 0.0 if levels.trigger else None

    @rule(levels=st.builds(Inputs, st.booleans(), st.booleans(), st.booleans()), wait=st.floats(0, 3))
    def move(self, levels: Inputs, wait: float) -> None:
        before = self.handshake.outputs
        self.edges += levels.trigger and not self.levels.trigger
        reset = levels.reset and not self.levels.reset
        was_low = not self.levels.trigger or not levels.trigger
        self.now, self.levels = self.now + wait, levels
        step = self.handshake.step(self.now, levels)
        out = self.handshake.outputs
        assert not (step.start and step.missed)
        if step.start:
            self.accepted += 1
            verdict = ["good", "review", "defect", "unfit", "fault"][self.accepted % 5]
            report = Result(f"r{self.accepted}", verdict, self.accepted, self.accepted)
            self.owed[self.accepted] = report
            self.handshake.accepted(self.accepted)
            self.busy_since = self.now
        if before.result is not None and out.result is None and not reset:
            assert levels.acknowledge or (self.timing.by_trigger and was_low)
        if before.result is not None and not levels.acknowledge and not self.timing.by_trigger and not reset:
            assert out.result == before.result

    @precondition(lambda self: bool(self.owed))
    @rule(data=st.data())
    def report(self, data: st.DataObject) -> None:
        number = data.draw(st.sampled_from(sorted(self.owed)))
        before = self.handshake.outputs
        offer = self.handshake.offer(self.now, self.owed[number])
        out = self.handshake.outputs
        if offer is Offer.SHOWN:
            assert out.result == self.owed[number]
        elif offer is Offer.SETTLED:
            del self.owed[number]
            assert out == before
        else:
            assert out == before and not out.ready

    @rule(ready=st.booleans())
    def line(self, ready: bool) -> None:
        self.handshake.line(ready)

    @invariant()
    def laws(self) -> None:
        if not hasattr(self, "handshake"):
            return
        out = self.handshake.outputs
        assert out.ready + out.busy + (out.result is not None) <= 1
        assert self.edges == self.accepted + out.missed, "a trigger was lost"
        if out.result is not None and out.result.trigger:
            earlier = out.result.id.startswith("none-")
            key = out.result.trigger
            if out.result != self.shown:
                assert key not in self.answered, "one trigger was answered twice"
                self.answered.add(key)
            assert earlier or out.result == Result(f"r{key}", out.result.verdict, key, key)
        self.shown = out.result
        if out.busy and self.busy_since is not None:
            # The next look after the time-out ends it.
            self.handshake.step(self.now, self.levels)
            assert not self.handshake.outputs.busy or self.now - self.busy_since < self.timing.result


TestAnyPlc = AnyPlc.TestCase
TestAnyPlc.settings = settings(max_examples=80, stateful_step_count=40, deadline=None)

"""The line controller: exactly one report for each trigger, at its deadline at the latest."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from excision.cameras.camera import Camera, CameraState, Frame
from excision.errors import CameraError, SettingsError
from excision.signals.signal import RefusedError, SignalError, Trigger
from excision.station.line.journal import Journal
from excision.station.line.line import Line
from excision.station.line.settings import LineSettings
from excision.station.line.verdict import ViewFault, report_of
from excision.station.store.records import StoredResult
from excision.station.store.store import Store
from tests.station.lines import Listener, folder_camera, running, until

LONG = LineSettings(deadline=120.0, heartbeat=0.1)


@pytest.fixture
def pictures(parts: Path) -> Path:
    return parts / "test" / "good"


class Slow:
    """A camera that waits for a word before it gives a picture."""

    def __init__(self, name: str, pictures: Path) -> None:
        self.name = name
        self._camera = folder_camera(name, pictures)
        self.go = threading.Event()

    def start(self) -> None:
        self._camera.start()

    def grab(self, timeout: float, since: float | None = None) -> Frame:  # noqa: ARG002
        assert self.go.wait(120)
        return self._camera.grab(60.0, None)

    def state(self) -> CameraState:
        return self._camera.state()

    def close(self) -> None:
        self.go.set()
        self._camera.close()


class Gone(Slow):
    """A camera whose plug was pulled."""

    def grab(self, timeout: float, since: float | None = None) -> Frame:  # noqa: ARG002
        raise CameraError("the camera does not answer")


def test_each_trigger_gets_one_report(tmp_path: Path, line: Path, pictures: Path) -> None:
    listener = Listener()
    with running(tmp_path, line, [folder_camera("front", pictures)], [listener]) as controller:
        controller.set_lot("L7")
        numbers = [controller.trigger("plc", serial=f"S{place}", request=f"r{place}") for place in range(12)]
        again = [controller.trigger("plc", serial=f"S{place}", request=f"r{place}") for place in range(12)]
        assert again == numbers == list(range(1, 13))
        reports = listener.wait(12)
        time.sleep(0.3)
        assert Counter(report.trigger for report in listener.reports) == dict.fromkeys(numbers, 1)
        store = controller.journal
        assert store.unanswered() == []
    assert len(listener.reports) == 12 and listener.closed
    assert len({report.id for report in reports}) == 12
    for report in reports:
        assert report.verdict in ("good", "review", "defect") and report.score is not None
        assert (report.station, report.lot, report.view, report.recipe) == (
            "press 3",
            "L7",
            "front",
            "fabric",
        )
        assert report.serial == f"S{(report.trigger or 0) - 1}" and not report.deadline_missed
    stored = Store(tmp_path / "results.sqlite")
    by_number = {report.result: report for report in reports}
    for number, report in by_number.items():
        assert number is not None
        result = stored.get(number)
        assert result is not None
        assert (result.serial, result.lot, result.view) == (report.serial, "L7", "front")
        assert (result.score, result.verdict) == (report.score, report.verdict)
    stored.close()
    assert any(state.ready for state in listener.states) and not listener.states[-1].ready


def test_a_missed_deadline_is_a_report_and_the_late_verdict_is_kept(
    tmp_path: Path, line: Path, pictures: Path
) -> None:
    listener, camera = Listener(), Slow("front", pictures)
    settings = LineSettings(deadline=0.3, heartbeat=0.1)
    with running(tmp_path, line, [camera], [listener], settings) as controller:
        before = time.monotonic()
        number = controller.trigger("plc")
        (report,) = listener.wait(1)
        passed = time.monotonic() - before
        assert 0.29 < passed < 30
        assert (report.trigger, report.verdict, report.deadline_missed) == (number, "fault", True)
        assert "front has no verdict yet" in report.reason
        assert controller.state().fault == f"trigger 1: {report.reason}"
        controller.acknowledge()
        assert controller.state().fault is None
        camera.go.set()
        until(lambda: controller.reporter.late == 1)
        time.sleep(0.2)
        assert len(listener.reports) == 1
    store = Store(tmp_path / "results.sqlite")
    assert store.get(1) is not None
    store.close()


def test_a_part_has_the_most_severe_verdict_of_its_views(tmp_path: Path, line: Path, pictures: Path) -> None:
    listener = Listener()
    cameras: list[Camera] = [folder_camera("front", pictures), Gone("back", pictures)]
    with running(tmp_path, line, cameras, [listener]) as controller:
        controller.trigger("plc")
        controller.trigger("plc", view="front")
        with pytest.raises(SignalError, match=r"no camera 'side'.*front, back"):
            controller.trigger("plc", view="side")
        with pytest.raises(SignalError, match="no model"):
            controller.trigger("plc", recipe="none")
        with pytest.raises(SignalError, match="serial"):
            controller.trigger("plc", serial="x" * 201)
        reports = sorted(listener.wait(2), key=lambda report: report.trigger or 0)
    assert (reports[0].verdict, reports[0].view) == ("fault", None)
    assert reports[0].reason == "back: the camera does not answer"
    assert reports[1].verdict != "fault" and reports[1].view == "front"


def result(verdict: str | None, score: float = 1.0) -> StoredResult:
    fields = {"error": "broken"} if verdict is None else {"verdict": verdict, "score": score}
    return StoredResult(0.0, "x", "m", "v", 1.0, **fields)


@pytest.mark.parametrize(
    ("verdicts", "whole"),
    [
        (("good", "good"), "good"),
        (("good", "review"), "review"),
        (("good", "defect"), "defect"),
        (("fault", "defect"), "defect"),
        (("good", "fault"), "fault"),
        (("unfit", "review"), "unfit"),
        ((None, "good"), "fault"),
    ],
)
def test_verdicts_of_views(verdicts: tuple[str | None, ...], whole: str) -> None:
    answers = {
        f"v{place}": ViewFault("away") if verdict == "fault" else result(verdict)
        for place, verdict in enumerate(verdicts)
    }
    trigger = Trigger(5.0, 1, "plc", serial="S")
    report = report_of(trigger, answers, "here")
    assert (report.verdict, report.serial, report.triggered) == (whole, "S", 5.0)


def test_what_a_killed_process_left_gets_a_fault(tmp_path: Path, line: Path, pictures: Path) -> None:
    store = Store(tmp_path / "results.sqlite")
    journal = Journal(store)
    assert journal.place("listener") == 0
    trigger, new = journal.accept(Trigger(1.0, 0, "plc", serial="S1"), "r1")
    assert new
    store.close()
    listener = Listener()
    with running(tmp_path, line, [folder_camera("front", pictures)], [listener]) as controller:
        (report,) = listener.wait(1)
        assert (report.trigger, report.verdict, report.serial) == (trigger.number, "fault", "S1")
        assert "restarted" in report.reason
        assert controller.trigger("plc", request="r1") == trigger.number
        assert controller.trigger("plc", request="r2") == trigger.number + 1
        listener.wait(2)


def test_lot_and_recipe_outlast_a_restart(tmp_path: Path, line: Path, pictures: Path) -> None:
    with running(tmp_path, line, [folder_camera("front", pictures)], []) as controller:
        controller.set_lot("L9")
        controller.set_recipe("fabric")
        with pytest.raises(SignalError):
            controller.set_recipe("other")
        with pytest.raises(SignalError):
            controller.set_lot("two\nlines")
    with running(tmp_path, line, [folder_camera("front", pictures)], []) as controller:
        state = controller.state()
        assert (state.lot, state.recipe) == ("L9", "fabric")


def test_a_signal_that_is_away_gets_everything_in_order(tmp_path: Path, line: Path, pictures: Path) -> None:
    """Also after a restart; one beside it is not held up, and one that comes new begins with the next."""
    away, here = Listener("away"), Listener("here")
    away.error = SignalError("nobody there")
    with running(tmp_path, line, [folder_camera("front", pictures)], [away, here]) as controller:
        numbers = [controller.trigger("plc") for _ in range(3)]
        here.wait(3)
        until(lambda: controller.couriers[0].state.trouble == "nobody there")
    away, late = Listener("away"), Listener("late")
    with running(tmp_path, line, [folder_camera("front", pictures)], [away, late]) as controller:
        away.wait(3)
        numbers.append(controller.trigger("plc"))
        away.wait(4)
        late.wait(1)
    assert [report.trigger for report in away.reports] == numbers
    assert [report.trigger for report in late.reports] == numbers[3:]
    assert [report.id for report in away.reports[:3]] == [report.id for report in here.reports]


def test_refused_reports_are_dead_letters_until_a_person_asks(
    tmp_path: Path, line: Path, pictures: Path
) -> None:
    listener = Listener()
    listener.error = RefusedError("no such part")
    with running(tmp_path, line, [folder_camera("front", pictures)], [listener]) as controller:
        for _ in range(3):
            controller.trigger("plc")
        until(lambda: controller.journal.count_dead() == {"listener": 3})
        first, second, third = sorted(letter.number for letter in controller.journal.dead())
        listener.error = None
        assert controller.journal.discard("listener", first) == 1
        assert controller.journal.ask_again("listener", second) == 1
        (report,) = listener.wait(1)
        until(lambda: controller.journal.count_dead() == {"listener": 1})
        (letter,) = controller.journal.dead()
        assert (letter.number, letter.reason, letter.tries) == (third, "no such part", 1)
        assert report.trigger == second


def test_the_line_hears_of_each_part_when_nothing_can_be_written(
    tmp_path: Path, line: Path, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("excision.station.store.store.WAIT", 0.1)
    listener, camera = Listener(), Slow("front", pictures)
    with running(tmp_path, line, [camera], [listener], LineSettings(1.0, 0.1)) as controller:
        number = controller.trigger("plc")
        other = sqlite3.connect(tmp_path / "results.sqlite", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        (report,) = listener.wait(1)
        assert (report.trigger, report.verdict) == (number, "fault")
        with pytest.raises(SignalError, match="not accepted"):
            controller.trigger("plc")
        other.execute("ROLLBACK")
        other.close()
        camera.go.set()
        until(lambda: not controller.journal.unanswered())
        time.sleep(0.5)
        assert [one.id for one in listener.reports] == [report.id]
        assert controller.trigger("plc") == number + 1
        # A busy machine may miss the deadline of a second once more.
        for count in range(2, 60):
            if listener.wait(count)[-1].verdict != "fault":
                break
            controller.trigger("plc")
        assert listener.reports[-1].verdict != "fault"


def test_a_camera_that_triggers_itself(tmp_path: Path, line: Path, pictures: Path) -> None:
    listener = Listener()
    settings = LineSettings(120.0, 0.1, self_triggered=("front",))
    with running(tmp_path, line, [folder_camera("front", pictures)], [listener], settings) as controller:
        reports = listener.wait(5)
        with pytest.raises(SettingsError, match="no camera 'top'"):
            LineSettings(self_triggered=("top",)).check_names(["front"], [])
        number = controller.trigger("plc")
        until(lambda: any(one.trigger == number for one in listener.reports))
        (report,) = [one for one in listener.reports if one.trigger == number]
        assert (report.verdict, report.reason) == (
            "fault",
            "no camera waits for triggers: see [cameras]",
        )
    assert all(one.verdict != "fault" and one.view == "front" for one in reports)
    triggers = [one.trigger for one in listener.reports]
    assert len(set(triggers)) == len(triggers)


def test_a_running_line_removes_what_is_old(tmp_path: Path, line: Path, pictures: Path) -> None:
    store = Store(tmp_path / "results.sqlite")
    journal = Journal(store)
    for _ in range(2):
        trigger, _ = journal.accept(Trigger(1.0, 0, "plc"), None)
        old = replace(report_of(trigger, {"front": result("good")}, None), time=1.0)
        journal.keep([old])
    store.close()
    with running(tmp_path, line, [folder_camera("front", pictures)], []) as controller:
        until(lambda: [item.number for item in controller.journal.after(0, 9)] == [2])


def test_old_triggers_and_reports_are_removed_once_every_signal_has_them(tmp_path: Path) -> None:
    store = Store(tmp_path / "results.sqlite")
    journal = Journal(store)
    journal.place("slow")
    for second in range(5):
        trigger, _ = journal.accept(Trigger(float(second), 0, "plc"), None)
        journal.keep([report_of(trigger, {"front": result("good")}, None)])
    later = time.time() + 31 * 86400
    assert journal.tidy(["slow"]) == 0
    assert journal.tidy(["slow"], later) == 0
    journal.move("slow", 3)
    assert journal.tidy(["slow"], later) == 3
    assert [item.number for item in journal.after(0, 9)] == [4, 5]
    journal.move("slow", 5)
    assert journal.tidy(["slow"], later) == 1
    assert journal.place("new") == 5
    store.close()


def test_a_line_of_nothing_says_so(tmp_path: Path, line: Path) -> None:
    with running(tmp_path, line, [], []) as controller:
        assert isinstance(controller, Line)
        assert controller.state().fault == "there is no camera: see [cameras]"

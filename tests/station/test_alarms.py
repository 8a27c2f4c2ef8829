"""Alarms: what raises one, and that it stands until somebody acknowledges it, whatever ends meanwhile."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from excision.errors import SettingsError
from excision.station.alarms.alarm import Alarm
from excision.station.alarms.alarms import Alarms
from excision.station.alarms.settings import AlarmSettings
from excision.station.store.store import Store
from excision.station.store.trail_check import verify
from tests.station.conftest import Start, noise
from tests.station.test_store import FAILED, GOOD

ROW = AlarmSettings(defects_in_a_row=3)
DEFECT = replace(GOOD, verdict="defect", score=2.0)
KINDS = {"g": GOOD, "d": DEFECT, "r": replace(GOOD, verdict="review"), "f": FAILED}
KINDS["u"] = replace(GOOD, verdict="unfit", unfit=("dark",))


def feed(store: Store, alarms: Alarms, verdicts: str, model: str = "parts") -> None:
    for letter in verdicts:
        result = replace(KINDS[letter], model=model, file_size=None, file_mtime_ns=None)
        store.add([result])
        alarms.count([result])


def kinds(alarms: Alarms) -> list[tuple[str, str]]:
    return [(alarm.kind, alarm.model) for alarm in alarms.standing]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "results.sqlite")


def test_defects_in_a_row_are_those_of_one_model(store: Store) -> None:
    with closing(Alarms(store, ROW)) as alarms:
        for _ in range(2):
            feed(store, alarms, "d", "front")
            feed(store, alarms, "d", "back")
        feed(store, alarms, "gddr")
        assert kinds(alarms) == []
        # Images without a verdict on the part neither count nor break the row.
        feed(store, alarms, "dfudd")
        assert kinds(alarms) == [("defects_in_a_row", "parts")]
        feed(store, alarms, "d", "back")
        assert kinds(alarms) == [("defects_in_a_row", "parts"), ("defects_in_a_row", "back")]
        (first, _) = alarms.standing
        assert first.details == {"found": 3, "of": 3}
        # It is one alarm, however long it goes on.
        feed(store, alarms, "dddd")
        assert len(alarms.standing) == 2


@given(st.text("gdru", max_size=40), st.integers(1, 4), st.integers(0, 5))
@settings(max_examples=25, deadline=None)
def test_so_many_of_the_last_agree_with_a_count_by_hand(verdicts: str, few: int, more: int) -> None:
    import tempfile

    many = few + more
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder) / "results.sqlite")
        parts, wanted = "", False
        with closing(Alarms(store, AlarmSettings(defects=f"{few} of {many}"))) as alarms:
            for letter in verdicts:
                feed(store, alarms, letter)
                parts += letter.replace("u", "")
                wanted = wanted or parts[-many:].count("d") >= few
                assert (kinds(alarms) == [("defects", "parts")]) == wanted
        store.close()


def test_an_alarm_stands_over_a_restart_and_its_count_begins_anew(store: Store) -> None:
    with closing(Alarms(store, ROW)) as alarms:
        feed(store, alarms, "dd")
    with closing(Alarms(store, ROW)) as alarms:
        feed(store, alarms, "d")
        assert kinds(alarms) == [("defects_in_a_row", "parts")]
    with closing(Alarms(store, ROW)) as alarms:
        (standing,) = alarms.standing
        assert standing.id is not None
        for who in ("", "  \n "):
            with pytest.raises(SettingsError, match="name"):
                alarms.acknowledge(standing.id, who)
        known = alarms.acknowledge(standing.id, " Ada  Costa ")
        assert known.who == "Ada Costa" and alarms.standing == ()
        with pytest.raises(SettingsError, match="no alarm"):
            alarms.acknowledge(standing.id, "Bo")
        feed(store, alarms, "dd")
        assert kinds(alarms) == []
        feed(store, alarms, "d")
        assert kinds(alarms) == [("defects_in_a_row", "parts")]
        assert [alarm.who for alarm in alarms.history()] == ["Ada Costa"]
    events = store.rows("SELECT what, who, details FROM events ORDER BY id")
    assert [(row["what"], row["who"]) for row in events] == [
        ("alarm", ""),
        ("alarm acknowledged", "Ada Costa"),
        ("alarm", ""),
    ]
    assert json.loads(events[0]["details"]) == {"alarm": 1, "kind": "defects_in_a_row", "found": 3, "of": 3}
    assert verify(store.path).fault is None


def test_listeners_hear_of_every_change_and_cannot_break_it(store: Store) -> None:
    told: list[Sequence[Alarm]] = []

    def broken(_: Sequence[Alarm]) -> None:
        raise RuntimeError("a signal that is away")

    with closing(Alarms(store, ROW)) as alarms:
        alarms.listen(broken)
        alarms.listen(told.append)
        feed(store, alarms, "ddd")
        alarms.drifted("parts", "brightness is lower")
        assert alarms.acknowledge_all("PLC") == 2
    assert [len(standing) for standing in told] == [0, 1, 2, 1, 0]


def test_a_fault_is_an_alarm_once_and_is_stored_when_it_can_be(store: Store) -> None:
    wrong: list[str] = []
    with closing(Alarms(store, AlarmSettings(), lambda: wrong[0] if wrong else None)) as alarms:
        alarms._end.set()
        alarms._thread.join()
        path, moved = store.path, store.path.with_name("away.sqlite")
        path.rename(moved)
        wrong.append("the disk is full")
        alarms._round()
        alarms._round()
        (standing,) = alarms.standing
        assert (standing.kind, standing.id, standing.details) == (
            "fault",
            None,
            {"words": "the disk is full"},
        )
        moved.rename(path)
        wrong.clear()
        alarms._round()
        (standing,) = alarms.standing
        assert standing.id is not None
        alarms.acknowledge(standing.id, "Ada")
        alarms._round()
        assert alarms.standing == ()
        wrong.append("again")
        alarms._round()
        assert len(alarms.standing) == 1


def test_a_camera_that_stays_away_is_an_alarm_once(store: Store) -> None:
    away: dict[str, str] = {"front": "no answer"}
    looks = 0

    def faults() -> dict[str, str]:
        nonlocal looks
        looks += 1
        # The other one is away for a moment, again and again.
        return away | ({"back": "no answer"} if looks % 5 else {})

    with closing(Alarms(store, AlarmSettings(faults=True), every=0.01)) as alarms:
        alarms.watch(faults)
        wait_until(lambda: bool(alarms.standing))
        assert looks >= 5
        assert kinds(alarms) == [("fault", "front")]
        alarms.acknowledge_all("M. Weber")
        seen = looks
        wait_until(lambda: looks > seen + 20)
        assert kinds(alarms) == []
        away.clear()
        wait_until(lambda: looks > seen + 40)
        away["front"] = "gone again"
        wait_until(lambda: bool(alarms.standing))
        assert alarms.standing[0].details == {"words": "gone again"}


def wait_until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + 120
    while not true():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_without_a_table_nothing_is_an_alarm(store: Store) -> None:
    alarms = Alarms(store, None, lambda: "the disk is full")
    feed(store, alarms, "dddddddd")
    alarms.drifted("parts", "words")
    alarms.at_fault("camera", "away")
    assert alarms.standing == ()


@pytest.mark.parametrize("wrong", ["5", "0 of 3", "4 of 3", "5 of 5000", "five of six"])
def test_wrong_settings_say_so(wrong: str) -> None:
    with pytest.raises(SettingsError, match="5 of 50"):
        AlarmSettings(defects=wrong)
    with pytest.raises(SettingsError, match="defects_in_a_row is 0"):
        AlarmSettings(defects_in_a_row=0)


def test_alarms_of_a_service(start: Start, line: Path, tmp_path: Path) -> None:
    file = tmp_path / "station.toml"
    file.write_text(
        f'[station]\ndata = "{tmp_path / "station"}"\n[models.fabric]\nfolder = "{line}"\n'
        "[alarms]\nunfit_in_a_row = 2\n",
        "utf-8",
    )
    service = start("--file", file)
    for seed in range(2):
        service.ask("POST", f"/v1/inspect?source={seed}.png", b"no image" + noise(seed)[:9])
    end = time.monotonic() + 120
    while not (found := service.json("GET", "/v1/alarms")[1]["standing"]) and time.monotonic() < end:
        time.sleep(0.05)
    assert [(alarm["kind"], alarm["model"]) for alarm in found] == [("unfit_in_a_row", "fabric")]
    metrics = service.ask("GET", "/metrics")[2].decode()
    assert 'excision_alarm{kind="unfit_in_a_row",model="fabric"} 1.0' in metrics
    service.stop(signal.SIGKILL)
    again = start("--file", file)
    assert again.json("GET", "/v1/alarms")[1]["standing"] == found
    at = f"/v1/alarms/{found[0]['id']}/acknowledgement"
    assert again.json("POST", at, {"who": " "})[0] == 422
    assert again.json("POST", at, {"who": "Ada"})[1]["who"] == "Ada"
    assert again.json("GET", "/v1/alarms")[1]["standing"] == []

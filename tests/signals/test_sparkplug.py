"""Sparkplug B against Debian's mosquitto: certificates, numbers, commands, and a broker that is killed."""

from __future__ import annotations

import dataclasses
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from signal import SIGCONT, SIGSTOP
from typing import Any

import pytest
from paho.mqtt.client import Client, MQTTMessage

from excision.errors import SettingsError
from excision.signals.signal import LineState, Report, SignalError
from excision.signals.sparkplug.metrics import KINDS
from excision.signals.sparkplug.settings import SparkplugSettings
from excision.signals.sparkplug.signal import SparkplugSignal
from tests.signals.broker import Broker, Subscriber, free_port, needs_mosquitto
from tests.signals.stand_in import keep_sending, wait_for
from tests.signals.test_mqtt import Line
from tests.signals.wire_format import read, write

pytestmark = needs_mosquitto

_MESSAGES = ("NBIRTH", "NDATA", "NDEATH", "NCMD")
BIRTH, DATA, DEATH, COMMAND = (f"spBv1.0/plant/{kind}/press 3" for kind in _MESSAGES)


def test_every_field_of_a_report_is_a_metric() -> None:
    fields = {f"Report/{field.name}" for field in dataclasses.fields(Report)}
    assert {name for name in KINDS if name.startswith("Report/")} == fields


class Host(Subscriber):
    """Keeps what it hears, read by hand, with its QoS and retain flag."""

    def _hear(self, _client: Client, _data: Any, message: MQTTMessage) -> None:
        content = {} if message.topic == COMMAND else read(bytes(message.payload))
        with self._change:
            self.messages.append((message.topic, content | {"qos": message.qos}, message.retain))
            self._change.notify_all()

    def command(self, **metrics: Any) -> None:
        self.publish(COMMAND, write({f"Command/{name}": value for name, value in metrics.items()}))


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    made = Broker(tmp_path)
    yield made
    made.close()


def begun(broker: Broker, line: Any = None, **more: Any) -> SparkplugSignal:
    known: dict[str, Any] = {"host": "127.0.0.1", "port": broker.port, "timeout": 60.0, **more}
    settings = SparkplugSettings(group_id="plant", edge_node_id="press 3", **known)
    assert "lets this station in" in dataclasses.replace(settings, timeout=60.0).check()
    signal = settings.open("sparkplug")
    signal.start(line or Line())
    signal._connection.wait(60)
    wait_for(lambda: signal._born == signal._connection.session)
    return signal


def gate_of(signal: SparkplugSignal) -> threading.Event:
    """Give an event: while it is cleared, the signal does not try to connect."""
    gate = threading.Event()

    def wait(*_: object) -> None:
        gate.wait(60)

    signal._connection._client.on_pre_connect = wait
    return gate


def a_report(number: int = 1, **more: Any) -> Report:
    return Report(str(uuid.uuid4()), number, "good", **{"time": time.time(), **more})


def values(message: dict[str, Any]) -> dict[str, Any]:
    return {name: metric.get("value") for name, metric in message["metrics"].items()}


def test_a_session_from_birth_to_death(broker: Broker) -> None:
    host, before = Host(broker), time.time()
    signal = begun(broker)
    (birth,) = host.wait(BIRTH, 1)
    assert birth["seq"] == 0 and birth["qos"] == 0
    assert int(1000 * before) <= birth["timestamp"] <= 1000 * time.time() + 1
    assert birth["metrics"].keys() == {"bdSeq", *KINDS} and values(birth)["bdSeq"] == 0
    assert birth["metrics"]["bdSeq"]["datatype"] == 4 and birth["metrics"]["Report/score"]["datatype"] == 10
    assert birth["metrics"]["Report/time"]["datatype"] == 13
    assert values(birth)["Node Control/Rebirth"] is False
    assert all("datatype" in each and "timestamp" in each for each in birth["metrics"].values())
    moment = time.time()
    report = a_report(
        2**40, score=float("inf"), threshold=0.5, p_value=0.25, serial="Größe 7", time=moment, result=300
    )
    signal.send(report)
    state = LineState(True, False, lot="L1", counts={"good": 1}, time=moment)
    signal.show(state)
    signal.show(dataclasses.replace(state, time=moment + 1))
    signal.show(dataclasses.replace(state, busy=True))
    said, first, second = host.wait(DATA, 3)
    assert [each["seq"] for each in (said, first, second)] == [1, 2, 3]
    assert said["qos"] == 0 and not any("datatype" in each for each in said["metrics"].values())
    assert values(said) == {
        **{f"Report/{name}": value for name, value in report.to_json().items()},
        "Report/time": round(moment * 1000),
    }
    assert not any(each.get("is_historical") for each in said["metrics"].values())
    assert values(first)["State/lot"] == "L1" and values(first)["State/counts/good"] == 1
    assert values(second) == {"State/busy": True}
    signal.close()
    (death,) = host.wait(DEATH, 1)
    assert death["qos"] == 1 and "seq" not in death and values(death) == {"bdSeq": 0}
    late = Host(broker)
    # The broker gives a subscriber what it has kept before anything new.
    late.publish("new", write({}))
    late.wait("new", 1)
    assert len(late.messages) == 1 and not any(retain for *_, retain in host.messages)
    late.close()
    host.close()


def test_the_broker_speaks_for_a_station_that_vanishes(broker: Broker) -> None:
    host = Host(broker)
    signal = begun(broker)
    wire = signal._connection._client.socket()
    assert wire is not None
    # As a cable that is pulled: no farewell.
    signal._connection._client.loop_stop()
    wire.close()
    (death,) = host.wait(DEATH, 1)
    assert values(death) == {"bdSeq": 0} and death["qos"] == 1 and "seq" not in death
    host.close()


def test_commands(broker: Broker) -> None:
    host, line = Host(broker), Line()
    signal = begun(broker, line)
    signal.show(LineState(True, False, lot="L1"))
    host.publish(COMMAND, write({"Node Control/Rebirth": True}))
    again = host.wait(BIRTH, 2)[1]
    assert again["seq"] == 0 and values(again)["bdSeq"] == 0 and values(again)["State/lot"] == "L1"
    host.publish(COMMAND, write({"Node Control/Rebirth": False}))
    host.command(trigger=True, serial="S1", lot=None, request="r1")
    host.command(lot="L2")
    host.command(lot=None)
    host.command(recipe="back")
    host.command(acknowledge=True)
    for wrong in ({"serial": "x"}, {"recipe": None}, {"recipe": 7}, {"trigger": "yes"}, {"colour": "red"}):
        host.command(**wrong)
    for broken in (b"\xff", b"\x12\x7f", write({"": True}), write({"Command/lot": "x"})[:-1] + b"\xff"):
        host.publish(COMMAND, broken)
    answers = [values(each) for each in host.wait(DATA, 15)[1:]]
    assert line.heard == [
        ("trigger", "sparkplug", {"serial": "S1", "lot": None, "request": "r1"}),
        ("lot", "L2"),
        ("lot", None),
        ("recipe", "back"),
        ("acknowledge",),
    ]
    assert answers[0] == {"Answer/request": "r1", "Answer/trigger": 1, "Answer/error": None}
    assert [answer["Answer/error"] is None for answer in answers] == [True] * 5 + [False] * 9
    # A birth begins the sequence anew.
    assert [each["seq"] for each in host.on(DATA)] == [1, *range(1, 15)]
    signal.close()
    deaf = begun(broker, line, commands=False)
    host.command(trigger=True)
    assert "commands = false" in values(host.wait(DATA, 16)[-1])["Answer/error"]
    host.publish(COMMAND, write({"Node Control/Rebirth": True}))
    host.wait(BIRTH, 4)
    assert len(line.heard) == 5
    deaf.close()
    host.close()


def test_the_sequence_wraps_after_255(broker: Broker) -> None:
    host = Host(broker)
    signal = begun(broker)
    for number in range(300):
        signal.show(LineState(True, bool(number % 2), counts={"good": number + 1}))
    numbers = [each["seq"] for each in host.wait(DATA, 300)]
    assert numbers == [*range(1, 256), *range(45)]
    signal.close()
    host.close()


def test_a_broker_that_is_killed_loses_no_report(broker: Broker) -> None:
    """As the station does it: each report again until `send` returns."""
    hosts = [Host(broker)]
    signal = begun(broker, timeout=2.0)
    gate = gate_of(signal)
    reports: list[Report] = []
    failures, killed = list[SignalError](), threading.Semaphore(0)

    def send_all() -> None:
        for number in range(60):
            if number in (20, 40):
                killed.acquire()
            # As the outbox has it: its time is that at which it was made.
            reports.append(a_report(number))
            while True:
                try:
                    signal.send(reports[-1])
                    break
                except SignalError as error:
                    failures.append(error)
                    time.sleep(0.05)
            time.sleep(0.01)

    sender = threading.Thread(target=send_all)
    sender.start()
    for _ in range(2):
        hosts[-1].wait(DATA, 10)
        gate.clear()
        broker.kill()
        failed = len(failures)
        killed.release()
        broker.start()
        # It listens before the station tries again: nobody keeps messages of QoS 0.
        hosts.append(Host(broker))
        hosts[-2].close()
        wait_for(lambda failed=failed: len(failures) > failed)  # type: ignore[misc]  # mypy infers no type here
        gate.set()
        hosts[-1].wait(BIRTH, 1)
    sender.join(120)
    assert not sender.is_alive()
    signal.close()
    hosts[-1].wait(DEATH, 1)
    heard: list[dict[str, Any]] = []
    for number, host in enumerate(hosts):
        (birth,) = host.on(BIRTH)
        assert values(birth)["bdSeq"] == number
        data = host.on(DATA)
        assert [each["seq"] for each in (birth, *data)] == list(range(len(data) + 1))
        heard += data
        if number:
            assert all(metric["is_historical"] for metric in data[0]["metrics"].values())
            assert len(data[0]["metrics"]) == len(dataclasses.fields(Report))
            assert "is_historical" not in data[-1]["metrics"]["Report/id"]
        host.close()
    ids = [values(each)["Report/id"] for each in heard]
    assert list(dict.fromkeys(ids)) == [report.id for report in reports]
    assert values(hosts[-1].on(DEATH)[0]) == {"bdSeq": 2}


def test_a_broker_that_stands_still_has_no_report(broker: Broker) -> None:
    signal = begun(broker, timeout=1.0)
    keep_sending(signal, a_report())
    assert broker._process is not None
    broker._process.send_signal(SIGSTOP)
    try:
        with pytest.raises(SignalError, match="did not answer"):
            signal.send(a_report())
    finally:
        broker._process.send_signal(SIGCONT)
    keep_sending(signal, a_report())
    signal.close()


def test_without_a_broker_nothing_hangs() -> None:
    settings = SparkplugSettings(
        host="127.0.0.1", port=free_port(), group_id="g", edge_node_id="e", timeout=120.0
    )
    signal = settings.open("sparkplug")
    signal.start(Line())
    before = time.monotonic()
    with pytest.raises(SignalError, match="127"):
        signal.send(a_report())
    with pytest.raises(SignalError, match="127"):
        signal.show(LineState(False, False))
    assert time.monotonic() - before < 60
    with pytest.raises(SignalError, match="cannot be reached"):
        settings.check()
    signal.close()


@pytest.mark.parametrize("key", ["group_id", "edge_node_id"])
@pytest.mark.parametrize("wrong", ["", " ", "a/b", "a+", "#", "a\nb", "x" * 101])
def test_wrong_names_are_refused(key: str, wrong: str) -> None:
    keys: dict[str, Any] = {"host": "broker", "group_id": "g", "edge_node_id": "e", key: wrong}
    with pytest.raises(SettingsError, match=key):
        SparkplugSettings(**keys)


def test_every_key_and_metric_is_documented() -> None:
    document = (Path(__file__).parents[2] / "docs" / "station" / "signals.md").read_text("utf-8")
    for key in dataclasses.fields(SparkplugSettings):
        assert f"`{key.name}`" in document, key.name
    for metric in KINDS:
        known = metric in document or f"{metric.rpartition('/')[0]}/" in document
        assert known, metric

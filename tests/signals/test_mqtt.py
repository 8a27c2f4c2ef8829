"""MQTT against Debian's mosquitto: reports, state, commands, a broker that goes away, TLS and passwords."""

from __future__ import annotations

import dataclasses
import logging
import subprocess
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from excision.errors import SettingsError
from excision.signals.mqtt.settings import MqttSettings
from excision.signals.mqtt.signal import MqttSignal
from excision.signals.signal import LineState, Report, SignalError
from excision.signals.webhook.settings import WebhookSettings
from excision.station.line.settings import LineSettings
from excision.system.credentials import Secret
from tests.signals.broker import Broker, Subscriber, free_port, needs_mosquitto
from tests.signals.stand_in import wait_for

pytestmark = needs_mosquitto

TOPIC = "plant/press 3"


class Line:
    """Takes commands."""

    def __init__(self) -> None:
        self.heard: list[tuple[Any, ...]] = []

    def trigger(self, origin: str, **details: str | None) -> int:
        if details.get("recipe") == "none":
            raise SignalError("there is no model 'none'")
        self.heard.append(("trigger", origin, details))
        return len(self.heard)

    def set_lot(self, lot: str | None) -> None:
        self.heard.append(("lot", lot))

    def set_recipe(self, name: str) -> None:
        self.heard.append(("recipe", name))

    def acknowledge(self) -> None:
        self.heard.append(("acknowledge",))


def a_report(number: int = 1) -> Report:
    return Report(str(uuid.uuid4()), number, "good", score=float("inf"), time=time.time())


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    made = Broker(tmp_path)
    yield made
    made.close()


def settings(broker: Broker, **more: Any) -> MqttSettings:
    return MqttSettings(host="127.0.0.1", port=broker.port, topic=TOPIC, **{"timeout": 60.0, **more})


def begun(signal: MqttSignal, commands: Any = None) -> MqttSignal:
    signal.start(commands or Line())
    signal._connection.wait(60)
    return signal


def test_reports_and_state_go_out(broker: Broker) -> None:
    listener = Subscriber(broker)
    signal = begun(settings(broker).open("mqtt"))
    report = a_report()
    signal.send(report)
    (heard,) = listener.wait(f"{TOPIC}/report", 1)
    assert heard["id"] == report.id and heard["score"] is None and heard["verdict"] == "good"
    signal.show(LineState(True, False, lot="L1", counts={"good": 1}, time=5.0))
    (state,) = listener.wait(f"{TOPIC}/state", 1)
    assert state["online"] is True and state["ready"] is True and state["counts"] == {"good": 1}
    late = Subscriber(broker)
    late.wait(f"{TOPIC}/state", 1)
    assert [retain for topic, _, retain in late.messages if topic.endswith("state")] == [True]
    assert late.on(f"{TOPIC}/report") == []
    signal.close()
    assert listener.wait(f"{TOPIC}/state", 2)[-1] == {"online": False}
    late.close()
    listener.close()


def test_the_broker_speaks_for_a_station_that_vanishes(broker: Broker) -> None:
    listener = Subscriber(broker)
    signal = begun(settings(broker).open("mqtt"))
    signal.show(LineState(True, False))
    listener.wait(f"{TOPIC}/state", 1)
    wire = signal._connection._client.socket()
    assert wire is not None
    # As a cable that is pulled: no farewell.
    signal._connection._client.loop_stop()
    wire.close()
    assert listener.wait(f"{TOPIC}/state", 2)[-1] == {"online": False}
    listener.close()


def test_commands_come_in(broker: Broker) -> None:
    asker, line = Subscriber(broker), Line()
    asker.publish(f"{TOPIC}/command/trigger", {"serial": "old"}, retain=True)
    signal = begun(settings(broker).open("mqtt"), line)
    asker.publish(f"{TOPIC}/command/trigger", {"serial": "S1", "request": "r1"})
    asker.publish(f"{TOPIC}/command/trigger")
    asker.publish(f"{TOPIC}/command/lot", {"lot": "L2"})
    asker.publish(f"{TOPIC}/command/recipe", {"recipe": "back"})
    asker.publish(f"{TOPIC}/command/acknowledge")
    for wrong in (b"{", b"[1]", {"serial": 5}, {"colour": "red"}, {"recipe": "none"}, b"\xff", b"[" * 9000):
        asker.publish(f"{TOPIC}/command/trigger", wrong)
    asker.publish(f"{TOPIC}/command/lot", {})
    answers = asker.wait(f"{TOPIC}/answer", 13)
    # The retained one is of yesterday.
    assert line.heard == [
        ("trigger", "mqtt", {"serial": "S1", "request": "r1"}),
        ("trigger", "mqtt", {}),
        ("lot", "L2"),
        ("recipe", "back"),
        ("acknowledge",),
    ]
    assert answers[0] == {"command": "trigger", "request": "r1", "trigger": 1}
    assert [("error" in answer) for answer in answers] == [False] * 5 + [True] * 8
    signal.close()
    asker.close()


def test_a_broker_that_is_killed_loses_and_doubles_nothing(broker: Broker) -> None:
    """As the station does it: each report again until `send` returns; compared by the ids."""
    listener = Subscriber(broker)
    signal = begun(settings(broker, timeout=2.0).open("mqtt"))
    broker.save()
    reports = [a_report(number) for number in range(150)]
    killed = threading.Semaphore(0)

    def send_all() -> None:
        for number, report in enumerate(reports):
            if number in (60, 120):
                killed.acquire()
            while True:
                try:
                    signal.send(report)
                    break
                except SignalError:
                    time.sleep(0.05)
            time.sleep(0.01)

    sender = threading.Thread(target=send_all)
    sender.start()
    for already in (30, 90):
        listener.wait(f"{TOPIC}/report", already)
        broker.kill()
        killed.release()
        time.sleep(0.7)
        broker.start()
    sender.join(120)
    assert not sender.is_alive()
    # What the broker had taken before it was killed may be heard twice.
    wanted = [report.id for report in reports]
    for doubled in range(len(reports)):
        heard = [each["id"] for each in listener.wait(f"{TOPIC}/report", len(reports) + doubled)]
        if wanted[-1] in heard:
            break
    assert list(dict.fromkeys(heard)) == wanted
    signal.close()
    listener.close()


def test_without_a_broker_nothing_hangs(tmp_path: Path) -> None:
    settings = MqttSettings(host="127.0.0.1", port=free_port(), topic="x", timeout=120.0)
    signal = settings.open("mqtt")
    signal.start(Line())
    before = time.monotonic()
    with pytest.raises(SignalError, match="127"):
        signal.send(a_report())
    with pytest.raises(SignalError):
        signal.show(LineState(True, False))
    assert time.monotonic() - before < 60
    with pytest.raises(SignalError, match="cannot be reached"):
        settings.check()
    signal.close()
    assert tmp_path.exists()


# paho leaves the socket of a failed handshake to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_password_and_tls(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    subject = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    key, certificate, users = tmp_path / "key.pem", tmp_path / "cert.pem", tmp_path / "users"
    made = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    files = ["-keyout", str(key), "-out", str(certificate)]
    subprocess.run([*made, *subject, *files], check=True, capture_output=True)
    subprocess.run(["mosquitto_passwd", "-b", "-c", str(users), "press", "s3cret-word"], check=True)
    broker = Broker(
        tmp_path,
        ["allow_anonymous false", f"password_file {users}"],
        [f"certfile {certificate}", f"keyfile {key}"],
    )
    try:
        (tmp_path / "word.txt").write_text("s3cret-word\n", "utf-8")
        (tmp_path / "word.txt").chmod(0o600)
        right = settings(
            broker, user="press", password=Secret(tmp_path / "word.txt"), tls=True, ca_file=certificate
        )
        assert "lets this station in" in right.check()
        listener = Subscriber(broker, user=("press", "s3cret-word"), ca=certificate)
        signal = begun(right.open("mqtt"))
        signal.send(a_report())
        listener.wait(f"{TOPIC}/report", 1)
        signal.close()
        listener.close()
        (tmp_path / "word.txt").write_text("another-word\n", "utf-8")
        with pytest.raises(SignalError, match="refuses"):
            right.check()
        with pytest.raises(SignalError, match="certificate"):
            settings(broker, tls=True).check()
        wrong = right.open("mqtt")
        wrong.start(Line())
        wait_for(lambda: wrong._connection.trouble != "not connected yet")
        with pytest.raises(SignalError, match="refuses"):
            wrong.send(a_report())
        wrong.close()
    finally:
        broker.close()
    assert "s3cret-word" not in caplog.text and "another-word" not in caplog.text
    assert "word" not in repr(right).replace("password", "").replace("word.txt", "")


@pytest.mark.parametrize(
    "wrong",
    [
        {"host": ""},
        {"host": "mqtt://broker"},
        {"port": 0},
        {"topic": "a/#"},
        {"topic": "/a"},
        {"topic": ""},
        {"topic": "a\nb"},
        {"ca_file": Path("x")},
        {"password": Secret(env="X")},
        {"keep_alive": 0.5},
    ],
)
def test_wrong_settings_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(SettingsError, match=next(iter(wrong))):
        MqttSettings(**{"host": "broker", "topic": "x", **wrong})


def test_every_key_is_documented() -> None:
    document = (Path(__file__).parents[2] / "docs" / "station" / "signals.md").read_text("utf-8")
    for kind in (MqttSettings, WebhookSettings, LineSettings):
        for key in dataclasses.fields(kind):
            assert f"`{key.name}`" in document, key.name
    for key in dataclasses.fields(Report):
        assert f"`{key.name}`" in document, key.name

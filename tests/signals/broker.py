"""A real MQTT broker on loopback: Debian's mosquitto, which can be killed and started again."""

from __future__ import annotations

import getpass
import json
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion

PROGRAM = shutil.which("mosquitto") or "/usr/sbin/mosquitto"

needs_mosquitto = pytest.mark.skipif(not Path(PROGRAM).exists(), reason="mosquitto is not installed")


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


class Broker:
    """One broker.

    Args:
        folder: for its files.
        lines: of its configuration beside the listener.
        listener: lines about the listener itself, such as certificates.
    """

    def __init__(
        self, folder: Path, lines: Iterable[str] = ("allow_anonymous true",), listener: Iterable[str] = ()
    ) -> None:
        self.port = free_port()
        self._config = folder / "mosquitto.conf"
        own = ["persistence true", f"persistence_location {folder}/"]
        own += [f"user {getpass.getuser()}"]
        text = "\n".join((f"listener {self.port} 127.0.0.1", *listener, *lines, *own))
        self._config.write_text(f"{text}\n", "utf-8")
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        self._process = subprocess.Popen(
            [PROGRAM, "-c", str(self._config)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        end = time.monotonic() + 60
        while time.monotonic() < end:
            assert self._process.poll() is None, "mosquitto has ended"
            with socket.socket() as wire:
                if wire.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.02)
        pytest.fail("mosquitto does not listen")

    def save(self) -> None:
        """Have sessions written to disk, so that they outlast a kill."""
        assert self._process is not None
        saved = self._config.with_name("mosquitto.db")
        before = saved.stat().st_mtime_ns if saved.exists() else 0
        self._process.send_signal(signal.SIGUSR1)
        end = time.monotonic() + 60
        while not saved.exists() or saved.stat().st_mtime_ns == before:
            assert time.monotonic() < end
            time.sleep(0.02)

    def kill(self) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait(60)

    def close(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            self._process.wait(60)


class Subscriber:
    """A client that keeps what it hears, with a session that outlives its connection.

    Args:
        broker: to listen to.
        topic: with wildcards.
        user: and password.
        ca: certificates of the broker.
    """

    def __init__(
        self, broker: Broker, topic: str = "#", user: tuple[str, str] | None = None, ca: Path | None = None
    ) -> None:
        self.messages: list[tuple[str, Any, bool]] = []
        self._change = threading.Condition()
        self._ready = threading.Event()
        self._client = Client(CallbackAPIVersion.VERSION2, f"listener-{id(self)}", clean_session=False)
        if user is not None:
            self._client.username_pw_set(*user)
        if ca is not None:
            self._client.tls_set(str(ca))
        self._client.reconnect_delay_set(1, 1)
        self._client.on_connect = lambda client, *_: client.subscribe(topic, 1)
        self._client.on_subscribe = lambda *_: self._ready.set()
        self._client.on_message = self._hear
        self._client.connect("127.0.0.1", broker.port, 5)
        self._client.loop_start()
        assert self._ready.wait(60)

    def _hear(self, _client: Client, _data: Any, message: MQTTMessage) -> None:
        try:
            content = json.loads(message.payload)
        except (ValueError, RecursionError):
            content = bytes(message.payload)
        with self._change:
            self.messages.append((message.topic, content, message.retain))
            self._change.notify_all()

    def publish(self, topic: str, content: Any = None, retain: bool = False) -> None:
        payload = content if isinstance(content, bytes) else b"" if content is None else json.dumps(content)
        self._client.publish(topic, payload, 1, retain).wait_for_publish(60)

    def on(self, topic: str) -> list[Any]:
        with self._change:
            return [content for where, content, _ in self.messages if where == topic]

    def wait(self, topic: str, count: int, seconds: float = 60.0) -> list[Any]:
        """Give what was heard on a topic once there are so many messages."""
        with self._change:
            enough = self._change.wait_for(
                lambda: sum(where == topic for where, _, _ in self.messages) >= count, seconds
            )
        heard = self.on(topic)
        assert enough, f"{len(heard)} of {count}: {heard}"
        return heard

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()

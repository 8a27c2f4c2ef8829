"""What the table of a broker says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from excision.errors import SettingsError
from excision.system.credentials import Secret
from excision.system.duration import Duration

if TYPE_CHECKING:
    from excision.signals.mqtt.connection import Connection, Will
    from excision.signals.mqtt.signal import MqttSignal

_LONGEST_TOPIC = 200
_PORT, _TLS_PORT = 1883, 8883


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerSettings:
    """Keys of every kind of signal that goes over a broker.

    Attributes:
        host: name or address of the broker.
        port: by default 1883, or 8883 with TLS.
        user: that the broker asks for.
        password: where it is.
        client_id: by which the broker knows this station; empty lets it choose.
        tls: whether the connection is encrypted and the broker's certificate is checked.
        ca_file: certificates that the broker's must be signed by; without it, those of the system.
        cert_file: certificate of this station, where the broker asks for one.
        key_file: key of that certificate.
        keep_alive: after which a silent connection is taken for dead.
        timeout: within which the broker must confirm a message.
    """

    host: str
    port: int | None = None
    user: str | None = None
    password: Secret | None = None
    client_id: str = ""
    tls: bool = False
    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None
    keep_alive: Duration = 10.0
    timeout: Duration = 5.0

    def __post_init__(self) -> None:
        if not self.host.strip() or "/" in self.host:
            raise SettingsError(f"host is {self.host!r}: give a name or address, such as broker.example")
        if self.port is not None and not 0 < self.port < 2**16:
            raise SettingsError(f"port is {self.port}: it must lie between 1 and 65535")
        if self.password is not None and self.user is None:
            raise SettingsError("password needs user")
        if not self.tls and (self.ca_file or self.cert_file or self.key_file):
            raise SettingsError("ca_file, cert_file and key_file need tls = true")
        if self.key_file is not None and self.cert_file is None:
            raise SettingsError("key_file needs cert_file")
        if not 1 <= self.keep_alive <= 65535:
            raise SettingsError("keep_alive must lie between 1 s and 65535 s")

    @property
    def address(self) -> tuple[str, int]:
        """Host and port."""
        return self.host, self.port or (_TLS_PORT if self.tls else _PORT)

    def connect(self, name: str, will: Callable[[], Will]) -> Connection:
        """Give the connection, not begun; `will` gives the last will of each connection.

        Raises:
            SettingsError: a file or variable cannot be read.
            ModuleNotFoundError: the extra `mqtt` is not installed.
        """
        from excision.signals.mqtt.connection import Connection

        return Connection(name, self, will)

    def check(self) -> str:
        """Connect to the broker.

        Raises:
            SignalError: it cannot be reached, or refuses.
            SettingsError: a file or variable cannot be read.
        """
        from excision.signals.mqtt.connection import try_out

        host, port = self.address
        try_out(self)
        told = f"{host}:{port}: the broker lets this station in"
        if self.user is not None and not self.tls:
            told += "; without tls the password crosses the network in the clear"
        exposed = None if self.password is None else self.password.exposure()
        return f"{told}; {exposed}" if exposed else told


@dataclass(frozen=True, slots=True, kw_only=True)
class MqttSettings(BrokerSettings):
    """`[signals.mqtt]`: reports and state as JSON.

    Attributes:
        topic: that the topics of this station begin with.
        commands: whether the station listens to commands.
    """

    topic: str
    commands: bool = True

    def __post_init__(self) -> None:
        # A class with slots is made anew, so `super` without arguments would not find it.
        BrokerSettings.__post_init__(self)
        check_topic("topic", self.topic)

    def open(self, name: str) -> MqttSignal:
        """Give the signal, not started; raises as `connect`."""
        from excision.signals.mqtt.signal import MqttSignal

        return MqttSignal(name, self)


def check_topic(key: str, topic: str) -> None:
    """Refuse what cannot be the beginning of a topic.

    Raises:
        SettingsError: it is empty or too long, or holds a wildcard.
    """
    if (
        not topic
        or len(topic.encode()) > _LONGEST_TOPIC
        or any(sign in topic for sign in "+#\0")
        or topic[0] in "/$"
        or topic[-1] == "/"
        or not topic.isprintable()
    ):
        raise SettingsError(
            f"{key} is {topic[:60]!r}: give a topic such as plant/press3, up to {_LONGEST_TOPIC} bytes, "
            "without + and #, and without / at its ends"
        )

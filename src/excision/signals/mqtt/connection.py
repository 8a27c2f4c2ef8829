"""A connection to a broker, which is made again whenever it is lost."""

from __future__ import annotations

import logging
import ssl
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from paho.mqtt.client import Client, MQTTMessage, MQTTMessageInfo
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode

from excision.errors import SettingsError
from excision.signals.signal import SignalError

if TYPE_CHECKING:
    from excision.signals.mqtt.settings import BrokerSettings

_LOG = logging.getLogger(__name__)

_SOONEST, _LATEST = 1, 5  # seconds between two tries to connect
_CLOSING = 2.0


class Will(NamedTuple):
    """What the broker says for a station that vanishes.

    Attributes:
        topic: that it says it on.
        payload: what it says.
        retain: whether it keeps it for later subscribers.
    """

    topic: str
    payload: bytes
    retain: bool


Handler = Callable[[str, bytes], None]
"""Takes topic and payload of a message; runs in the thread of the connection."""


class Connection:
    """Publishes and subscribes; loses nothing silently.

    Args:
        name: of the signal.
        settings: of the broker.
        will: gives what the broker publishes if a connection dies; asked anew for each connection.

    Attributes:
        trouble: why there is no connection; None where there is one.
        session: number of connections that were begun so far.

    Raises:
        SettingsError: a file or variable of the settings cannot be read.
    """

    def __init__(self, name: str, settings: BrokerSettings, will: Callable[[], Will]) -> None:
        self._name, self._settings, self._will = name, settings, will
        self.trouble: str | None = "not connected yet"
        self._subscriptions: dict[str, Handler] = {}
        self._connected: Callable[[], None] = lambda: None
        self._running, self._change = False, threading.Condition()
        self.session = 0
        self._first: int | None = None  # request for the topics of commands of this session
        self._answered: int | None = None
        # A session that outlives the connection would bring triggers of parts that have long passed.
        self._client = Client(CallbackAPIVersion.VERSION2, settings.client_id, clean_session=True)
        self._client.reconnect_delay_set(_SOONEST, _LATEST)
        _authenticate(self._client, settings)
        # At a socket that is open, and not before: each call is followed by one CONNECT.
        self._client.on_socket_open = self._on_socket_open
        self._client.on_connect = self._on_connect
        self._client.on_subscribe = self._on_subscribe
        self._client.on_disconnect = self._on_disconnect
        self._client.on_message = self._on_message

    def begin(self, connected: Callable[[], None], subscriptions: dict[str, Handler]) -> None:
        """Connect, in a thread of its own, as often as is needed.

        Args:
            connected: is called after each connection.
            subscriptions: what to do with the messages of each topic.
        """
        self._connected, self._subscriptions = connected, subscriptions
        host, port = self._settings.address
        self._client.connect_async(host, port, round(self._settings.keep_alive))
        self._client.loop_start()
        self._running = True

    def wait(self, seconds: float) -> None:
        """Wait for the connection.

        Raises:
            SignalError: there is none after that time.
        """
        with self._change:
            self._change.wait_for(lambda: self.trouble is None, seconds)
        self._check()

    def publish(self, topic: str, payload: bytes, qos: int = 1, retain: bool = False) -> MQTTMessageInfo:
        """Hand a message to the connection.

        Raises:
            SignalError: there is no connection; the message is not kept.
        """
        self._check()
        info = self._client.publish(topic, payload, qos, retain)
        if info.rc not in (MQTTErrorCode.MQTT_ERR_SUCCESS, MQTTErrorCode.MQTT_ERR_NO_CONN):
            raise SignalError(f"{self._where}: the message was not taken ({info.rc.name})")
        return info

    def confirm(self, info: MQTTMessageInfo) -> None:
        """Wait until the broker has confirmed a message.

        Raises:
            SignalError: it has not within the time-out. The message is sent again once the connection is
                made again: wait for the same `info`, and do not publish it anew.
        """
        try:
            info.wait_for_publish(self._settings.timeout)
        except (RuntimeError, ValueError) as error:
            raise SignalError(f"{self._where}: {error}") from error
        if not info.is_published():
            self._check()
            raise SignalError(
                f"{self._where}: the broker did not confirm within {self._settings.timeout:g} s"
            )

    def flush(self, session: int) -> None:
        """Wait until the broker has answered a request that followed all that was published before.

        A message of QoS 0 is never confirmed. The broker takes what comes over a connection in its order, so
        an answer to a request on the same connection says that it has taken the messages before it. One
        thread may call this at a time, and `begin` must have been given a topic.

        Args:
            session: the `session` in which the messages were published.

        Raises:
            SignalError: there is no answer within the time-out, or the connection was made anew meanwhile.
        """
        _, number = self._client.subscribe(next(iter(self._subscriptions)), 1)
        with self._change:
            answered = self._change.wait_for(
                lambda: self._answered == number or self.trouble is not None or self.session != session,
                self._settings.timeout,
            )
        self._check()
        if self.session != session:
            raise SignalError(f"{self._where}: the connection was lost")
        if not answered:
            raise SignalError(f"{self._where}: the broker did not answer within {self._settings.timeout:g} s")

    def close(self, last: Callable[[], None] | None = None) -> None:
        """Say the last words, and disconnect; the broker then says nothing for the station."""
        if not self._running:
            return
        if last is not None and self.trouble is None:
            try:
                last()
            except SignalError as error:
                _LOG.warning("signal %s: %s", self._name, error)
        self._running = False
        self._client.disconnect()
        self._client.loop_stop()

    @property
    def _where(self) -> str:
        host, port = self._settings.address
        return f"{host}:{port}"

    def _check(self) -> None:
        if self.trouble is not None:
            raise SignalError(f"{self._where}: {self.trouble}")

    def _note(self, trouble: str | None) -> None:
        with self._change:
            self.trouble = trouble
            self._change.notify_all()

    def _on_socket_open(self, client: Client, _data: Any, _socket: Any) -> None:
        with self._change:
            self.session += 1
            self._change.notify_all()
        will = self._will()
        client.will_set(will.topic, will.payload, 1, will.retain)

    def _on_connect(self, client: Client, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        if reason.is_failure:
            self._note(f"the broker refuses: {reason}")
            return
        if self._subscriptions:
            _, self._first = client.subscribe([(topic, 1) for topic in self._subscriptions])
        else:
            self._greet()

    def _on_subscribe(self, _client: Client, _data: Any, number: int, reasons: Any, _properties: Any) -> None:
        if any(reason.is_failure for reason in reasons):
            self._note("the broker refuses the topics of commands: allow them, or set commands = false")
        elif number == self._first:
            self._greet()
        else:
            with self._change:
                self._answered = number
                self._change.notify_all()

    def _greet(self) -> None:
        """Say that the connection is there: only now commands are heard."""
        self._note(None)
        try:
            self._connected()
        except Exception:
            _LOG.exception("signal %s: the greeting failed", self._name)

    def _on_disconnect(self, _client: Client, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        if not (self.trouble or "").startswith("the broker refuses"):
            self._note(f"the connection is lost ({reason})" if self._running else "closed")

    def _on_message(self, _client: Client, _data: Any, message: MQTTMessage) -> None:
        handler = self._subscriptions.get(message.topic)
        # What the broker has kept is old: nobody wants a trigger of yesterday.
        if handler is None or message.retain:
            return
        try:
            handler(message.topic, bytes(message.payload))
        except Exception:
            # It would end the thread of the connection.
            _LOG.exception("signal %s: a message on %s failed", self._name, message.topic)


def try_out(settings: BrokerSettings) -> None:
    """Connect once, without any trace.

    Raises:
        SignalError: the broker cannot be reached, or refuses.
        SettingsError: a file or variable cannot be read.
    """
    host, port = settings.address
    refusal: list[str] = []
    done = threading.Event()
    client = Client(CallbackAPIVersion.VERSION2, "", clean_session=True)
    _authenticate(client, settings)

    def connected(_client: Client, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        if reason.is_failure:
            refusal.append(str(reason))
        done.set()

    client.on_connect = connected
    client.connect_timeout = settings.timeout
    try:
        client.connect(host, port, round(settings.keep_alive))
        client.loop_start()
        if not done.wait(settings.timeout):
            refusal.append(f"no answer within {settings.timeout:g} s: is this an MQTT broker?")
    except (OSError, ValueError) as error:
        raise SignalError(f"{host}:{port}: cannot be reached ({error})") from error
    finally:
        client.disconnect()
        client.loop_stop()
    if refusal:
        raise SignalError(f"{host}:{port}: the broker refuses: {refusal[0]}")


def _authenticate(client: Client, settings: BrokerSettings) -> None:
    if settings.user is not None:
        client.username_pw_set(settings.user, settings.password.read() if settings.password else None)
    if not settings.tls:
        return
    try:
        context = ssl.create_default_context(cafile=settings.ca_file)
        if settings.cert_file is not None:
            context.load_cert_chain(settings.cert_file, settings.key_file)
    except (OSError, ssl.SSLError) as error:
        files = [file for file in (settings.ca_file, settings.cert_file, settings.key_file) if file]
        raise SettingsError(f"{', '.join(map(str, files))}: cannot be used for TLS ({error})") from error
    client.tls_set_context(context)

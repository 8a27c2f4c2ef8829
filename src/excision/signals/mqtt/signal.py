"""Reports and state as JSON, and commands of the line."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from excision.signals.mqtt.connection import Connection, Will
from excision.signals.signal import Commands, LineState, Report, SignalError

if TYPE_CHECKING:
    from paho.mqtt.client import MQTTMessageInfo

    from excision.signals.mqtt.settings import MqttSettings

_MOST = 2**16  # bytes of a command
_TRIGGER_KEYS = ("serial", "lot", "recipe", "view", "request")
_TRIES = 3
"""Times that a connected broker may leave a message unconfirmed before it is published anew."""


class MqttSignal:
    """A station on the topics below one.

    TOPIC/report             out: one JSON object for each report, QoS 1, never retained
    TOPIC/state              out: state and heartbeat, retained; "online" is false once the station is gone
    TOPIC/command/trigger    in: {"serial", "lot", "recipe", "view", "request"}, each optional; or nothing
    TOPIC/command/lot        in: {"lot": ...}
    TOPIC/command/recipe     in: {"recipe": ...}
    TOPIC/command/acknowledge  in
    TOPIC/answer             out: {"command", "request", "trigger"}, or {"command", "request", "error"}

    Args:
        name: of the table.
        settings: of the table.
    """

    durable = True

    def __init__(self, name: str, settings: MqttSettings) -> None:
        self.name, self._settings = name, settings
        self._commands: Commands | None = None
        will = Will(self._topic("state"), _json({"online": False}), True)
        self._connection: Connection = settings.connect(name, lambda: will)
        self._sent: tuple[str, MQTTMessageInfo, int] | None = None
        self._shown: MQTTMessageInfo | None = None
        self._state: bytes | None = None

    def start(self, commands: Commands) -> None:
        """Begin; a broker that is away is tried again and again."""
        self._commands = commands
        handlers: dict[str, Callable[[str, bytes], None]] = {}
        if self._settings.commands:
            for command in ("trigger", "lot", "recipe", "acknowledge"):
                handlers[self._topic(f"command/{command}")] = self._obey
        self._connection.begin(self._greet, handlers)

    def send(self, report: Report) -> None:
        """Publish a report; return once the broker has confirmed it.

        Raises:
            SignalError: there is no broker, or it did not confirm in time.
        """
        number, info, tries = self._sent or ("", None, 0)
        if info is None or number != report.id or tries >= _TRIES:
            info, tries = self._connection.publish(self._topic("report"), _json(report.to_json())), 0
        # What is not confirmed the connection sends again by itself: a new message would double it.
        self._sent = report.id, info, tries
        try:
            self._connection.confirm(info)
        except SignalError:
            if self._connection.trouble is None:
                self._sent = report.id, info, tries + 1
            raise
        self._sent = None

    def show(self, state: LineState) -> None:
        """Publish the state, retained.

        Raises:
            SignalError: there is no broker.
        """
        self._state = _json({"online": True, **state.to_json()})
        self._publish_state()

    def close(self) -> None:
        """Say that the station is gone, and disconnect."""

        def last() -> None:
            info = self._connection.publish(self._topic("state"), _json({"online": False}), retain=True)
            self._connection.confirm(info)

        self._connection.close(last)

    def _publish_state(self) -> None:
        if self._shown is not None and not self._shown.is_published() and self._connection.trouble is None:
            return  # a broker that does not keep up gets no longer queue
        if self._state is not None:
            self._shown = self._connection.publish(self._topic("state"), self._state, retain=True)

    def _greet(self) -> None:
        self._shown = None
        self._publish_state()

    def _topic(self, name: str) -> str:
        return f"{self._settings.topic}/{name}"

    def _obey(self, topic: str, payload: bytes) -> None:
        command = topic.rpartition("/")[2]
        content: Mapping[str, Any] = {}
        answer: dict[str, Any] = {"command": command, "request": None}
        try:
            content = _read(payload)
            answer["request"] = content.get("request")
            answer |= self._do(command, content)
        except SignalError as error:
            answer["error"] = str(error)
        self._connection.publish(self._topic("answer"), _json(answer))

    def _do(self, command: str, content: Mapping[str, Any]) -> dict[str, Any]:
        assert self._commands is not None
        if command == "trigger":
            _check_keys(content, _TRIGGER_KEYS)
            return {"trigger": self._commands.trigger(self.name, **content)}
        if command == "acknowledge":
            self._commands.acknowledge()
            return {}
        _check_keys(content, (command, "request"))
        if command not in content:
            raise SignalError(f'{command} is missing: send {{"{command}": "..."}}')
        if command == "lot":
            self._commands.set_lot(content["lot"])
        elif content["recipe"] is None:
            raise SignalError("recipe must be the name of a model")
        else:
            self._commands.set_recipe(content["recipe"])
        return {}


def _read(payload: bytes) -> Mapping[str, Any]:
    """Read the JSON object of a command; nothing is an empty one.

    Raises:
        SignalError: it is none, or a value in it is no text.
    """
    if len(payload) > _MOST:
        raise SignalError(f"a command has {_MOST} bytes at most")
    try:
        content = json.loads(payload) if payload.strip() else {}
    except (ValueError, RecursionError) as error:
        raise SignalError("a command must be a JSON object, or nothing") from error
    if not isinstance(content, dict):
        raise SignalError("a command must be a JSON object, or nothing")
    for name, value in content.items():
        if value is not None and not isinstance(value, str):
            raise SignalError(f"{name[:40]} must be text in quotes")
    return content


def _check_keys(content: Mapping[str, Any], known: tuple[str, ...]) -> None:
    for name in content:
        if name not in known:
            raise SignalError(f"{name[:40]!r} is unknown: known are {', '.join(known)}")


def _json(content: Any) -> bytes:
    return json.dumps(content, allow_nan=False).encode("ascii")

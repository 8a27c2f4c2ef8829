"""A station as an edge node of Sparkplug B: its certificates, reports, state and commands."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

from excision.signals.mqtt.connection import Will
from excision.signals.signal import Commands, LineState, Report, SignalError
from excision.signals.sparkplug import metrics
from excision.signals.sparkplug.payload import DataType, Metric, Value, decode, encode

if TYPE_CHECKING:
    from excision.signals.sparkplug.settings import SparkplugSettings

_NUMBERS = 256  # of seq and bdSeq


class SparkplugSignal:
    """An edge node without devices.

    QoS, retain flags and numbers are those of "Sparkplug Specification 3.0.0", Eclipse Foundation, 2022:
    NBIRTH and NDATA go out with QoS 0, NDEATH with QoS 1, and none is retained.

    Args:
        name: of the table.
        settings: of the table.
    """

    durable = True

    def __init__(self, name: str, settings: SparkplugSettings) -> None:
        self.name, self._settings = name, settings
        self._commands: Commands | None = None
        # Numbers must go out in their order, and both the station's thread and the connection's send.
        self._lock = threading.RLock()
        self._bd_seq, self._seq = -1, 0
        self._born, self._born_at = -1, 0.0
        self._values = {name: (value, time.time()) for name, value in metrics.first_values().items()}
        self._connection = settings.connect(name, self._will)

    def start(self, commands: Commands) -> None:
        """Begin; a broker that is away is tried again and again."""
        self._commands = commands
        self._connection.begin(self._birth, {self._settings.topic("NCMD"): self._hear})

    def send(self, report: Report) -> None:
        """Publish a report; return once the broker has answered something that followed it.

        Raises:
            SignalError: there is no broker, or it did not answer in time.
        """
        with self._lock:
            session = self._connection.session
            # What was reported before this session the hosts must not take for live.
            self._publish(metrics.of_report(report), report.time, historical=report.time < self._born_at)
        self._connection.flush(session)

    def show(self, state: LineState) -> None:
        """Publish what has changed of the state.

        Raises:
            SignalError: there is no broker.
        """
        with self._lock:
            values = metrics.of_state(state)
            changed = {name: value for name, value in values.items() if self._values[name][0] != value}
            if changed or self._connection.trouble is not None:
                self._publish(changed, state.time or time.time())

    def close(self) -> None:
        """Say that the edge node is gone, and disconnect."""

        def last() -> None:
            topic, payload, retain = self._death()
            self._connection.confirm(self._connection.publish(topic, payload, retain=retain))

        self._connection.close(last)

    def _will(self) -> Will:
        self._bd_seq = (self._bd_seq + 1) % _NUMBERS
        return self._death()

    def _death(self) -> Will:
        now = time.time()
        return Will(self._settings.topic("NDEATH"), encode([self._bd_metric(now)], now, typed=True), False)

    def _bd_metric(self, now: float) -> Metric:
        return Metric(metrics.BD_SEQ, DataType.INT64, self._bd_seq, now)

    def _birth(self) -> None:
        """Publish the certificate of birth: at each connection, and where a host asks for it."""
        with self._lock:
            now = time.time()
            if self._born != self._connection.session:
                self._born, self._born_at = self._connection.session, now
            known = [Metric(name, metrics.KINDS[name], *pair) for name, pair in self._values.items()]
            payload = encode([self._bd_metric(now), *known], now, 0, typed=True)
            self._seq = 1
            self._connection.publish(self._settings.topic("NBIRTH"), payload, qos=0)

    def _publish(self, values: Mapping[str, Value], when: float, historical: bool = False) -> None:
        # Also where it cannot be sent: the next certificate of birth then says it.
        self._values |= {name: (value, when) for name, value in values.items()}
        if self._connection.trouble is None and self._born != self._connection.session:
            raise SignalError("the certificate of birth is not yet sent")
        said = [Metric(name, metrics.KINDS[name], value, when) for name, value in values.items()]
        payload = encode(said, time.time(), self._seq, historical=historical)
        self._connection.publish(self._settings.topic("NDATA"), payload, qos=0)
        self._seq = (self._seq + 1) % _NUMBERS

    def _hear(self, _topic: str, payload: bytes) -> None:
        answer: dict[str, Value] = {"Answer/request": None, "Answer/trigger": None, "Answer/error": None}
        try:
            asked = dict(decode(payload))
            if asked.pop(metrics.REBIRTH, False) is True:
                self._birth()
            if not asked:
                return
            request = asked.get(f"{metrics.COMMAND}request")
            answer["Answer/request"] = request if isinstance(request, str) else None
            answer["Answer/trigger"] = self._obey(asked)
        except (SignalError, ValueError) as error:
            answer["Answer/error"] = str(error)
        with self._lock:
            self._publish(answer, time.time())

    def _obey(self, asked: Mapping[str, Value]) -> int | None:
        """Do what a command says; give the number of its trigger.

        Raises:
            SignalError: it cannot be done, or says something else than a command may.
        """
        assert self._commands is not None
        if not self._settings.commands:
            raise SignalError("this station takes no commands: its file says commands = false")
        flags, texts = _sort(asked)
        if flags.get("acknowledge"):
            self._commands.acknowledge()
        if flags.get("trigger"):
            return self._commands.trigger(self.name, **texts)
        for name, value in texts.items():
            if name == "lot":
                self._commands.set_lot(value)
            elif name == "recipe" and value is not None:
                self._commands.set_recipe(value)
            elif name == "recipe":
                raise SignalError("Command/recipe must be the name of a model")
            elif name != "request":
                raise SignalError(f"Command/{name} needs Command/trigger in the same payload")
        return None


def _sort(asked: Mapping[str, Value]) -> tuple[dict[str, bool], dict[str, str | None]]:
    """Give the flags and the texts of a command, without the beginning of their names."""
    flags: dict[str, bool] = {}
    texts: dict[str, str | None] = {}
    for name, value in asked.items():
        short = name.removeprefix(metrics.COMMAND)
        if name not in metrics.KINDS or not name.startswith(metrics.COMMAND):
            raise SignalError(f"{name[:60]!r} is not a metric that can be written")
        if short in metrics.TRIGGER_DETAILS:
            if value is not None and not isinstance(value, str):
                raise SignalError(f"{name} must be a text")
            texts[short] = value
        elif not isinstance(value, bool):
            raise SignalError(f"{name} must be a boolean")
        else:
            flags[short] = value
    return flags, texts

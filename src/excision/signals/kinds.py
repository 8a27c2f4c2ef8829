"""The kinds of signals: where the settings of each are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from excision.signals.signal import Signal

KINDS: Mapping[str, str] = {
    "mqtt": "excision.signals.mqtt.settings:MqttSettings",
    "sparkplug": "excision.signals.sparkplug.settings:SparkplugSettings",
    "webhook": "excision.signals.webhook.settings:WebhookSettings",
    "modbus": "excision.signals.modbus.settings:ModbusSettings",
    "opcua": "excision.signals.opcua.settings:OpcUaSettings",
}
"""Class of the settings of each kind, as "module:name"; a table `[signals.KIND]` is read into it."""


class SignalSettings(Protocol):
    """What a table of a signal says."""

    def open(self, name: str) -> Signal:
        """Give the signal, not started, under the name of its table.

        Raises:
            SettingsError: a file or variable that the table names cannot be read.
            ModuleNotFoundError: the extra that it needs is not installed.
        """

    def check(self) -> str:
        """Ask the other side, and say in one sentence what was found.

        Raises:
            ExcisionError: what is wrong, and what to do about it.
        """

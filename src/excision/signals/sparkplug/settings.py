"""What `[signals.sparkplug]` says."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from excision.errors import SettingsError
from excision.signals.mqtt.settings import BrokerSettings

if TYPE_CHECKING:
    from excision.signals.sparkplug.signal import SparkplugSignal

_LONGEST = 100  # bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class SparkplugSettings(BrokerSettings):
    """`[signals.sparkplug]`: this station as an edge node.

    Attributes:
        group_id: of the edge node.
        edge_node_id: of this station; no other may have it in the group.
        commands: whether the station obeys commands of the line. A rebirth is always obeyed.
    """

    group_id: str
    edge_node_id: str
    commands: bool = True

    def __post_init__(self) -> None:
        # A class with slots is made anew, so `super` without arguments would not find it.
        BrokerSettings.__post_init__(self)
        for key, value in (("group_id", self.group_id), ("edge_node_id", self.edge_node_id)):
            if (
                not value.strip()
                or len(value.encode()) > _LONGEST
                or any(sign in value for sign in "+#/")
                or not value.isprintable()
            ):
                raise SettingsError(
                    f"{key} is {value[:60]!r}: give a name of up to {_LONGEST} bytes without +, # and /"
                )

    def topic(self, kind: str) -> str:
        """Give the topic of a kind of message, such as "NDATA"."""
        return f"spBv1.0/{self.group_id}/{kind}/{self.edge_node_id}"

    def open(self, name: str) -> SparkplugSignal:
        """Give the signal, not started; raises as `connect`."""
        from excision.signals.sparkplug.signal import SparkplugSignal

        # With one id for good, a broker ends what is left of the last connection before it takes the next:
        # a late death certificate cannot follow the new birth certificate.
        client_id = self.client_id or f"{self.group_id}/{self.edge_node_id}"
        return SparkplugSignal(name, replace(self, client_id=client_id))

"""What a table `[signals.NAME]` of kind "modbus" says."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from excision.errors import SettingsError
from excision.signals.modbus.addresses import (
    FROM_PLC,
    WIDTHS,
    Address,
    check_map,
    default_map,
    read_address,
)
from excision.signals.modbus.handshake_types import Timing
from excision.system.duration import Duration

if TYPE_CHECKING:
    from excision.signals.signal import Signal

LEFT_OUT = "none"
"""Address of a signal that the map leaves out."""

_MOST_RECIPES = 1000


@dataclass(frozen=True, slots=True)
class ModbusSettings:
    """A PLC that is spoken to by Modbus TCP.

    Attributes:
        mode: "server": the PLC reads and writes the station; "client": the station reads and writes the PLC.
        host: of a server, the address to listen at; of a client, the address of the PLC.
        port: of the server.
        unit: identifier of the PLC, where the station is the client; a server answers to every one.
        clients: addresses that may speak to the server; none: all may.
        poll: between two looks at the PLC, where the station is the client.
        reports: "own": the PLC gets the results of its own triggers; "all": those of every trigger.
        acknowledged_by: "acknowledge": by a signal of its own; "trigger": by lowering the trigger.
        result_timeout: from the trigger until there must be a result; longer than the deadline of [signals].
        acknowledge_timeout: from result_valid until the PLC must have acknowledged.
        release_timeout: from there until the PLC must have lowered trigger and acknowledge.
        hold: that a result stays at least, where lowering the trigger acknowledges it.
        silence: without a word of the PLC until it counts as gone, or "off".
        word_order: of numbers of 32 bits: which register comes first.
        recipes: names of models by the number that the PLC writes, from 1.
        map: addresses that differ from the default map, or "none" for a signal that is not used.
    """

    mode: Literal["server", "client"] = "server"
    host: str = "127.0.0.1"
    port: int = 502
    unit: int = 1
    clients: tuple[str, ...] = ()
    poll: Duration = Duration(0.01)
    reports: Literal["own", "all"] = "own"
    acknowledged_by: Literal["acknowledge", "trigger"] = "acknowledge"
    result_timeout: Duration = Duration(2.0)
    acknowledge_timeout: Duration = Duration(1.0)
    release_timeout: Duration = Duration(1.0)
    hold: Duration = Duration(0.1)
    silence: Duration | Literal["off"] = Duration(5.0)
    word_order: Literal["high_first", "low_first"] = "high_first"
    recipes: tuple[str, ...] = ()
    map: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.host.strip() or len(self.host) > 255:
            raise SettingsError(f"host is {self.host[:40]!r}: it must be a name or an address")
        if not 0 <= self.port <= 65535 or (self.port == 0 and self.mode == "client"):
            raise SettingsError(f"port is {self.port}: it must be from 1 to 65535; 502 is the usual one")
        if not 0 <= self.unit <= 255:
            raise SettingsError(f"unit is {self.unit}: it must be from 0 to 255")
        if self.clients and self.mode == "client":
            raise SettingsError("clients is for a server: leave it out where mode is client")
        for address in self.clients:
            try:
                ipaddress.ip_address(address)
            except ValueError as error:
                raise SettingsError(f"clients has {address[:40]!r}: it must be an IP address") from error
        if len(self.recipes) > _MOST_RECIPES or not all(self.recipes):
            raise SettingsError(f"recipes must be at most {_MOST_RECIPES} names of models, none empty")
        if len(set(self.recipes)) < len(self.recipes):
            raise SettingsError("recipes names a model twice")
        self._check_map()

    def _check_map(self) -> None:
        unknown = sorted(set(self.map) - set(WIDTHS))
        if unknown:
            raise SettingsError(f"map.{unknown[0]} is unknown: known are {', '.join(WIDTHS)}")
        places = self.places
        check_map(places, self.mode)
        if "acknowledge" not in places and self.acknowledged_by == "acknowledge":
            raise SettingsError(
                'map.acknowledge is none: set acknowledged_by = "trigger", or give the signal an address'
            )
        if not any(name in places for name in WIDTHS if name not in FROM_PLC):
            raise SettingsError("map has no signal to the PLC")
        if "trigger" not in places and self.reports == "own":
            raise SettingsError('map.trigger is none: set reports = "all", or no report ever goes to the PLC')

    @property
    def places(self) -> dict[str, Address]:
        """Where each signal lies; those that are not used are left out."""
        written = {**default_map(self.mode), **self.map}
        return {name: read_address(name, text) for name, text in written.items() if text != LEFT_OUT}

    @property
    def timing(self) -> Timing:
        """The time-outs of the handshake."""
        return Timing(
            result=self.result_timeout,
            acknowledge=self.acknowledge_timeout,
            release=self.release_timeout,
            hold=self.hold,
            by_trigger=self.acknowledged_by == "trigger",
        )

    def open(self, name: str) -> Signal:
        """Give the signal, not started.

        Raises:
            ModuleNotFoundError: the extra "modbus" is not installed.
        """
        from excision.signals.modbus.adapter import ModbusSignal

        return ModbusSignal(name, self)

    def check(self) -> str:
        """Say whether the port is free, or whether the PLC answers at every address.

        Raises:
            SignalError: it is not, or does not.
        """
        from excision.signals.modbus.checking import check_modbus

        return check_modbus(self)

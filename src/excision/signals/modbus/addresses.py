"""Where each signal of the handshake lies in the tables of Modbus."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from excision.errors import SettingsError

Table = Literal["coil", "discrete", "holding", "input"]
TABLES: tuple[Table, ...] = get_args(Table)
"""Coils and holding registers may be written over the wire, discrete inputs and input registers only read."""

TEXT = 16
"""Registers of a text: 32 characters of ASCII."""

FROM_PLC = ("trigger", "acknowledge", "reset", "recipe", "serial", "lot")
"""Signals that the PLC gives."""

WIDTHS: Mapping[str, int] = {
    "trigger": 0,
    "acknowledge": 0,
    "reset": 0,
    "recipe": 1,
    "serial": TEXT,
    "lot": TEXT,
    "ready": 0,
    "busy": 0,
    "result_valid": 0,
    "good": 0,
    "defect": 0,
    "review": 0,
    "no_verdict": 0,
    "fault": 0,
    "status": 1,
    "verdict": 1,
    "result_number": 2,
    "trigger_number": 2,
    "score": 2,
    "threshold": 2,
    "fault_code": 1,
    "heartbeat": 1,
    "missed_triggers": 1,
}
"""Every signal and its number of registers; 0 is a bit."""

MEANINGS: Mapping[str, str] = {
    "trigger": "inspect now; keep it on until result_valid",
    "acknowledge": "the result has been read",
    "reset": "rising: clear the fault, give up the part in progress",
    "recipe": "number of the model in `recipes`, from 1; 0 keeps the one that is set",
    "serial": "of the part, ASCII, two characters a register; zeros: none",
    "lot": "of the part, as serial",
    "ready": "a trigger will be accepted",
    "busy": "an inspection is in progress",
    "result_valid": "verdict and numbers may be read",
    "good": "verdict, while result_valid",
    "defect": "verdict, while result_valid",
    "review": "verdict, while result_valid",
    "no_verdict": "unfit image, or no result, while result_valid",
    "fault": "see fault_code",
    "status": "the eight bits above in this order, ready is bit 0",
    "verdict": "1 good, 2 review, 3 defect, 4 unfit, 5 none; 0 without result_valid",
    "result_number": "of the stored result, 32 bits; the same number again is the same result",
    "trigger_number": "of the trigger, 32 bits",
    "score": "anomaly score, 32-bit IEEE 754",
    "threshold": "decision threshold, 32-bit IEEE 754",
    "fault_code": "0 none, 1 to 8: see the table of faults",
    "heartbeat": "counts up while the station is alive, wraps at 65535",
    "missed_triggers": "triggers that were not accepted, wraps at 65535",
}
"""Every signal in words."""

STATUS = ("ready", "busy", "result_valid", "good", "defect", "review", "no_verdict", "fault")
"""Bits of the status word, from bit 0."""

_WRITTEN = re.compile(r"(coil|discrete|holding|input):(\d{1,5})(?:\.(\d{1,2}))?")
_LAST = 65535


@dataclass(frozen=True, slots=True, order=True)
class Address:
    """A place in a table.

    Attributes:
        table: its name.
        number: address on the wire, from 0.
        bit: of the register, 0 to 15, where a bit lies in one; None otherwise.
    """

    table: Table
    number: int
    bit: int | None = None

    def __str__(self) -> str:
        return f"{self.table}:{self.number}" + ("" if self.bit is None else f".{self.bit}")


def read_address(name: str, text: str) -> Address:
    """Read where a signal lies: "coil:0", "holding:12", or "holding:5.3" for bit 3 of a register.

    Raises:
        SettingsError: it is no address, or not one for this signal.
    """
    found = _WRITTEN.fullmatch(text.strip())
    if found is None:
        raise SettingsError(
            f'map.{name} is {text[:40]!r}: write TABLE:NUMBER, such as "coil:0" or "holding:12", or '
            '"holding:5.3" for bit 3 of a register; the tables are coil, discrete, holding and input'
        )
    table: Table = found[1]  # type: ignore[assignment]  # the pattern knows the tables only
    number, bit = int(found[2]), None if found[3] is None else int(found[3])
    width = WIDTHS[name]
    if table in {"coil", "discrete"} and (bit is not None or width):
        raise SettingsError(f"map.{name} is {text}: it needs a register: holding or input")
    if table in {"holding", "input"} and (bit is None) != (width > 0):
        said = "it is a bit: write holding:5.3" if width == 0 else "it needs whole registers"
        raise SettingsError(f"map.{name} is {text}: {said}")
    if number + max(width, 1) - 1 > _LAST or (bit or 0) > 15:
        raise SettingsError(f"map.{name} is {text}: addresses end at {_LAST}, bits at 15")
    return Address(table, number, bit)


def default_map(mode: Literal["server", "client"]) -> dict[str, str]:
    """Give the map of a station that is a server, or of one that writes into a PLC."""
    bits, words = ("discrete", "input") if mode == "server" else ("coil", "holding")
    first_bit, first_word = (0, 0) if mode == "server" else (16, 100)
    made = {"trigger": "coil:0", "acknowledge": "coil:1", "reset": "coil:2"}
    made |= {"recipe": "holding:0", "serial": "holding:1", "lot": f"holding:{1 + TEXT}"}
    for name, width in WIDTHS.items():
        if name in FROM_PLC:
            continue
        made[name] = f"{words}:{first_word}" if width else f"{bits}:{first_bit}"
        first_word, first_bit = first_word + width, first_bit + (width == 0)
    return made


def check_map(places: Mapping[str, Address], mode: Literal["server", "client"]) -> None:
    """Refuse a map in which two signals share a place, or one that cannot be written.

    Raises:
        SettingsError: it names both signals, or the one.
    """
    taken: dict[tuple[str, int, int | None], str] = {}
    for name, place in places.items():
        bits: list[int | None] = [place.bit] if place.bit is not None else [None]
        for number in range(place.number, place.number + max(1, WIDTHS[name])):
            if place.table in {"holding", "input"} and place.bit is None:
                bits = list(range(16))
            for bit in bits:
                other = taken.setdefault((place.table, number, bit), name)
                if other != name:
                    raise SettingsError(f"map.{name} is {place}: {other} lies there already")
    words = {name: {(one.table, n) for n in _numbers(name, one)} for name, one in places.items()}
    asked = {word: name for name in places if name in FROM_PLC for word in words[name]}
    for name, place in places.items():
        if name not in FROM_PLC and place.bit is not None and not words[name].isdisjoint(asked):
            other = next(asked[word] for word in words[name] if word in asked)
            raise SettingsError(
                f"map.{name} is {place}: {other} lies in the same register, which both sides would write"
            )
        if name in FROM_PLC and mode == "server" and place.table in {"discrete", "input"}:
            raise SettingsError(f"map.{name} is {place}: a PLC can write coils and holding registers only")
        if name not in FROM_PLC and mode == "client" and place.table in {"discrete", "input"}:
            raise SettingsError(f"map.{name} is {place}: a client can write coils and holding registers only")


def _numbers(name: str, place: Address) -> range:
    return range(place.number, place.number + max(1, WIDTHS[name]))

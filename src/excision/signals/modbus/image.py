"""The values of the handshake as bits and registers, and back."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from excision.signals.modbus.addresses import FROM_PLC, STATUS, TEXT, WIDTHS, Address, Table
from excision.signals.modbus.handshake_types import VERDICTS, Fault, Inputs, Outputs

Image = dict[Table, dict[int, int]]
"""Bits and registers of each table by their addresses."""

_WRAP = 0x10000


@dataclass(frozen=True, slots=True)
class Request:
    """What the PLC says about the part that it triggers.

    Attributes:
        recipe: number of the model; 0 keeps the one that is set.
        serial: of the part.
        lot: of the part.
    """

    recipe: int = 0
    serial: str | None = None
    lot: str | None = None


class Layout:
    """Reads and writes the signals where a map puts them.

    Args:
        places: of the signals; one that it leaves out does not exist.
        low_word_first: True where a number of 32 bits has its low register first.
    """

    def __init__(self, places: Mapping[str, Address], low_word_first: bool = False) -> None:
        self._places = dict(places)
        self._low_first = low_word_first

    def addresses(self, names: Iterable[str]) -> dict[Table, set[int]]:
        """Give the addresses of some signals in each table."""
        found: dict[Table, set[int]] = {}
        for name in names:
            place = self._places.get(name)
            if place is not None:
                width = max(1, WIDTHS[name])
                found.setdefault(place.table, set()).update(range(place.number, place.number + width))
        return found

    def inputs(self, image: Image) -> Inputs:
        """Read what the PLC says."""
        return Inputs(*(self._bit(image, name) for name in ("trigger", "acknowledge", "reset")))

    def request(self, image: Image) -> Request:
        """Read what the PLC says about the part."""
        recipe = self._words(image, "recipe")
        return Request(recipe[0] if recipe else 0, self._text(image, "serial"), self._text(image, "lot"))

    def outputs(self, outputs: Outputs, heartbeat: int, station_fault: bool) -> Image:
        """Write what the station says."""
        bits = _bits(outputs, station_fault)
        values = _registers(outputs, heartbeat, station_fault)
        values["status"] = (sum(bits[name] << at for at, name in enumerate(STATUS)),)
        made: Image = {}
        for name, place in self._places.items():
            table = made.setdefault(place.table, {}) if name not in FROM_PLC else {}
            if name in bits and place.bit is None:
                table[place.number] = bits[name]
            elif name in bits:
                table[place.number] = table.get(place.number, 0) | bits[name] << (place.bit or 0)
            elif name in values:
                words = values[name][::-1] if self._low_first else values[name]
                table.update({place.number + at: word for at, word in enumerate(words)})
        return {table: words for table, words in made.items() if words}

    def _bit(self, image: Image, name: str) -> bool:
        place = self._places.get(name)
        if place is None:
            return False
        return bool(image.get(place.table, {}).get(place.number, 0) >> (place.bit or 0) & 1)

    def _words(self, image: Image, name: str) -> list[int]:
        place = self._places.get(name)
        if place is None:
            return []
        table = image.get(place.table, {})
        return [table.get(place.number + at, 0) for at in range(WIDTHS[name])]

    def _text(self, image: Image, name: str) -> str | None:
        words = self._words(image, name)
        raw = struct.pack(f">{TEXT}H", *words) if words else b""
        text = raw.split(b"\0", 1)[0].decode("ascii", "replace").strip()
        return text or None


def runs(numbers: Mapping[int, int], longest: int) -> Iterator[tuple[int, list[int]]]:
    """Give the values of neighbouring addresses together, as (first address, values).

    Args:
        numbers: values by address.
        longest: values that one request may hold.
    """
    first, values = 0, list[int]()
    for number in sorted(numbers):
        if values and (number != first + len(values) or len(values) == longest):
            yield first, values
            values = []
        if not values:
            first = number
        values.append(numbers[number])
    if values:
        yield first, values


def _bits(outputs: Outputs, station_fault: bool) -> dict[str, int]:
    verdict = outputs.result.verdict if outputs.result else ""
    return {
        "ready": int(outputs.ready),
        "busy": int(outputs.busy),
        "result_valid": int(outputs.result is not None),
        "good": int(verdict == "good"),
        "defect": int(verdict == "defect"),
        "review": int(verdict == "review"),
        "no_verdict": int(verdict in {"unfit", "fault"}),
        "fault": int(outputs.fault > 0 or station_fault),
    }


def _registers(outputs: Outputs, heartbeat: int, station_fault: bool) -> dict[str, tuple[int, ...]]:
    result = outputs.result
    code = int(outputs.fault or (Fault.STATION if station_fault else Fault.NONE))
    return {
        "verdict": (VERDICTS[result.verdict] if result else 0,),
        "result_number": _long(result.number if result else 0),
        "trigger_number": _long(result.trigger if result else 0),
        "score": _float(result.score if result else 0.0),
        "threshold": _float(result.threshold if result else 0.0),
        "fault_code": (code,),
        "heartbeat": (heartbeat % _WRAP,),
        "missed_triggers": (outputs.missed % _WRAP,),
    }


def _long(value: int) -> tuple[int, int]:
    value %= 2**32
    return value >> 16, value & 0xFFFF


def _float(value: float) -> tuple[int, int]:
    try:
        packed = struct.pack(">f", value)
    except OverflowError:
        packed = struct.pack(">f", float("inf") if value > 0 else float("-inf"))
    high, low = struct.unpack(">HH", packed)
    return high, low

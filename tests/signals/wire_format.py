"""A reader and writer of Sparkplug payloads by hand.

The format is that of "Encoding" in the documentation of Protocol Buffers, Google, 2024. It shares
nothing with the code under test: no library, and the numbers of the fields written anew.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any

_METRIC = {1: "name", 3: "timestamp", 4: "datatype", 5: "is_historical", 7: "is_null"}
_METRIC |= {10: "value", 11: "value", 13: "value", 14: "value", 15: "value"}
_PAYLOAD = {1: "timestamp", 2: "metrics", 3: "seq"}


def _varint(content: bytes, place: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = content[place]
        value |= (byte & 0x7F) << shift
        place, shift = place + 1, shift + 7
        if byte < 0x80:
            return value, place


def _fields(content: bytes) -> Iterator[tuple[int, Any]]:
    place = 0
    while place < len(content):
        key, place = _varint(content, place)
        number, wire = key >> 3, key & 7
        if wire == 0:
            value, place = _varint(content, place)
            yield number, bool(value) if number in (5, 7, 14) else value
        elif wire == 1:
            yield number, struct.unpack("<d", content[place : place + 8])[0]
            place += 8
        else:
            assert wire == 2, wire
            length, place = _varint(content, place)
            assert place + length <= len(content)
            yield number, content[place : place + length]
            place += length


def read(content: bytes) -> dict[str, Any]:
    """Give "timestamp", "seq" where there is one, and "metrics" by their names."""
    payload: dict[str, Any] = {"metrics": {}}
    for number, value in _fields(content):
        if number != 2:
            payload[_PAYLOAD[number]] = value
            continue
        metric = {
            _METRIC[each]: bytes(what).decode("utf-8") if isinstance(what, bytes) else what
            for each, what in _fields(value)
        }
        assert ("value" in metric) != metric.get("is_null", False), metric
        assert metric["name"] not in payload["metrics"]
        payload["metrics"][metric["name"]] = metric
    return payload


def _block(number: int, content: bytes) -> bytes:
    size, length = len(content), b""
    while size >= 0x80:
        length, size = length + bytes([size & 0x7F | 0x80]), size >> 7
    return bytes([number << 3 | 2]) + length + bytes([size]) + content


def write(metrics: dict[str, bool | str | int | None]) -> bytes:
    """Give the bytes of a command."""
    content = b""
    for name, value in metrics.items():
        metric = _block(1, name.encode())
        if value is None:
            metric += bytes([7 << 3, 1])
        elif isinstance(value, bool):
            metric += bytes([14 << 3, value])
        elif isinstance(value, int):
            metric += bytes([10 << 3, value])
        else:
            metric += _block(15, value.encode())
        content += _block(2, metric)
    return content

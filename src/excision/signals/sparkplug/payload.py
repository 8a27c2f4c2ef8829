"""Payloads of Sparkplug B in the wire format of Protocol Buffers.

The numbers are those of `sparkplug_b.proto` in "Sparkplug Specification 3.0.0", Eclipse Foundation, 2022,
chapter 6. Only the fields in use are defined; others are skipped when a payload is read.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from enum import IntEnum
from typing import Any, NamedTuple

Value = bool | int | float | str | None
"""Of a metric; None is null."""

_MOST = 2**16  # bytes of a command
_OPTIONAL, _REPEATED = 1, 3
_DOUBLE, _UINT64, _BOOL, _STRING, _MESSAGE, _UINT32 = 1, 4, 8, 9, 11, 13

_MESSAGES: dict[str, tuple[tuple[str, int, int], ...]] = {
    "Metric": (
        ("name", 1, _STRING),
        ("timestamp", 3, _UINT64),
        ("datatype", 4, _UINT32),
        ("is_historical", 5, _BOOL),
        ("is_null", 7, _BOOL),
        ("int_value", 10, _UINT32),
        ("long_value", 11, _UINT64),
        ("double_value", 13, _DOUBLE),
        ("boolean_value", 14, _BOOL),
        ("string_value", 15, _STRING),
    ),
    "Payload": (("timestamp", 1, _UINT64), ("metrics", 2, _MESSAGE), ("seq", 3, _UINT64)),
}


class DataType(IntEnum):
    """Types of metrics, with the numbers of the specification."""

    INT64 = 4
    DOUBLE = 10
    BOOLEAN = 11
    STRING = 12
    DATE_TIME = 13


_FIELDS = {
    DataType.INT64: "long_value",
    DataType.DOUBLE: "double_value",
    DataType.BOOLEAN: "boolean_value",
    DataType.STRING: "string_value",
    DataType.DATE_TIME: "long_value",
}
_READ = ("boolean_value", "string_value", "int_value", "long_value", "double_value")


class Metric(NamedTuple):
    """One metric.

    Attributes:
        name: of it.
        kind: of its value.
        value: of it; a DATE_TIME is in seconds since 1970 in UTC.
        time: of its value, seconds since 1970 in UTC.
    """

    name: str
    kind: DataType
    value: Value
    time: float


def encode(
    metrics: Iterable[Metric],
    time: float,
    seq: int | None = None,
    *,
    typed: bool = False,
    historical: bool = False,
) -> bytes:
    """Give the bytes of a payload.

    Args:
        metrics: in it.
        time: at which it is sent, seconds since 1970 in UTC.
        seq: number in the sequence of messages, 0 to 255; a death certificate has none.
        typed: whether each metric says its type, as in certificates of birth.
        historical: whether the metrics are sent late.
    """
    payload = _classes()["Payload"](timestamp=_milliseconds(time))
    if seq is not None:
        payload.seq = seq
    for metric in metrics:
        entry = payload.metrics.add(name=metric.name, timestamp=_milliseconds(metric.time))
        if typed:
            entry.datatype = int(metric.kind)
        if historical:
            entry.is_historical = True
        if metric.value is None:
            entry.is_null = True
        elif metric.kind is DataType.DATE_TIME:
            entry.long_value = _milliseconds(float(metric.value))
        else:
            setattr(entry, _FIELDS[metric.kind], metric.value)
    content: bytes = payload.SerializeToString(deterministic=True)
    return content


def decode(content: bytes) -> Mapping[str, Value]:
    """Read the metrics of a command by their names.

    Raises:
        ValueError: this is no payload, or a metric in it has no name or no value that a command may have.
    """
    from google.protobuf.message import DecodeError

    if len(content) > _MOST:
        raise ValueError(f"a command has {_MOST} bytes at most")
    try:
        payload = _classes()["Payload"].FromString(content)
        return {str(entry.name): _value(entry) for entry in payload.metrics}
    except (DecodeError, UnicodeDecodeError) as error:
        raise ValueError("this is not a payload of Sparkplug B") from error


def _value(entry: Any) -> Value:
    if not entry.name:
        raise ValueError("each metric of a command must have its name")
    if entry.is_null:
        return None
    for field in _READ:
        if entry.HasField(field):
            value: Value = getattr(entry, field)
            return value
    raise ValueError(f"{entry.name[:40]}: a command must be a boolean or a text")


def _milliseconds(seconds: float) -> int:
    return max(0, round(seconds * 1000))


@functools.cache
def _classes() -> Mapping[str, Any]:
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

    file = descriptor_pb2.FileDescriptorProto(name="sparkplug_b.proto", package="sparkplug", syntax="proto2")
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for field, number, kind in fields:
            nested = kind == _MESSAGE
            message.field.add(
                name=field,
                number=number,
                label=_REPEATED if nested else _OPTIONAL,
                type=kind,
                type_name=".sparkplug.Metric" if nested else None,
            )
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"sparkplug.{name}"))
        for name in _MESSAGES
    }

"""Reads a graph in ONNX format, and refuses what could read other files or never end.

A graph must hold all of its weights: otherwise ONNX Runtime would read them from the files that it names. It
must not contain loops or functions, so that the work for an image has a bound. A branch may hold no other.

The file is walked through here, in a few milliseconds: a library that decodes the format takes longer to load
than that, and copies all weights.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

from excision.system.strict_json import read_bounded

MOST_BYTES = 2**31 - 1
"""Largest file of this format."""

_NUMBER, _EIGHT_BYTES, _CONTENT, _FOUR_BYTES = 0, 1, 2, 5
"""How a field is stored: the wire types of "Encoding", Protocol Buffers Documentation, Google, 2024."""

_LONGEST_NUMBER = 10  # bytes
_MOST_KEY = 2**32

_Fields: TypeAlias = "Mapping[int, _Fields | str]"
_Field: TypeAlias = tuple[int, int, int, int]

_FUNCTION = "the graph contains functions: only graphs that `excision export` wrote are run"
_LOOP = "the graph contains a loop: only graphs that `excision export` wrote are run"
_OUTSIDE = "the graph keeps weights in another file: they must be in the graph itself"

_PLACE_OF_WEIGHTS = 14
_KIND_OF_NODE, _BRANCHING = 4, b"If"
# By the numbers of https://github.com/onnx/onnx/blob/main/onnx/onnx.proto, the fields that are looked into,
# and what is said of those that are refused. All others are passed over.
_TENSOR: _Fields = {13: _OUTSIDE, _PLACE_OF_WEIGHTS: _OUTSIDE}
_SPARSE: _Fields = {1: _TENSOR, 2: _TENSOR}
_ATTRIBUTE: _Fields = {5: _TENSOR, 6: _LOOP, 10: _TENSOR, 11: _LOOP, 22: _SPARSE, 23: _SPARSE}
_BRANCH: _Fields = {1: {5: _ATTRIBUTE}, 5: _TENSOR, 15: _SPARSE}
_NODE: _Fields = {5: _ATTRIBUTE}
_BRANCHING_NODE: _Fields = {5: {**_ATTRIBUTE, 6: _BRANCH}}
_GRAPH: _Fields = {1: _NODE, 5: _TENSOR, 15: _SPARSE}
_MODEL: _Fields = {7: _GRAPH, 20: _FUNCTION, 25: _FUNCTION}


def read_onnx(path: Path) -> bytes:
    """Read a graph that needs no other file and has no loop.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is too large or no graph, needs another file, or contains loops or functions, or
            branches within a branch.
    """
    content = read_bounded(path, MOST_BYTES)
    _check(content, 0, len(content), _MODEL)
    return content


def _check(content: bytes, start: int, end: int, known: _Fields) -> None:
    """Check the fields of a message, and those of the messages in it."""
    fields = _fields(content, start, end)
    if known is _NODE:
        fields = iter(whole := list(fields))
        if _branches(content, whole):
            known = _BRANCHING_NODE
    for field, stored, place, after in fields:
        inside = known.get(field)
        if inside is None:
            continue
        if isinstance(inside, str):
            # That weights lie in the graph itself may be stated, by 0.
            if field == _PLACE_OF_WEIGHTS and stored == _NUMBER and _number(content, place, after)[0] == 0:
                continue
            raise ValueError(inside)
        if stored != _CONTENT:
            raise _no_file()
        _check(content, place, after, inside)


def _branches(content: bytes, node: Sequence[_Field]) -> bool:
    """Tell whether a node is a branch; each statement of its kind must say so."""
    kinds = [content[place:after] for field, _, place, after in node if field == _KIND_OF_NODE]
    return bool(kinds) and all(kind == _BRANCHING for kind in kinds)


def _fields(content: bytes, place: int, end: int) -> Iterator[_Field]:
    """Give of each field its number, how it is stored, and where its value begins and ends.

    A field may occur any number of times; whichever of them counts for a reader, it is among these.
    """
    while place < end:
        # Nearly all of tens of thousands of numbers are of one byte: calls for them would take most time.
        key = content[place]
        if key < 128:
            place += 1
        else:
            key, place = _number(content, place, end)
        field, stored, after = key >> 3, key & 7, place
        if stored == _CONTENT:
            if place < end and (length := content[place]) < 128:
                place += 1
            else:
                length, place = _number(content, place, end)
            after = place + length
        elif stored == _NUMBER:
            after = _number(content, place, end)[1]
        elif stored in (_EIGHT_BYTES, _FOUR_BYTES):
            after = place + (8 if stored == _EIGHT_BYTES else 4)
        else:
            raise _no_file()
        if not (field and key < _MOST_KEY and after <= end):
            raise _no_file()
        yield field, stored, place, after
        place = after


def _number(content: bytes, place: int, end: int) -> tuple[int, int]:
    """Give a number of variable length, seven bits a byte with the lowest first, and the place after it."""
    if place < end and content[place] < 128:
        return content[place], place + 1
    number = 0
    for shift, byte in enumerate(content[place : min(end, place + _LONGEST_NUMBER)]):
        number |= (byte & 127) << 7 * shift
        if byte < 128:
            return number, place + shift + 1
    raise _no_file()


def _no_file() -> ValueError:
    return ValueError("this is not an ONNX file")

"""One recording for batches of any size, from two recordings of batches of different sizes."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from excision.export.recording.recorder import Node, Recorder, UnrecordableError

_BY_ELEMENT = {
    *("Add", "Sub", "Mul", "Div", "Pow", "Max", "Min", "Where", "And", "Or"),
    *("Equal", "Greater", "Less", "GreaterOrEqual", "LessOrEqual"),
}
"""Operators whose operands may have one row for all images of a batch."""

Array = NDArray[Any]
Constants = dict[str, Array]


def for_any_batch(
    first: Recorder, second: Recorder, sizes: tuple[int, int], given: str
) -> tuple[list[Node], Constants]:
    """Compare the recordings of two batches: where they differ, the size of the batch decides.

    Args:
        first: recording of a batch.
        second: of a batch of another size.
        sizes: of the two batches.
        given: name of the input, whose first axis is the batch.

    Raises:
        UnrecordableError: they differ in more than the size of the batch explains.
    """
    if first.nodes != second.nodes or first.constants.keys() != second.constants.keys():
        raise UnrecordableError("another computation for another size of the batch")
    users: dict[str, set[tuple[str, int]]] = {}
    for node in first.nodes:
        for place, name in enumerate(node.inputs):
            users.setdefault(name, set()).add((node.operator, place))
    nodes, constants = [], {}
    for name, values in first.constants.items():
        other, using = second.constants[name], users.get(name, set())
        if values.shape == other.shape and np.array_equal(values, other):
            constants[name] = values
        elif using == {("Reshape", 1)}:
            constants[name] = _open_shape(values, other, sizes)
        else:
            of_one = _of_one_image(values, other, sizes)
            if len(of_one) == 1 and all(operator in _BY_ELEMENT for operator, _ in using):
                constants[name] = of_one
            else:
                nodes += _for_each_image(name, of_one, given, constants)
    return nodes + first.nodes, constants


def _open_shape(values: Array, other: Array, sizes: tuple[int, int]) -> Array:
    """Replace the one length that grows with the batch by -1: what is left of the elements."""
    if values.shape != other.shape:
        raise UnrecordableError("another number of dimensions for another size of the batch")
    differs = np.flatnonzero(values != other)
    if len(differs) != 1 or values[differs[0]] * sizes[1] != other[differs[0]] * sizes[0]:
        raise UnrecordableError("a shape that does not grow with the batch")
    opened = values.copy()
    opened[differs[0]] = -1
    return opened


def _of_one_image(values: Array, other: Array, sizes: tuple[int, int]) -> Array:
    """Return the rows of one image of a constant that repeats them for each image of the batch."""
    if values.ndim and other.ndim == values.ndim and len(values) % sizes[0] == 0:
        rows = values[: len(values) // sizes[0]]
        repeated = [np.tile(rows, (size, *[1] * (rows.ndim - 1))) for size in sizes]
        if np.array_equal(values, repeated[0]) and np.array_equal(other, repeated[1]):
            return rows
    raise UnrecordableError("a constant that depends on the size of the batch in another way")


def _for_each_image(name: str, rows: Array, given: str, constants: Constants) -> list[Node]:
    """Repeat the rows of one image as often as there are images."""
    constants[f"{name}_rows"] = rows
    constants[f"{name}_once"] = np.ones(rows.ndim - 1, dtype=np.int64)
    batch, repeats = f"{name}_batch", f"{name}_repeats"
    return [
        Node("Shape", [given], [batch], {"start": 0, "end": 1}),
        Node("Concat", [batch, f"{name}_once"], [repeats], {"axis": 0}),
        Node("Tile", [f"{name}_rows", repeats], [name]),
    ]

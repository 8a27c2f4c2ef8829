"""Reads a graph in ONNX format, and refuses what could read other files or never end.

A graph must hold all of its weights: otherwise ONNX Runtime would read them from the files that it names. It
must not contain loops, branches or functions, so that the work for an image has a bound.
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

from excision.system.strict_json import read_bounded

MOST_BYTES = 2**31 - 1
"""Largest file of this format."""

_OPTIONAL, _REPEATED = 1, 3
_INT32, _MESSAGE = 5, 11

# The numbers are those of https://github.com/onnx/onnx/blob/main/onnx/onnx.proto. Messages of which only the
# presence matters are "Other".
_MESSAGES: dict[str, tuple[tuple[str, int, str | None, bool], ...]] = {
    "Other": (),
    "Tensor": (("external_data", 13, "Other", True), ("data_location", 14, None, False)),
    "Sparse": (("values", 1, "Tensor", False), ("indices", 2, "Tensor", False)),
    "Attribute": (
        ("t", 5, "Tensor", False),
        ("g", 6, "Other", False),
        ("tensors", 10, "Tensor", True),
        ("graphs", 11, "Other", True),
        ("sparse_tensor", 22, "Sparse", False),
        ("sparse_tensors", 23, "Sparse", True),
    ),
    "Node": (("attribute", 5, "Attribute", True),),
    "Graph": (
        ("node", 1, "Node", True),
        ("initializer", 5, "Tensor", True),
        ("sparse_initializer", 15, "Sparse", True),
    ),
    "Model": (
        ("graph", 7, "Graph", False),
        ("training_info", 20, "Other", True),
        ("functions", 25, "Other", True),
    ),
}


def read_onnx(path: Path) -> bytes:
    """Read a graph that needs no other file and has no loop.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is too large or no graph, needs another file, or contains loops, branches or functions.
    """
    content = read_bounded(path, MOST_BYTES)
    model = _model_class()()
    try:
        model.ParseFromString(content)
    except Exception as error:  # protobuf raises an error of its own, depending on its implementation
        raise ValueError("this is not an ONNX file") from error
    if model.functions or model.training_info:
        raise ValueError("the graph contains functions: only graphs that `excision export` wrote are run")
    for tensor in _tensors(model.graph):
        if tensor.external_data or tensor.data_location:
            raise ValueError("the graph keeps weights in another file: they must be in the graph itself")
    if any(each.HasField("g") or each.graphs for node in model.graph.node for each in node.attribute):
        raise ValueError(
            "the graph contains a loop or a branch: only graphs that `excision export` wrote are run"
        )
    return content


def _tensors(graph: Any) -> Any:
    yield from graph.initializer
    attributes = [each for node in graph.node for each in node.attribute]
    sparse = [*graph.sparse_initializer, *(each.sparse_tensor for each in attributes)]
    for each in attributes:
        yield from (each.t, *each.tensors)
        sparse += each.sparse_tensors
    for each in sparse:
        yield from (each.values, each.indices)


@functools.cache
def _model_class() -> Any:
    """Make the class of a model with the few fields that matter; the package onnx may not be installed."""
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

    file = descriptor_pb2.FileDescriptorProto(name="graph.proto", package="graph", syntax="proto2")
    for name, entries in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for field, number, kind, repeated in entries:
            message.field.add(
                name=field,
                number=number,
                label=_REPEATED if repeated else _OPTIONAL,
                type=_INT32 if kind is None else _MESSAGE,
                type_name=None if kind is None else f".graph.{kind}",
            )
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("graph.Model"))

"""An ONNX model of a module, from recordings of what it computes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from excision.export.recording.arithmetic import ARITHMETIC
from excision.export.recording.batches import Constants, for_any_batch
from excision.export.recording.layers import LAYERS
from excision.export.recording.layout import LAYOUT
from excision.export.recording.recorder import Node, Recorder, UnrecordableError, onnx_type
from excision.export.recording.spatial import SPATIAL

_BATCHES = 2, 3
_IR_VERSION = 10  # the one that came with opset 20's first packages
_OPERATORS = {**ARITHMETIC, **LAYOUT, **LAYERS, **SPATIAL}


@torch.no_grad()
def record_model(
    module: nn.Module, example: Callable[[int], Tensor], given: str, outputs: Sequence[str], opset: int
) -> Any:
    """Record a module as an ONNX model for batches of any size.

    The module computes two batches of different sizes, and each of torch's calls becomes the nodes that
    compute the same. That takes little longer than the two computations. torch's own exporter follows every
    shape through several rewritings of the whole program, and takes some fifty times as long.

    Args:
        module: takes a tensor and returns a tuple of tensors.
        example: returns a batch of so many images.
        given: name of the input of the model.
        outputs: names of its outputs.
        opset: version of ONNX's operators.

    Returns:
        An `onnx.ModelProto`.

    Raises:
        UnrecordableError: the module does something that has no equivalent here.
    """
    recorded = [_record(module, example(size), given, outputs) for size in _BATCHES]
    (first, shapes), (second, others) = recorded
    nodes, constants = for_any_batch(first, second, _BATCHES, given)
    for (dtype, shape), (_, other) in zip(shapes, others, strict=True):
        if shape[:1] + other[:1] != _BATCHES or shape[1:] != other[1:]:
            raise UnrecordableError(f"an output of the shape {shape} {dtype}")
    images = example(_BATCHES[0])
    return _model(
        _needed(_named(nodes, given, outputs), outputs),
        constants,
        (given, images.dtype, tuple(images.shape[1:])),
        [(name, dtype, shape[1:]) for name, (dtype, shape) in zip(outputs, shapes, strict=True)],
        opset,
    )


_Kind = tuple[torch.dtype, tuple[int, ...]]


def _record(
    module: nn.Module, images: Tensor, given: str, outputs: Sequence[str]
) -> tuple[Recorder, list[_Kind]]:
    recorder = Recorder(_OPERATORS)
    recorder.declare(images, given)
    with recorder:
        results: Sequence[Tensor] = module(images)
    for name, result in zip(outputs, results, strict=True):
        recorder.nodes.append(Node("Identity", [recorder.name_of(result)], [name]))
    return recorder, [(result.dtype, tuple(result.shape)) for result in results]


def _named(nodes: Sequence[Node], given: str, outputs: Sequence[str]) -> list[Node]:
    """Give values the names of the outputs that they are; only a value with two names needs a node for it."""
    names: dict[str, str] = {}
    kept = []
    for node in nodes:
        (source, *_), (output, *_) = node.inputs, node.outputs
        if output in outputs and source != given and source not in names:
            names[source] = output
        else:
            kept.append(node)
    return [
        replace(
            node,
            inputs=[names.get(name, name) for name in node.inputs],
            outputs=[names.get(name, name) for name in node.outputs],
        )
        for node in kept
    ]


def _needed(nodes: Sequence[Node], outputs: Iterable[str]) -> list[Node]:
    """Leave out nodes whose outputs nobody uses."""
    wanted = set(outputs)
    kept = []
    for node in reversed(nodes):
        if not wanted.isdisjoint(node.outputs):
            kept.append(node)
            wanted.update(node.inputs)
    return kept[::-1]


_Port = tuple[str, torch.dtype, tuple[int, ...]]


def _model(nodes: list[Node], constants: Constants, given: _Port, results: list[_Port], opset: int) -> Any:
    from onnx import helper, numpy_helper

    same, kept = _shared({name for node in nodes for name in node.inputs}, constants)
    made = [
        helper.make_node(
            node.operator,
            [same.get(name, name) for name in node.inputs],
            node.outputs,
            name=f"node_{node.outputs[0]}",
            **node.attributes,
        )
        for node in nodes
    ]
    ports = [
        helper.make_tensor_value_info(name, onnx_type(dtype), ["batch", *shape])
        for name, dtype, shape in (given, *results)
    ]
    arrays = [numpy_helper.from_array(values, name) for name, values in kept.items()]
    graph = helper.make_graph(made, "excision", ports[:1], ports[1:], arrays)
    return helper.make_model(
        graph,
        producer_name="excision",
        ir_version=_IR_VERSION,
        opset_imports=[helper.make_opsetid("", opset)],
    )


def _shared(used: set[str], constants: Constants) -> tuple[dict[str, str], Constants]:
    """Keep each constant that is used once; returns the kept name of each, and what is kept."""
    same: dict[str, str] = {}
    kept: Constants = {}
    first: dict[tuple[str, tuple[int, ...], bytes], str] = {}
    for name, values in constants.items():
        if name in used:
            key = values.dtype.str, values.shape, values.tobytes()
            same[name] = first.setdefault(key, name)
            kept.setdefault(same[name], values)
    return same, kept

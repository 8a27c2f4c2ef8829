"""Puts the recovery of an exported graph into a branch that images without a hole do not take."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any

from excision.runtime.backend import INPUT
from excision.system.files import atomic_path

ADDED = "added_by_recovery"
"""Output of a graph under way: what the recovery adds to the map, as `inspect_in_parts` returns it."""

_RECOVERY, _MASK = "recovery", "mask"
_INSIDE = "_of_branch"


def branch_around_recovery(path: Path) -> None:
    """Compute the recovery, and what follows from it alone, only if anything was excised; in place.

    Without a hole, what the recovery adds is 0, as the mask is, and the image is its own recovery; so the
    branch changes no value. In a batch the recovery is computed if any of its images has a hole.

    Args:
        path: path of an ONNX graph with the output `ADDED`, which is no output any more afterwards.
    """
    import onnx
    from onnx import TensorProto, helper

    model = onnx.load(path)
    graph = model.graph
    outputs = {value.name: value for value in graph.output}
    wanted = (ADDED, _RECOVERY)
    inside = _only_for(graph, wanted, [name for name in outputs if name not in wanted])
    renamed = {name: f"{name}{_INSIDE}" for name in (ADDED, _RECOVERY)}
    nodes = [graph.node[place] for place in sorted(inside)]
    weights = _weights_of(graph, inside)
    for node in nodes:
        for names in (node.input, node.output):
            names[:] = [renamed.get(name, name) for name in names]
    results = [_named(outputs[name], new) for name, new in renamed.items()]
    computed = helper.make_graph(nodes, "with_recovery", [], results, weights)
    spared = [
        helper.make_node("Identity", [source], [f"{name}_spared"], f"spare_{name}")
        for name, source in ((ADDED, _MASK), (_RECOVERY, INPUT))
    ]
    others = [_named(outputs[name], f"{name}_spared") for name in renamed]
    graph.initializer.append(helper.make_tensor("no_hole", TensorProto.FLOAT, [], [0.0]))
    branch = [
        helper.make_node("ReduceMax", [_MASK], ["largest_of_mask"], "largest_of_mask", keepdims=0),
        helper.make_node("Greater", ["largest_of_mask", "no_hole"], ["has_hole"], "has_hole"),
        helper.make_node(
            "If",
            ["has_hole"],
            [ADDED, _RECOVERY],
            "recover_if_excised",
            then_branch=computed,
            else_branch=helper.make_graph(spared, "without_recovery", [], others),
        ),
    ]
    _replace(graph, inside, branch, [tensor.name for tensor in weights])
    with atomic_path(path) as temporary:
        onnx.save(model, temporary)


def without_parts(path: Path) -> None:
    """Remove the output `ADDED` from an ONNX graph, in place."""
    import onnx

    model = onnx.load(path)
    _drop_output(model.graph)
    with atomic_path(path) as temporary:
        onnx.save(model, temporary)


def _only_for(graph: Any, wanted: Collection[str], others: Iterable[str]) -> set[int]:
    """Return the places of the nodes that only these tensors need, and no other output before them."""
    producers = {name: place for place, node in enumerate(graph.node) for name in node.output}

    def needed(names: Iterable[str], stop: Collection[str] = ()) -> set[int]:
        found: set[int] = set()
        left = [name for name in names if name not in stop]
        while left:
            place = producers.get(left.pop())
            if place is not None and place not in found:
                found.add(place)
                left += [name for name in graph.node[place].input if name not in stop]
        return found

    return needed(wanted) - needed(others, wanted)


def _weights_of(graph: Any, inside: Collection[int]) -> list[Any]:
    """Return the initializers that only the nodes at these places use."""
    own, shared = (
        {name for place, node in enumerate(graph.node) if (place in inside) is within for name in node.input}
        for within in (True, False)
    )
    return [tensor for tensor in graph.initializer if tensor.name in own - shared]


def _replace(graph: Any, inside: Collection[int], branch: list[Any], moved: Collection[str]) -> None:
    """Put the branch in the place of the nodes that it holds: before all that follow from it."""
    before: list[Any] = []
    after: list[Any] = []
    late = {name for node in branch for name in node.output}
    for place, node in enumerate(graph.node):
        if place in inside:
            continue
        if late.isdisjoint(node.input):
            before.append(node)
        else:
            after.append(node)
            late.update(node.output)
    held = set(moved)
    kept = [tensor for tensor in graph.initializer if tensor.name not in held]
    nodes = [*before, *branch, *after]
    del graph.node[:], graph.initializer[:], graph.value_info[:]
    graph.node.extend(nodes)
    graph.initializer.extend(kept)
    _drop_output(graph)


def _drop_output(graph: Any) -> None:
    kept = [value for value in graph.output if value.name != ADDED]
    del graph.output[:]
    graph.output.extend(kept)


def _named(value: Any, name: str) -> Any:
    copy = type(value)()
    copy.CopyFrom(value)
    copy.name = name
    return copy

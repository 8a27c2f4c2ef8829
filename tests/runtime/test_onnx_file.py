"""The walk through an ONNX file lets nothing pass in which a decoder of the format sees what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import onnx
import pytest
from google.protobuf.message import DecodeError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from onnx import NodeProto, TensorProto, helper

from excision.runtime.onnx_file import read_onnx


def small() -> Any:
    weights = helper.make_tensor("w", TensorProto.FLOAT, [2], [0.5, 300.0])
    constant = helper.make_tensor("c", TensorProto.FLOAT, [1], [1.0])
    sparse = helper.make_sparse_tensor(
        constant, helper.make_tensor("i", TensorProto.INT64, [1], [3]), [70_000]
    )
    nodes = [
        helper.make_node("Constant", [], ["a"], value=constant),
        helper.make_node("Constant", [], ["b"], sparse_value=sparse),
        helper.make_node("Add", ["x", "w"], ["y"], alpha=1.5, words=["one", "two"]),
    ]
    x, y, z = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [None, 2]) for name in "xyz")
    inner = [
        helper.make_graph([helper.make_node("Identity", [taken], ["z"])], taken, [], [z], [weights])
        for taken in "xy"
    ]
    nodes.append(helper.make_node("If", ["a"], ["d"], then_branch=inner[0], else_branch=inner[1]))
    graph = helper.make_graph(nodes, "small", [x], [y], [weights], doc_string="d" * 200)
    return helper.make_model(graph)


def refused(model: Any, branches: bool = True) -> bool:
    """Whether a decoded model holds what is refused, looked for in every field of every message."""
    if isinstance(model, TensorProto) and (model.external_data or model.data_location):
        return True
    if isinstance(model, NodeProto):
        branches &= model.op_type == "If"
    for field, value in model.ListFields():
        if field.name in ("graphs", "functions", "training_info"):
            return True
        inside = branches and field.name != "g"
        messages = () if field.message_type is None else value if field.is_repeated else (value,)
        if (field.name == "g" and not branches) or any(refused(each, inside) for each in messages):
            return True
    return False


def passes(content: bytes, folder: Path) -> bool:
    path = folder / "graph.onnx"
    path.write_bytes(content)
    try:
        return read_onnx(path) == content
    except ValueError:
        return False


def test_a_plain_graph_passes(tmp_path: Path) -> None:
    assert passes(small().SerializeToString(), tmp_path)
    assert not refused(small())


@settings(deadline=None, max_examples=400, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_what_passes_holds_nothing_that_is_refused(data: st.DataObject, tmp_path: Path) -> None:
    content = bytearray(small().SerializeToString())
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(content) - 1))
        new = data.draw(
            st.binary(max_size=3) | st.sampled_from([b"\x70\x01", b"\x6a\x00", b"\x32\x00", b"\xf0\x00\x01"])
        )
        content[place : place + data.draw(st.integers(0, 3))] = new
    if not passes(bytes(content), tmp_path):
        return
    try:
        decoded = onnx.ModelProto.FromString(bytes(content))
    except DecodeError:
        return
    assert not refused(decoded)


@pytest.mark.parametrize(
    "content",
    [
        b"\x3a\x05\x08",  # ends within a graph
        b"\x3a" + 10 * b"\xff" + b"\x01",  # a length without end
        b"\x38\x01",  # a number where the graph belongs
        b"\x3b\x3c",  # a group
        b"\x00\x01",  # a field without a number
        b"\xba\x80\x80\x80\x80\x01\x00",  # a number of a field that is longer than any
        b"\x3a\x06\x2a\x04\x70\x80\x80\x01",  # weights elsewhere, by a number of several bytes
        b"\x3a\x04\x2a\x02\x70\x00\x3a\x04\x2a\x02\x70\x01",  # the same in a second part of the graph
    ],
)
def test_what_is_odd_is_refused(content: bytes, tmp_path: Path) -> None:
    assert not passes(content, tmp_path)


def test_weights_in_the_graph_itself_may_say_so(tmp_path: Path) -> None:
    assert passes(b"\x3a\x04\x2a\x02\x70\x00", tmp_path)


@pytest.mark.parametrize("kind", ["Loop", "Scan", "if", ""])
def test_only_a_branch_holds_a_graph(kind: str, tmp_path: Path) -> None:
    model = small()
    model.graph.node[-1].op_type = kind
    assert refused(model) and not passes(model.SerializeToString(), tmp_path)


def test_a_branch_that_also_says_that_it_is_a_loop_is_refused(tmp_path: Path) -> None:
    model = small()
    node = model.graph.node.pop()
    twice = node.SerializeToString() + b"\x22\x04Loop"  # the last statement counts
    content = model.graph.SerializeToString() + b"\x0a" + _length(twice) + twice
    whole = b"\x3a" + _length(content) + content
    assert onnx.ModelProto.FromString(whole).graph.node[-1].op_type == "Loop"
    assert not passes(whole, tmp_path)


def test_a_branch_within_a_branch_is_refused(tmp_path: Path) -> None:
    model = small()
    inner = model.graph.node[-1].attribute[0].g
    inner.node.append(small().graph.node[-1])
    assert refused(model) and not passes(model.SerializeToString(), tmp_path)


def test_weights_of_a_branch_lie_in_the_graph(tmp_path: Path) -> None:
    model = small()
    model.graph.node[-1].attribute[1].g.initializer[0].data_location = TensorProto.EXTERNAL
    assert refused(model) and not passes(model.SerializeToString(), tmp_path)


def _length(content: bytes) -> bytes:
    return bytes([len(content) & 127 | 128, len(content) >> 7])

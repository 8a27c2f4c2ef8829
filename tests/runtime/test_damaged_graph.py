"""Graphs that are not what they should be: one clear error, and no other file is read."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from excision.errors import ModelError
from excision.runtime import Inspector
from excision.runtime.defect_criteria import REGION
from excision.runtime.model_folder import DESCRIPTION
from excision.runtime.verification import verify
from tests.runtime.folders import old_folder, read, sealed_folder

GRAPH = "model.onnx"


def outside(location: str) -> Callable[[Any], None]:
    def change(model: Any) -> None:
        tensor = model.graph.initializer[0]
        tensor.ClearField("raw_data")
        tensor.data_location = TensorProto.EXTERNAL
        tensor.external_data.add(key="location", value=location)

    return change


def outside_in_a_constant(model: Any) -> None:
    tensor = TensorProto(data_type=TensorProto.FLOAT, dims=[4], data_location=TensorProto.EXTERNAL)
    tensor.external_data.add(key="location", value="/etc/passwd")
    model.graph.node.append(helper.make_node("Constant", [], ["more"], value=tensor))


def outside_in_a_sparse_tensor(model: Any) -> None:
    tensor = TensorProto(data_type=TensorProto.FLOAT, dims=[1], data_location=TensorProto.EXTERNAL)
    model.graph.sparse_initializer.add(values=tensor, dims=[4])


def endless(model: Any) -> None:
    kept = helper.make_tensor_value_info("kept", TensorProto.BOOL, [])
    count = helper.make_tensor_value_info("count", TensorProto.INT64, [])
    still = helper.make_tensor_value_info("still", TensorProto.BOOL, [])
    body = helper.make_graph(
        [helper.make_node("Identity", ["kept"], ["still"])], "body", [count, kept], [still]
    )
    model.graph.initializer.append(numpy_helper.from_array(np.array(True), "true"))
    model.graph.node.insert(0, helper.make_node("Loop", ["", "true"], [], body=body))


def function(model: Any) -> None:
    node = helper.make_node("Identity", ["a"], ["b"])
    opset = helper.make_opsetid("", 20)
    model.functions.append(helper.make_function("own", "more", ["a"], ["b"], [node], [opset]))


def more_input(model: Any) -> None:
    model.graph.input.append(helper.make_tensor_value_info("more", TensorProto.FLOAT, [1]))


def other_name(model: Any) -> None:
    for node in model.graph.node:
        node.output[:] = ["points" if name == "score" else name for name in node.output]
    next(output for output in model.graph.output if output.name == "score").name = "points"


def stages_swapped(model: Any) -> None:
    names = {"anomaly_map": "attention", "attention": "anomaly_map"}
    for node in model.graph.node:
        for each in (node.input, node.output):
            each[:] = [names.get(name, name) for name in each]


def not_a_number(model: Any) -> None:
    kernel = next(each for each in model.graph.initializer if len(each.dims) == 4)
    values = numpy_helper.to_array(kernel).copy()
    values.flat[0] = np.nan
    kernel.CopyFrom(numpy_helper.from_array(values, kernel.name))


def absurd_sides(model: Any) -> None:
    model.graph.initializer[5].dims[0] = 2**60


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (outside("../../secret"), "in another file"),
        (outside("/etc/passwd"), "in another file"),
        (outside("model.json"), "in another file"),
        (outside_in_a_constant, "in another file"),
        (outside_in_a_sparse_tensor, "in another file"),
        (endless, "a loop"),
        (function, "functions"),
        (more_input, "the graph takes image .*more"),
        (other_name, "has no output 'score'"),
        (stages_swapped, "differ from torch"),
        (not_a_number, "not finite"),
        (absurd_sides, "cannot be loaded as a graph"),
    ],
)
def test_a_changed_graph_is_seen(change: Callable[[Any], None], reason: str, tmp_path: Path) -> None:
    folder = old_folder(tmp_path)
    model = onnx.load(folder / GRAPH)
    change(model)
    (folder / GRAPH).write_bytes(model.SerializeToString())
    with pytest.raises(ModelError, match=reason) as caught:
        verify(Inspector(folder, threads=1))
    assert "\n" not in str(caught.value)


def test_openvino_reads_no_other_file_either(tmp_path: Path) -> None:
    folder = old_folder(tmp_path)
    (folder / DESCRIPTION).write_text(json.dumps({**read(folder), "backend": "openvino"}))
    model = onnx.load(folder / GRAPH)
    outside("/etc/passwd")(model)
    (folder / GRAPH).write_bytes(model.SerializeToString())
    with pytest.raises(ModelError, match="in another file"):
        Inspector(folder)


@pytest.mark.parametrize("change", [{"size": [32, 64]}, {"size": [64, 128]}, {"channels": 3}])
def test_the_graph_must_take_what_is_described(change: dict[str, Any], tmp_path: Path) -> None:
    folder = old_folder(tmp_path)
    (folder / DESCRIPTION).write_text(json.dumps({**read(folder), **change}))
    with pytest.raises(ModelError, match="do not belong together"):
        Inspector(folder)


def test_one_changed_bit_of_a_sealed_graph_is_seen(tmp_path: Path) -> None:
    folder = sealed_folder(tmp_path)
    content = bytearray((folder / GRAPH).read_bytes())
    for place in range(0, len(content), len(content) // 20):
        content[place] ^= 1
        (folder / GRAPH).write_bytes(content)
        with pytest.raises(ModelError, match=f"{GRAPH}: this is not the file"):
            Inspector(folder)
        content[place] ^= 1
    (folder / GRAPH).write_bytes(content)
    Inspector(folder)


def test_the_region_must_be_the_described_one(tmp_path: Path) -> None:
    for folder, reason in ((old_folder(tmp_path), "has 32 x 64"), (sealed_folder(tmp_path), "no such file")):
        Image.new("L", (64, 32), 255).save(folder / REGION)
        with pytest.raises(ModelError, match=reason):
            Inspector(folder)
        for content in (b"", b"no picture"):
            (folder / REGION).write_bytes(content)
            with pytest.raises(ModelError, match=REGION):
                Inspector(folder)
    Image.new("L", (64, 64), 0).save(folder.parent / "old" / REGION)
    with pytest.raises(ModelError, match="is empty"):
        Inspector(folder.parent / "old")

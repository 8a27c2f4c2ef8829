"""ONNX files as feature networks: against ONNX Runtime, operator by operator and as a whole."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from excision.errors import ModelError
from excision.features.choice import FeatureChoice
from excision.features.graph.operators import CONSTANT_INPUTS, OPERATORS
from excision.features.graph.reading import read_graph
from excision.features.record import FeatureRecord
from excision.features.registry import build_network, open_network

Array = NDArray[np.float32]
SIZE = (64, 96)


def runtime(model: onnx.ModelProto, names: Sequence[str], images: Array) -> list[Array]:
    """Compute tensors of a graph with ONNX Runtime."""
    changed = onnx.ModelProto()
    changed.CopyFrom(model)
    have = {each.name for each in changed.graph.output}
    changed.graph.output.extend(
        helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in names if name not in have
    )
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(
        changed.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    found: list[Array] = session.run(list(names), {session.get_inputs()[0].name: images})
    return found


def plain(path: Path, size: tuple[int, int] = SIZE, maps: Sequence[str] = ()) -> FeatureChoice:
    """Choose a file whose network takes images as they are."""
    return FeatureChoice(str(path), size, maps=maps, mean=(0.0,) * 3, std=(1.0,) * 3)


@pytest.fixture(scope="module")
def detector() -> Path:
    spec = find_spec("rapidocr_onnxruntime")
    folders = (spec.submodule_search_locations if spec else None) or []
    for folder in folders:
        path = Path(folder) / "models" / "ch_PP-OCRv4_det_infer.onnx"
        if path.is_file():
            return path
    pytest.skip("the package rapidocr-onnxruntime is not installed")


@pytest.mark.parametrize("size", [(64, 96), (75, 50)])
def test_the_maps_of_a_foreign_file_are_those_of_onnx_runtime(detector: Path, size: tuple[int, int]) -> None:
    choice = plain(detector, size)
    graph, network = read_graph(choice), open_network(choice)
    assert graph.strides == network.record.strides == (8, 16)
    images = np.random.default_rng(0).random((2, 3, *size), dtype=np.float32)
    # ONNX Runtime runs the detector as a whole, which needs sides that are multiples of 32.
    canvas = np.zeros((2, 3, *(-(-side // 32) * 32 for side in size)), np.float32)
    canvas[:, :, : size[0], : size[1]] = images
    found = network.backbone(torch.from_numpy(canvas))
    for one, other in zip(found, runtime(onnx.load(detector), graph.names, canvas), strict=True):
        np.testing.assert_allclose(one.numpy(), other, rtol=1e-3, atol=1e-4 * other.std())
    (fine,) = network(torch.from_numpy(images))
    assert fine.shape == (2, 100, -(-size[0] // 8), -(-size[1] // 8))


def test_a_file_is_recorded_and_built_again_without_it(detector: Path, tmp_path: Path) -> None:
    network = open_network(FeatureChoice(str(detector), SIZE))
    network.record.save(tmp_path / "features.json")
    record = FeatureRecord.load(tmp_path / "features.json")
    assert record == network.record and record.source == detector.name
    assert len(record.sha256) == 64 and str(detector.parent) not in (tmp_path / "features.json").read_text()
    twin = build_network(record)
    twin.load_state_dict(network.state_dict())
    for channels in (1, 3):
        images = torch.rand(2, channels, *SIZE)
        assert all(map(torch.equal, twin(images), network(images)))


def test_named_maps_are_taken(detector: Path) -> None:
    automatic = read_graph(plain(detector))
    first, last = automatic.names
    graph = read_graph(plain(detector, maps=(last,)))
    assert graph.names == (last,) and graph.strides == (16,)
    both = read_graph(plain(detector, maps=(last, first)))
    assert both.names == (first, last) and both.graph == automatic.graph
    with pytest.raises(ModelError, match=f"no tensor 'nothing'; its stages .* end with {first} and {last}"):
        read_graph(plain(detector, maps=("nothing",)))


def made(
    nodes: Sequence[onnx.NodeProto],
    weights: dict[str, Array] | None = None,
    opset: int = 20,
    channels: int = 3,
) -> onnx.ModelProto:
    """Make a graph in which `nodes` follow a convolution "map" of eight channels and stride 8."""
    rng = np.random.default_rng(1)
    stored = {"kernel": rng.normal(size=(8, channels, 8, 8)).astype(np.float32) / 8, **(weights or {})}
    graph = helper.make_graph(
        [helper.make_node("Conv", ["image", "kernel"], ["map"], strides=[8, 8]), *nodes],
        "graph",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["n", channels, "h", "w"])],
        [helper.make_tensor_value_info("map", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(np.asarray(values), name) for name, values in stored.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=9)
    model.metadata_props.add(key="license", value="BSD-3-Clause")
    return model


def floats(*shape: int, seed: int = 2) -> Array:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def ints(*values: int) -> Any:
    return np.array(values, np.int64)


CASES: list[tuple[str, dict[str, Any], dict[str, Any], int]] = [
    *((name, {}, {}, 20) for name in (
        "Abs", "Erf", "Exp", "GlobalAveragePool", "GlobalMaxPool", "HardSigmoid", "HardSwish", "Identity",
        "LeakyRelu", "Elu", "Mish", "Neg", "Relu", "Sigmoid", "Softplus", "Tanh", "Dropout", "Flatten",
        "Softmax",
    )),
    *((name, {}, {"b": floats(8, 1, 1)}, 20) for name in ("Add", "Sub", "Mul", "Div", "PRelu")),
    ("Cast", {"to": 1}, {}, 20),
    ("Gelu", {"approximate": "tanh"}, {}, 20),
    ("Gelu", {}, {}, 20),
    ("LeakyRelu", {"alpha": 0.3}, {}, 20),
    ("HardSigmoid", {"alpha": 0.1, "beta": 0.4}, {}, 20),
    ("Clip", {}, {"low": np.float32(-0.2), "high": np.float32(0.3)}, 20),
    ("Clip", {"min": -0.1, "max": 0.2}, {}, 6),
    ("Pow", {}, {"b": np.float32(2.0)}, 20),
    ("BatchNormalization", {"epsilon": 0.01}, {
        "s": floats(8), "b": floats(8, seed=3), "m": floats(8, seed=4), "v": np.abs(floats(8, seed=5)),
    }, 20),
    ("InstanceNormalization", {}, {"s": floats(8), "b": floats(8, seed=3)}, 20),
    ("LayerNormalization", {"axis": -1}, {"s": floats(12), "b": floats(12, seed=3)}, 20),
    ("Conv", {"pads": [0, 1, 2, 3], "dilations": [2, 1]}, {"w": floats(6, 8, 3, 3), "b": floats(6)}, 20),
    ("Conv", {"auto_pad": "SAME_UPPER", "strides": [2, 2], "group": 4}, {"w": floats(8, 2, 5, 4)}, 20),
    ("Conv", {"auto_pad": "SAME_LOWER", "strides": [2, 1]}, {"w": floats(8, 8, 4, 4)}, 20),
    ("MaxPool", {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 1, 1]}, {}, 20),
    ("MaxPool", {"kernel_shape": [3, 2], "strides": [2, 2], "ceil_mode": 1}, {}, 20),
    ("AveragePool", {"kernel_shape": [3, 3], "strides": [1, 1], "pads": [1, 1, 1, 1]}, {}, 20),
    ("AveragePool", {"kernel_shape": [3, 3], "pads": [1, 0, 1, 2], "count_include_pad": 1}, {}, 20),
    ("AveragePool", {"kernel_shape": [2, 2], "strides": [2, 2], "auto_pad": "SAME_UPPER"}, {}, 20),
    ("ReduceMean", {"keepdims": 1}, {"axes": ints(2, 3)}, 20),
    ("ReduceMean", {"axes": [1], "keepdims": 0}, {}, 13),
    ("Transpose", {"perm": [0, 2, 3, 1]}, {}, 20),
    ("Reshape", {}, {"shape": ints(0, 4, 2, 8, 12)}, 20),
    ("Unsqueeze", {}, {"axes": ints(1, -1)}, 20),
    ("Slice", {}, {"starts": ints(1, 0), "ends": ints(7, 9), "axes": ints(1, 3), "steps": ints(2, 1)}, 20),
    ("Pad", {"mode": "reflect"}, {"pads": ints(0, 0, 1, 2, 0, 0, 3, 0)}, 20),
    ("Pad", {}, {"pads": ints(0, 0, 1, 2, 0, 0, 3, 0), "value": np.float32(0.5)}, 20),
    ("Resize", {"mode": "linear"}, {"": None, "scales": np.array([1, 1, 2, 2], np.float32)}, 20),
    ("Resize", {"mode": "linear", "coordinate_transformation_mode": "align_corners"},
     {"": None, "scales": np.array([1, 1, 2, 3], np.float32)}, 20),
    ("Resize", {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"},
     {"": None, "scales": np.array([1, 1, 2, 2], np.float32)}, 20),
    ("Resize", {"mode": "nearest"}, {"": None, "scales": np.array([1, 1, 2, 2], np.float32)}, 20),
    ("Upsample", {"mode": "nearest"}, {"scales": np.array([1, 1, 2, 2], np.float32)}, 9),
    ("MatMul", {}, {"b": floats(12, 12)}, 20),
    ("DepthToSpace", {"blocksize": 2, "mode": "CRD"}, {}, 20),
]  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "attributes", "weights", "opset"), CASES, ids=[f"{n}-{c[0]}" for n, c in enumerate(CASES)]
)
def test_every_operator_is_that_of_onnx_runtime(
    kind: str, attributes: dict[str, Any], weights: dict[str, Any], opset: int
) -> None:
    stored = {name: np.asarray(values) for name, values in weights.items() if name}
    node = helper.make_node(kind, ["map", *weights], ["out"], **attributes)
    model = made([node], stored, opset)
    if opset < 10:
        model.ir_version = 7
    images = floats(2, 3, *SIZE, seed=7)
    given, wanted = runtime(model, ["map", "out"], images)
    constants = {**attributes}
    inputs: list[torch.Tensor | None] = [torch.from_numpy(given)]
    for place, values in enumerate(weights.values(), start=1):
        known = CONSTANT_INPUTS.get(kind, {}).get(place)
        if known and values is not None:
            constants[known] = np.asarray(values).flatten().tolist()
        elif known is None:
            inputs.append(torch.from_numpy(np.asarray(values)))
    found = OPERATORS[kind](inputs, constants)
    np.testing.assert_allclose(found.numpy(), wanted, rtol=1e-4, atol=1e-5)


def test_every_operator_has_a_case_or_is_in_the_foreign_file() -> None:
    assert set(OPERATORS) - {case[0] for case in CASES} == {"Concat", "Gemm", "Sqrt", "Squeeze"}


def test_what_a_graph_computes_from_constants_is_a_weight(tmp_path: Path) -> None:
    """And squeeze-and-excitation, branches and matrices run as ONNX Runtime runs them."""
    nodes = [
        helper.make_node("Constant", [], ["two"], value=numpy_helper.from_array(np.array(2.0, np.float32))),
        helper.make_node("Sqrt", ["positive"], ["root"]),
        helper.make_node("Mul", ["root", "two"], ["scale"]),
        helper.make_node("Mul", ["map", "scale"], ["scaled"]),
        helper.make_node("GlobalAveragePool", ["scaled"], ["mean"]),
        helper.make_node("Squeeze", ["mean", "axes"], ["vector"]),
        helper.make_node("Gemm", ["vector", "matrix", "offset"], ["gates"], transB=1, alpha=0.5, beta=2.0),
        helper.make_node("Sigmoid", ["gates"], ["open"]),
        helper.make_node("Reshape", ["open", "shape"], ["gate"]),
        helper.make_node("Mul", ["scaled", "gate"], ["gated"]),
        helper.make_node("Concat", ["gated", "map"], ["eighth"], axis=1),
        helper.make_node("Conv", ["eighth", "half"], ["sixteenth"], strides=[2, 2], pads=[1, 1, 1, 1]),
        helper.make_node("MaxPool", ["sixteenth"], ["coarse"], kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Resize", ["coarse", "", "scales"], ["wide"], mode="linear"),
        # This one is of stride 16 again, but a decoder's, and an operator that is not known follows it.
        helper.make_node("Add", ["wide", "sixteenth"], ["decoded"]),
        helper.make_node("Shape", ["decoded"], ["sides"]),
    ]
    weights = {
        "positive": np.abs(floats(8, 1, 1)), "axes": ints(2, 3), "matrix": floats(8, 8), "offset": floats(8),
        "shape": ints(1, 8, 1, 1), "half": floats(12, 16, 3, 3), "scales": np.array([1, 1, 2, 2], np.float32),
    }  # fmt: skip
    model = made(nodes, weights)
    onnx.save(model, tmp_path / "graph.onnx")
    choice = plain(tmp_path / "graph.onnx")
    graph, network = read_graph(choice), open_network(choice)
    assert graph.names == ("eighth", "sixteenth") and graph.licence == "BSD-3-Clause"
    assert (network.record.strides, network.record.channels) == ((8, 16), (16, 12))
    images = floats(1, 3, *SIZE, seed=8)
    wanted = runtime(model, graph.names, images)
    for one, other in zip(network.backbone(torch.from_numpy(images)), wanted, strict=True):
        np.testing.assert_allclose(one.numpy(), other, rtol=1e-4, atol=1e-4)
    together = network.backbone(torch.from_numpy(np.concatenate((images, images))))
    torch.testing.assert_close(together[0][1], torch.from_numpy(wanted[0][0]), rtol=1e-4, atol=1e-4)
    assert read_graph(plain(tmp_path / "graph.onnx", maps=("decoded",))).strides == (16,)


def test_a_grey_network_takes_grey_and_colour(tmp_path: Path) -> None:
    onnx.save(made([helper.make_node("Relu", ["map"], ["out"])], channels=1), tmp_path / "graph.onnx")
    network = open_network(FeatureChoice(str(tmp_path / "graph.onnx"), SIZE))
    assert len(network.record.mean) == 1
    grey = torch.rand(1, 1, *SIZE)
    torch.testing.assert_close(network(grey.expand(1, 3, *SIZE))[0], network(grey)[0])


@pytest.mark.parametrize(
    ("nodes", "told"),
    [
        ([helper.make_node("LRN", ["map"], ["out"], size=5)], r"operator LRN \(node 'out'\) is not known"),
        ([helper.make_node("NonZero", ["map"], ["out"])], "operator NonZero"),
        ([helper.make_node("Reshape", ["map", "map"], ["out"])], "an input that is not constant"),
        ([helper.make_node("Conv", ["map", "kernel"], ["out"])], "does not run on images"),
        (
            [helper.make_node("Resize", ["map", "", "s"], ["out"], mode="cubic")],
            "does not resize in the mode",
        ),
    ],
)
def test_an_operator_that_is_not_known_is_named(
    nodes: list[onnx.NodeProto], told: str, tmp_path: Path
) -> None:
    model = made(nodes, {"s": np.array([1, 1, 2, 2], np.float32)})
    onnx.save(model, tmp_path / "graph.onnx")
    with pytest.raises(ModelError, match=told):
        open_network(plain(tmp_path / "graph.onnx"))
    assert open_network(plain(tmp_path / "graph.onnx", maps=("map",))).record.channels == (8,)


def test_a_file_that_is_no_network_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "graph.onnx"
    with pytest.raises(ModelError, match=r"graph\.onnx: cannot be opened"):
        read_graph(plain(path))
    for content in (b"", b"no graph", b"\x08\x07" * 50):
        path.write_bytes(content)
        with pytest.raises(ModelError, match=r"graph\.onnx: "):
            read_graph(plain(path))
    model = made([])
    model.graph.input[0].type.tensor_type.shape.dim[1].dim_value = 4
    onnx.save(model, path)
    with pytest.raises(ModelError, match="is no image"):
        read_graph(plain(path))
    onnx.save(made([]), path)
    with pytest.raises(ModelError, match="no feature map of stride 8 or 16"):
        read_graph(plain(path, (8, 8)))


def test_weights_in_another_file_are_not_read(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(bytes(8 * 3 * 8 * 8 * 4))
    model = made([])
    kernel = model.graph.initializer[0]
    kernel.ClearField("raw_data")
    kernel.data_location = TensorProto.EXTERNAL
    kernel.external_data.add(key="location", value="secret")
    (tmp_path / "graph.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(ModelError, match="weights are in another file: save the graph as a single file"):
        read_graph(plain(tmp_path / "graph.onnx"))


@pytest.mark.parametrize(
    "change",
    [
        {"steps": [{"operator": "System", "inputs": ["x"], "attributes": {}}]},
        {"steps": [{"operator": "Relu", "inputs": ["v7"], "attributes": {}}]},
        {"steps": [{"operator": "Relu", "inputs": [], "attributes": {}}]},
        {"steps": [{"operator": "Conv", "inputs": ["x", "w0"], "attributes": {"strides": "ab"}}]},
        {
            "steps": [
                {"operator": "Pad", "inputs": ["x"], "attributes": {"pads": [0, 0, 0, 0, 0, 0, 2**30, 0]}}
            ]
        },
        {"steps": [{"operator": "Pad", "inputs": ["x"], "attributes": {"pads": [0] * 100}}]},
        {"weights": [[2**24, 2**24, 2**24]]},
        {"outputs": []},
        {"outputs": ["v9"]},
        {"channels": 7},
    ],
)
def test_a_forged_record_is_refused_and_takes_no_memory(change: dict[str, Any], tmp_path: Path) -> None:
    onnx.save(made([helper.make_node("Relu", ["map"], ["out"])]), tmp_path / "graph.onnx")
    record = open_network(plain(tmp_path / "graph.onnx")).record
    content = dataclasses.asdict(record)
    content["graph"] = {**content["graph"], **change}
    (tmp_path / "features.json").write_text(json.dumps(content))
    with pytest.raises(ModelError):
        build_network(FeatureRecord.load(tmp_path / "features.json"))

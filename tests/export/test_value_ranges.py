"""Ranges of the values inside a graph, and the integers that follow from them."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from scipy.signal import correlate

from excision.export.quantise import quantise
from excision.export.value_ranges import value_ranges
from excision.runtime.backend import INPUT

_WIDTH = 16
_SIDE = 12

Images = list[NDArray[np.float32]]


@pytest.fixture(scope="module")
def weights() -> list[NDArray[np.float32]]:
    rng = np.random.default_rng(3)
    return [rng.normal(size=(_WIDTH, inputs, 3, 3)).astype(np.float32) for inputs in (1, _WIDTH)]


@pytest.fixture(scope="module")
def graph(weights: list[NDArray[np.float32]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two convolutions, of which the second is wide enough for integers, and a mean that neither needs."""
    nodes = [
        helper.make_node("Conv", [INPUT, "w0"], ["narrow"], "first", pads=[1] * 4),
        helper.make_node("Relu", ["narrow"], ["lit"], "relu"),
        helper.make_node("Conv", ["lit", "w1"], ["wide"], "second", pads=[1] * 4),
        helper.make_node("GlobalAveragePool", ["wide"], ["mean"], "mean"),
    ]
    image = helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, ["batch", 1, _SIDE, _SIDE])
    mean = helper.make_tensor_value_info("mean", TensorProto.FLOAT, ["batch", _WIDTH, 1, 1])
    known = [numpy_helper.from_array(each, f"w{place}") for place, each in enumerate(weights)]
    two = helper.make_graph(nodes, "two", [image], [mean], known)
    model = helper.make_model(two, opset_imports=[helper.make_opsetid("", 18)])
    model.ir_version = 9
    path = tmp_path_factory.mktemp("graph") / "two.onnx"
    onnx.save(model, path)
    return path


@pytest.fixture(scope="module")
def images() -> Images:
    rng = np.random.default_rng(5)
    # The first is the darkest: a range from it alone would be far too small.
    return [rng.random((1, 1, _SIDE, _SIDE), dtype=np.float32) * bright for bright in (0.1, 1.0, 0.4)]


def test_the_ranges_are_those_of_all_images(
    graph: Path, weights: list[NDArray[np.float32]], images: Images
) -> None:
    found = value_ranges(graph, ["lit", "wide"], images)
    lit = [np.maximum(_convolved(image[0], weights[0]), 0) for image in images]
    wide = [_convolved(each, weights[1]) for each in lit]
    for name, expected in (("lit", np.stack(lit)), ("wide", np.stack(wide))):
        np.testing.assert_allclose(found[name], (expected.min(), expected.max()), rtol=1e-4, atol=1e-6)


def test_the_integers_are_those_of_onnx_runtimes_own_search(
    graph: Path, images: Images, tmp_path: Path
) -> None:
    ours, theirs = tmp_path / "ours.onnx", tmp_path / "theirs.onnx"
    shutil.copy(graph, ours)
    quantise(ours, images)
    quantize_static(
        graph,
        theirs,
        _Reader(images),
        quant_format=QuantFormat.QDQ,
        per_channel=True,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
        nodes_to_quantize=["second"],
    )
    found, expected = (_initialisers(path) for path in (ours, theirs))
    assert {"lit_scale", "wide_scale", "wide_zero_point"} <= expected.keys()
    assert found.keys() == expected.keys()
    for name, values in expected.items():
        np.testing.assert_allclose(found[name], values, rtol=1e-5, err_msg=name)


def _convolved(planes: NDArray[np.float32], weights: NDArray[np.float32]) -> NDArray[np.float64]:
    """Convolve planes (C, H, W) with weights (F, C, 3, 3), padded with zeros."""
    padded = np.pad(planes.astype(np.float64), ((0, 0), (1, 1), (1, 1)))
    return np.stack([correlate(padded, kernels.astype(np.float64), mode="valid")[0] for kernels in weights])


def _initialisers(path: Path) -> dict[str, NDArray[np.float32]]:
    return {each.name: numpy_helper.to_array(each) for each in onnx.load(path).graph.initializer}


class _Reader(CalibrationDataReader):  # type: ignore[misc]  # the package has no types
    def __init__(self, images: Images) -> None:
        self._left: Iterator[NDArray[np.float32]] = iter(images)

    def get_next(self) -> dict[str, NDArray[np.float32]] | None:
        image = next(self._left, None)
        return None if image is None else {INPUT: image}

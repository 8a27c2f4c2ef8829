"""Quantises the time-consuming convolutions of an exported graph to eight-bit integers."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from excision.export.quiet import errors_alone
from excision.export.value_ranges import Range, value_ranges
from excision.runtime.backend import INPUT
from excision.system.files import atomic_path

_LEAST_INPUTS = 16  # channels; convolutions with fewer are fast, and quantising the image itself would hurt
_LEAST_SIDE = 3  # kernel side; the output layers of the networks have 1x1 kernels and stay in float32


def quantise(path: Path, images: Sequence[NDArray[np.float32]]) -> None:
    """Quantise the convolutions of a graph's networks to eight-bit integers, in place.

    Static quantisation (Jacob et al., "Quantization and training of neural networks for efficient
    integer-arithmetic-only inference", CVPR 2018): one scale for each output channel of the weights, and one
    for the input, from its smallest and largest value on the images. Everything else stays in float32:
    normalisation, mask, comparison and score.

    Args:
        path: path of an ONNX graph.
        images: each (1, C, H, W) in [0, 1]; they should be representative of the images to inspect, including
            defects, since values beyond their range are clipped.
    """
    from onnxruntime.quantization import QuantFormat, QuantType, quantize_static

    # Suppress its advice to preprocess the graph, which has been done.
    with tempfile.TemporaryDirectory() as scratch, errors_alone(), atomic_path(path) as temporary:
        folded = Path(scratch) / "folded.onnx"
        _fold_constants(path, folded)
        convolutions = _large_convolutions(folded)
        tensors = list(dict.fromkeys(tensor for each in convolutions for tensor in (each.input, each.output)))
        ranges = value_ranges(folded, tensors, images)
        quantize_static(
            folded,
            temporary,
            _reader(images[:1]),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=["Conv"],
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            nodes_to_quantize=[each.node for each in convolutions],
            # Its own search for ranges takes several times as long: it computes the whole graph as it
            # stands, one image after another. It insists on a search, so one image remains.
            extra_options={"TensorQuantOverrides": {name: [_override(ranges[name])] for name in tensors}},
        )


class _Convolution(NamedTuple):
    """Names of a convolution and of the tensors that it reads and writes."""

    node: str
    input: str
    output: str


def _override(values: Range) -> dict[str, np.float32]:
    return {"rmin": np.float32(values.least), "rmax": np.float32(values.greatest)}


def _fold_constants(path: Path, folded: Path) -> None:
    """Precompute weights that the graph derives from others, such as those with a folded normalisation."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.optimized_model_filepath = str(folded)
    onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def _large_convolutions(path: Path) -> list[_Convolution]:
    """Return the convolutions to quantise."""
    import onnx

    graph = onnx.load(path).graph
    shapes = {weights.name: tuple(weights.dims) for weights in graph.initializer}
    chosen = []
    for node in graph.node:
        if node.op_type == "Conv":
            _, inputs, *window = shapes[node.input[1]]
            if inputs >= _LEAST_INPUTS and min(window) >= _LEAST_SIDE:
                chosen.append(_Convolution(node.name, node.input[0], node.output[0]))
    return chosen


def _reader(images: Sequence[NDArray[np.float32]]) -> Any:
    from onnxruntime.quantization import CalibrationDataReader

    class Reader(CalibrationDataReader):  # type: ignore[misc]  # the package has no types
        def __init__(self) -> None:
            self._left = iter(images)

        def get_next(self) -> dict[str, NDArray[np.float32]] | None:
            image = next(self._left, None)
            return None if image is None else {INPUT: image}

    return Reader()

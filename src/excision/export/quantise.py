"""Eight-bit integers for those convolutions of an exported graph that take the time."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from excision.export.quiet import errors_alone
from excision.runtime.backend import INPUT
from excision.system.files import atomic_path

_LEAST_INPUTS = 16  # of a convolution; with fewer there is little to gain, and the image itself to lose
_LEAST_SIDE = 3  # of its window; what a network says at last comes from windows of 1 pixel, and stays exact


def quantise(path: Path, images: Sequence[NDArray[np.float32]]) -> None:
    """Let a graph compute the convolutions of its networks in eight-bit integers, in place.

    Static quantisation (Jacob et al., "Quantization and training of neural networks for efficient
    integer-arithmetic-only inference", CVPR 2018): one scale for each output channel of the weights, one for
    what enters, from the smallest to the largest value that it takes on the images. Everything else stays in
    float32: normalisation, mask, comparison and score.

    Args:
        path: of an ONNX graph.
        images: each (1, C, H, W) in [0, 1]; they should look like what will be inspected, defects included,
            since larger values are cut off.
    """
    from onnxruntime.quantization import QuantFormat, QuantType, quantize_static

    # It advises to prepare the graph, which is prepared.
    with tempfile.TemporaryDirectory() as scratch, errors_alone(), atomic_path(path) as temporary:
        folded = Path(scratch) / "folded.onnx"
        _fold_constants(path, folded)
        quantize_static(
            folded,
            temporary,
            _reader(images),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            nodes_to_quantize=_large_convolutions(folded),
        )


def _fold_constants(path: Path, folded: Path) -> None:
    """Compute weights that the graph makes of others, such as those with a normalisation folded in."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.optimized_model_filepath = str(folded)
    onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def _large_convolutions(path: Path) -> list[str]:
    """Return the names of the nodes to quantise."""
    import onnx

    graph = onnx.load(path).graph
    shapes = {weights.name: tuple(weights.dims) for weights in graph.initializer}
    chosen = []
    for node in graph.node:
        if node.op_type == "Conv":
            _, inputs, *window = shapes[node.input[1]]
            if inputs >= _LEAST_INPUTS and min(window) >= _LEAST_SIDE:
                chosen.append(node.name)
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

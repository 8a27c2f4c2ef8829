"""What computes an exported graph on the line: ONNX Runtime or OpenVINO."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from excision.errors import ModelError

BackendName = Literal["onnx", "openvino"]
Precision = Literal["fp32", "bf16", "int8"]

INPUT = "image"
OUTPUTS = ("anomaly_map", "score", "attention", "mask", "holed", "recovery")
"""What the graph gives: the stages of the method, by name."""

PRECISIONS: dict[BackendName, tuple[Precision, ...]] = {
    "onnx": ("fp32", "int8"),
    "openvino": ("fp32", "bf16", "int8"),
}
"""What each backend can compute the networks in."""

MODEL_FILES: dict[BackendName, str] = {"onnx": "model.onnx", "openvino": "model.xml"}


class Backend(Protocol):
    """A loaded graph; it may be called from several threads at once."""

    def run(
        self, images: NDArray[np.float32], outputs: Sequence[str] = OUTPUTS
    ) -> dict[str, NDArray[np.float32]]:
        """Inspect images (B, C, H, W) in [0, 1] as far as the outputs need; by name, each (B, ...)."""


def open_backend(folder: Path, name: BackendName, precision: Precision, threads: int | None) -> Backend:
    """Load the graph of an exported folder.

    Args:
        folder: with the graph's file.
        name: of the backend; OpenVINO also computes what was exported for ONNX Runtime.
        precision: that the networks compute in.
        threads: of one inspection; None leaves it to the backend.

    Raises:
        ModelError: the file is missing or damaged, or the backend is not installed.
    """
    path = folder / MODEL_FILES[name]
    other = folder / MODEL_FILES["onnx"]
    if name == "openvino" and other.is_file():
        path = other  # which it reads too
    if not path.is_file():
        raise ModelError(f"{path} is missing: export the model again")
    try:
        return _OnnxRuntime(path, threads) if name == "onnx" else _openvino(path, precision, threads)
    except ModuleNotFoundError as error:
        raise ModelError(f"{folder} needs the package {error.name}: pip install {error.name}") from error
    except Exception as error:
        # The backends raise errors of their own kinds for whatever is wrong with a file.
        raise ModelError(f"{path}: cannot be loaded as a graph: {error}") from error


def _openvino(path: Path, precision: Precision, threads: int | None) -> Backend:
    from excision.deploy.openvino_graph import OpenVinoGraph

    return OpenVinoGraph(path, precision, threads)


class _OnnxRuntime:
    def __init__(self, path: Path, threads: int | None) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads or 0

        def session(graph: bytes) -> Any:
            return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])

        self._whole = session(path.read_bytes())
        self._parts = functools.cache(lambda outputs: session(_cut(path, outputs)))

    def run(
        self, images: NDArray[np.float32], outputs: Sequence[str] = OUTPUTS
    ) -> dict[str, NDArray[np.float32]]:
        computes = self._whole if outputs == OUTPUTS else self._parts(tuple(outputs))
        found: list[Any] = computes.run(list(outputs), {INPUT: images})
        return dict(zip(outputs, found, strict=True))


def _cut(path: Path, outputs: Sequence[str]) -> bytes:
    """Leave out of a graph what does not lead to these outputs; ONNX Runtime would compute it all the same.

    Raises:
        ModuleNotFoundError: the package onnx is not installed.
    """
    import onnx.utils

    whole = onnx.utils.Extractor(onnx.load(path))
    part: bytes = whole.extract_model([INPUT], list(outputs)).SerializeToString()
    return part

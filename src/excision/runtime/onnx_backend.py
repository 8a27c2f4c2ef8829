"""An exported graph on ONNX Runtime."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from excision.runtime.backend import INPUT, OUTPUTS


class OnnxBackend:
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

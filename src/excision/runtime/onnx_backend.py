"""Runs an exported graph in ONNX Runtime."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from excision.runtime.backend import INPUT, OUTPUTS, stored_names


class OnnxBackend:
    """A loaded graph; may be called from several threads at once.

    Args:
        path: path of the graph.
        threads: number of threads per inspection; None leaves it to ONNX Runtime.

    Raises:
        Exception: ONNX Runtime's own types, for a damaged file.
    """

    def __init__(self, path: Path, threads: int | None) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads or 0

        def session(graph: bytes) -> Any:
            return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])

        self._whole = session(path.read_bytes())
        self._stored = [output.name for output in self._whole.get_outputs()]
        self._parts = functools.cache(lambda names: session(_cut(path, names)))

    def run(
        self, images: NDArray[np.float32], outputs: Sequence[str] = OUTPUTS
    ) -> dict[str, NDArray[np.float32]]:
        """Compute the given outputs for images (B, C, H, W) in [0, 1]; arrays (B, ...) by name."""
        names = stored_names(outputs, self._stored)
        computes = self._whole if outputs == OUTPUTS else self._parts(tuple(names))
        found: list[Any] = computes.run(names, {INPUT: images})
        return dict(zip(outputs, found, strict=True))


def _cut(path: Path, names: Sequence[str]) -> bytes:
    """Remove the nodes that these outputs do not need, since ONNX Runtime would compute them anyway.

    Raises:
        ModuleNotFoundError: the package onnx is not installed.
    """
    import onnx.utils

    whole = onnx.utils.Extractor(onnx.load(path))
    part: bytes = whole.extract_model([INPUT], list(names)).SerializeToString()
    return part

"""Ranges of the values inside an exported graph, over images."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from excision.runtime.backend import INPUT
from excision.system.cores import cores
from excision.system.in_order import in_order


class Range(NamedTuple):
    """Smallest and largest value of a tensor."""

    least: float
    greatest: float


def value_ranges(
    path: Path, tensors: Sequence[str], images: Iterable[NDArray[np.float32]]
) -> dict[str, Range]:
    """Compute the range of tensors over images.

    As many images are computed at once as there are cores, each by one thread. The ranges are the same
    however many there are.

    Args:
        path: path of an ONNX graph.
        tensors: names of tensors that the graph computes in float32.
        images: at least one, each (1, C, H, W) in [0, 1].
    """
    session = _session(path, tensors)
    extremes = np.stack(list(in_order(partial(_extremes, session, tensors), images, cores())))
    least, greatest = extremes[..., 0].min(axis=0).tolist(), extremes[..., 1].max(axis=0).tolist()
    return {name: Range(*ends) for name, *ends in zip(tensors, least, greatest, strict=True)}


def _session(path: Path, tensors: Sequence[str]) -> Any:
    """Open the part of the graph that computes the tensors."""
    import onnx
    import onnxruntime
    from onnx.shape_inference import infer_shapes
    from onnx.utils import Extractor

    part = Extractor(infer_shapes(onnx.load(path))).extract_model([INPUT], list(tensors))
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(part.SerializeToString(), options, providers=["CPUExecutionProvider"])


def _extremes(session: Any, tensors: Sequence[str], image: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return (tensors, 2): smallest and largest value of each on an image."""
    values = session.run(list(tensors), {INPUT: image})
    return np.array([(each.min(), each.max()) for each in values], dtype=np.float32)

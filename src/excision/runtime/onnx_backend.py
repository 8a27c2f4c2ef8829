"""Runs an exported graph in ONNX Runtime."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from excision.errors import ModelError
from excision.runtime.backend import INPUT, OUTPUTS, Device, Port, Signature, stored_names
from excision.runtime.onnx_file import read_onnx

_PROCESSOR, _GPU = "CPUExecutionProvider", "CUDAExecutionProvider"


class OnnxBackend:
    """A loaded graph; may be called from several threads at once.

    Args:
        path: path of the graph.
        threads: number of threads per inspection; None leaves it to ONNX Runtime.
        device: where the networks are computed.

    Raises:
        ModelError: this ONNX Runtime cannot compute there.
        ValueError: the graph needs another file, or contains a loop.
        Exception: ONNX Runtime's own types, for a damaged file.
    """

    def __init__(self, path: Path, threads: int | None, device: Device = "cpu") -> None:
        import onnxruntime

        providers = _providers(device, onnxruntime.get_available_providers())
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads or 0
        # Otherwise memory for all that one image takes is kept apart, on top of what the first one took.
        options.enable_mem_pattern = False

        def session(graph: bytes) -> Any:
            opened = onnxruntime.InferenceSession(graph, options, providers=providers)
            # Where the libraries of CUDA do not fit, ONNX Runtime goes on with the processor.
            if opened.get_providers()[0] != providers[0]:
                raise ModelError(
                    f"{path}: ONNX Runtime cannot compute on a GPU here: check its driver, CUDA and cuDNN"
                )
            # It keeps the file to open it anew on another device, which is not wanted here.
            opened.disable_fallback()
            opened._model_bytes = b""
            return opened

        self._whole = session(read_onnx(path))
        self._stored = [output.name for output in self._whole.get_outputs()]
        self._parts = functools.cache(lambda names: session(_cut(read_onnx(path), names)))

    @property
    def signature(self) -> Signature:
        """What the graph takes and gives."""
        outputs = {output.name: _port(output) for output in self._whole.get_outputs()}
        named = zip(OUTPUTS, stored_names(OUTPUTS, outputs), strict=True)
        return Signature(
            {given.name: _port(given) for given in self._whole.get_inputs()},
            {name: outputs[stored] for name, stored in named if stored in outputs},
        )

    def run(
        self, images: NDArray[np.float32], outputs: Sequence[str] = OUTPUTS
    ) -> dict[str, NDArray[np.float32]]:
        """Compute the given outputs for images (B, C, H, W) in [0, 1]; arrays (B, ...) by name."""
        names = stored_names(outputs, self._stored)
        computes = self._whole if outputs == OUTPUTS else self._parts(tuple(names))
        found: list[Any] = computes.run(names, {INPUT: images})
        return dict(zip(outputs, found, strict=True))


def _providers(device: Device, available: Sequence[str]) -> list[str]:
    if device == "cpu":
        return [_PROCESSOR]
    if _GPU not in available:
        raise ModelError(
            "this ONNX Runtime cannot compute on a GPU; install onnxruntime-gpu in its place, or leave the "
            "GPU out"
        )
    # What has no kernel for the GPU is computed on the processor.
    return [_GPU, _PROCESSOR]


def _port(argument: Any) -> Port:
    # A dimension without a size has a name or None instead.
    sides = (side if isinstance(side, int) else None for side in argument.shape)
    return Port(tuple(sides), argument.type == "tensor(float)")


def _cut(graph: bytes, names: Sequence[str]) -> bytes:
    """Remove the nodes that these outputs do not need, since ONNX Runtime would compute them anyway.

    Raises:
        ModuleNotFoundError: the package onnx is not installed.
    """
    import onnx

    model = onnx.load_from_string(graph)
    whole, needed, nodes = model.graph, set(names), []
    for node in reversed(whole.node):
        if not needed.isdisjoint(node.output):
            nodes.append(node)
            needed.update(_taken(node))
    outputs = {output.name: output for output in whole.output}
    weights = [tensor for tensor in whole.initializer if tensor.name in needed]
    del whole.node[:], whole.output[:], whole.initializer[:]
    whole.node.extend(reversed(nodes))
    whole.output.extend(outputs[name] for name in names)
    whole.initializer.extend(weights)
    part: bytes = model.SerializeToString()
    return part


def _taken(node: Any) -> list[str]:
    """Return the names of the values that a node takes; its branches may take more than its inputs."""
    inner = [each for attribute in node.attribute for each in attribute.g.node]
    return [*node.input, *(name for each in inner for name in each.input)]

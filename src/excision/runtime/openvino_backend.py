"""Runs an exported graph in OpenVINO, compiled for one image at a time."""

from __future__ import annotations

import functools
import queue
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from excision.runtime.backend import OUTPUTS, Port, Precision, Signature, stored_names
from excision.runtime.onnx_file import read_onnx

_FULL, _HALF = "f32", "bf16"

_LOOPS = ("Loop", "TensorIterator")
"""Operations whose work for an image may have no bound."""

# In its first inference, OpenVINO builds tables of numpy's types. A thread that builds them and lets others
# run meanwhile, and one that then asks for them, wait for each other forever.
_building, _built = threading.Lock(), threading.Event()

_BRANCH = "If"
"""Operation with graphs of its own. `read_onnx` has checked them in an ONNX file; OpenVINO's own has none."""


class OpenVinoBackend:
    """A loaded graph; may be called from several threads at once.

    A graph with a fixed batch size runs more than twice as fast as one with a dynamic batch size. So a batch
    is inspected image by image, which also makes the score of an image independent of the rest of the batch.

    With bfloat16, the nodes up to the first convolutions stay in float32: they subtract the mean of a
    surface, and on an even surface the eight bits of bfloat16 would leave nothing of the difference.

    Args:
        path: path of the graph, in ONNX or OpenVINO format.
        precision: precision in which the networks are computed.
        threads: number of threads per inspection; None leaves it to OpenVINO.
        workers: inspections that are computed at once, when they are asked for by as many threads. Any others
            wait: OpenVINO computes no more at once than it was compiled for.

    Raises:
        ModuleNotFoundError: the package openvino is not installed.
        Exception: OpenVINO's own types, for a damaged file.
    """

    def __init__(self, path: Path, precision: Precision, threads: int | None, workers: int = 1) -> None:
        import openvino

        if path.suffix == ".onnx":
            read_onnx(path)
        self._core = openvino.Core()
        self._path = path
        self._networks = _HALF if precision == "bf16" else _FULL
        self._options: dict[str, Any] = {"PERFORMANCE_HINT": "LATENCY"}
        if threads is not None:
            self._options["INFERENCE_NUM_THREADS"] = threads * workers
        if workers > 1:
            # Threads that are bound to cores would have to share one with those of another process.
            self._options |= {"NUM_STREAMS": workers, "ENABLE_CPU_PINNING": False}
        self._signature = self._described()
        # One compiled graph per set of outputs; nodes that they do not need are left out.
        self._compiled = functools.cache(self._compile)
        self._compiled(OUTPUTS)

    @property
    def signature(self) -> Signature:
        """What the graph takes and gives."""
        return self._signature

    def run(
        self, images: NDArray[np.float32], outputs: Sequence[str] = OUTPUTS
    ) -> dict[str, NDArray[np.float32]]:
        """Compute the given outputs for images (B, C, H, W) in [0, 1]; arrays (B, ...) by name."""
        singles = [self._single(image[None], tuple(outputs)) for image in images]
        if len(singles) == 1:
            return dict(zip(outputs, singles[0], strict=True))
        return {name: np.concatenate(parts) for name, *parts in zip(outputs, *singles, strict=True)}

    def _single(self, image: NDArray[np.float32], outputs: tuple[str, ...]) -> list[NDArray[np.float32]]:
        given: list[NDArray[np.float32]] = []
        for part in self._compiled(outputs):
            given = part.infer([image, *given])
        return given

    def _described(self) -> Signature:
        """Describe the graph as it is stored.

        Raises:
            ValueError: it contains a loop or a branch.
        """
        model = self._core.read_model(self._path)
        refused = _LOOPS if self._path.suffix == ".onnx" else (*_LOOPS, _BRANCH)
        if any(node.get_type_name() in refused for node in model.get_ops()):
            raise ValueError(
                "the graph contains a loop or a branch: only graphs that `excision export` wrote are run"
            )
        outputs = {name: _port(output) for output in model.outputs for name in output.get_names()}
        named = zip(OUTPUTS, stored_names(OUTPUTS, outputs), strict=True)
        return Signature(
            {name: _port(given) for given in model.inputs for name in given.get_names()},
            {name: outputs[stored] for name, stored in named if stored in outputs},
        )

    def _compile(self, outputs: tuple[str, ...]) -> list[_Part]:
        """Compile the parts of the graph; each takes the image and the output of the previous part."""
        whole = self._read(outputs)
        entrances = _entrances(whole)
        if self._networks == _FULL or not entrances:
            return [self._in(whole, self._networks)]
        from openvino import Model, opset1

        # From a second copy, since the first is split.
        approach = self._read(outputs)
        images = whole.get_parameters()
        seams = []
        for entrance in entrances:
            seam = opset1.parameter(entrance.get_shape(), entrance.get_element_type())
            for target in entrance.get_target_inputs():
                target.replace_source_output(seam.output(0))
            seams.append(seam)
        return [
            self._in(Model(_entrances(approach), approach.get_parameters()), _FULL),
            self._in(Model(whole.get_results(), [*images, *seams]), self._networks),
        ]

    def _read(self, outputs: tuple[str, ...]) -> Any:
        from openvino import Model

        model = self._core.read_model(self._path)
        shape = model.input().partial_shape
        shape[0] = 1
        model.reshape(shape)
        stored = {name for output in model.outputs for name in output.get_names()}
        return Model([model.output(name) for name in stored_names(outputs, stored)], model.get_parameters())

    def _in(self, model: Any, precision: str) -> _Part:
        options = {**self._options, "INFERENCE_PRECISION_HINT": precision}
        return _Part(self._core.compile_model(model, "CPU", options))


class _Part:
    """A compiled graph, with the requests that no thread uses at the moment.

    A request holds the memory of all results in between. To make one for each image took a fifth of the time
    of an inspection.

    Attributes:
        compiled: the compiled graph.
    """

    def __init__(self, compiled: Any) -> None:
        self.compiled = compiled
        self._idle: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def infer(self, given: Sequence[NDArray[np.float32]]) -> list[NDArray[np.float32]]:
        """Compute all outputs."""
        try:
            # One request cannot serve two threads.
            request = self._idle.get_nowait()
        except queue.Empty:
            request = self.compiled.create_infer_request()
        if _built.is_set():
            results = self._compute(request, given)
        else:
            with _building:
                results = self._compute(request, given)
            _built.set()
        self._idle.put(request)
        return results

    def _compute(self, request: Any, given: Sequence[NDArray[np.float32]]) -> list[NDArray[np.float32]]:
        found = request.infer(given, share_inputs=True, share_outputs=True)
        # Copies, since the next inspection writes its results to the same memory.
        return [np.array(found[place]) for place in range(len(self.compiled.outputs))]


def _port(node: Any) -> Port:
    shape = node.get_partial_shape()
    if shape.rank.is_dynamic:
        return Port((), is_float=False)
    sides = (side.get_length() if side.is_static else None for side in shape)
    return Port(tuple(sides), node.get_element_type().get_type_name() == "f32")


def _entrances(model: Any) -> list[Any]:
    """Return the inputs of the convolutions that do not follow another convolution."""
    behind: set[str] = set()
    entrances = []
    for node in model.get_ordered_ops():
        sources = [node.input_value(place) for place in range(node.get_input_size())]
        after = any(source.get_node().get_friendly_name() in behind for source in sources)
        if node.get_type_name() == "Convolution":
            if not after:
                entrances.append(sources[0])
            after = True
        if after:
            behind.add(node.get_friendly_name())
    return entrances

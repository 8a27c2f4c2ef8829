"""The engines in which each method is timed, in the precisions that they compute."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from excision.errors import SettingsError

Images = NDArray[np.float32]
Run = Callable[[Images], None]
Precision = Literal["fp32", "bf16", "int8"]

CALIBRATION_IMAGES = 4
"""Drawn images that determine the value ranges of int8: enough for a time, too few for a good model."""

_OPSET = 20


class Engine(NamedTuple):
    """An engine and a precision.

    Attributes:
        name: "torch", "onnx" or "openvino".
        precision: "fp32", "bf16" or "int8".
    """

    name: Literal["torch", "onnx", "openvino"]
    precision: Precision

    @property
    def graph(self) -> str | None:
        """Name of the file that it computes; None for torch."""
        if self.name == "torch":
            return None
        return "int8.onnx" if self.precision == "int8" else "fp32.onnx"

    @property
    def label(self) -> str:
        """For tables."""
        names = {"torch": "torch", "onnx": "ONNX Runtime", "openvino": "OpenVINO"}
        return f"{names[self.name]} {self.precision}"


ENGINES = (
    Engine("torch", "fp32"),
    Engine("torch", "bf16"),
    Engine("onnx", "fp32"),
    Engine("onnx", "int8"),
    Engine("openvino", "fp32"),
    Engine("openvino", "bf16"),
    Engine("openvino", "int8"),
)
"""Every engine in every precision that it computes on a processor."""


def engines_of(given: str | None) -> tuple[Engine, ...]:
    """Read engines, separated by commas: a name such as "torch", or one with a precision, "torch-fp32".

    Raises:
        SettingsError: there is no such engine.
    """
    if given is None:
        return ENGINES
    chosen: dict[Engine, None] = {}
    for part in (each.strip() for each in given.split(",")):
        found = [each for each in ENGINES if part in (each.name, f"{each.name}-{each.precision}")]
        if not found:
            known = ", ".join(f"{each.name}-{each.precision}" for each in ENGINES)
            raise SettingsError(f'"{part}" is not an engine: choose from torch, onnx, openvino, {known}')
        chosen |= dict.fromkeys(found)
    return tuple(chosen)


def write_graph(network: object, image: Images, path: Path) -> None:
    """Write a network as ONNX for one image.

    Args:
        network: module that turns an image into a map and a score.
        image: (1, C, H, W) in [0, 1].
        path: path of the file.
    """
    import torch

    from excision.runtime.backend import INPUT
    from excision.system.files import atomic_path

    assert isinstance(network, torch.nn.Module)
    with torch.no_grad(), atomic_path(path) as temporary, _quiet():
        program = torch.onnx.export(
            network,
            (torch.from_numpy(image),),
            input_names=[INPUT],
            output_names=["anomaly_map", "score"],
            opset_version=_OPSET,
            dynamo=True,
            verbose=False,
        )
        assert program is not None  # always returned with `dynamo`
        program.save(temporary, external_data=False)


def opened(engine: Engine, network: object, graph: Path | None, threads: int) -> Run:
    """Make a method ready to inspect images (1, C, H, W).

    Args:
        engine: that computes.
        network: module, for torch; not used by the others.
        graph: ONNX file, for the others.
        threads: of one inspection.
    """
    if engine.name == "torch":
        return _torch(engine, network, threads)
    assert graph is not None
    return _onnx(graph, threads) if engine.name == "onnx" else _openvino(engine, graph, threads)


def _torch(engine: Engine, network: object, threads: int) -> Run:
    import torch

    assert isinstance(network, torch.nn.Module)
    torch.set_num_threads(threads)

    def run(images: Images) -> None:
        with (
            torch.inference_mode(),
            torch.autocast("cpu", torch.bfloat16, enabled=engine.precision == "bf16"),
        ):
            network(torch.from_numpy(images))

    return run


def _onnx(graph: Path, threads: int) -> Run:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name

    def run(images: Images) -> None:
        session.run(None, {name: images})

    return run


def _openvino(engine: Engine, graph: Path, threads: int) -> Run:
    import openvino

    half = "bf16" if engine.precision == "bf16" else "f32"
    options = {
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_NUM_THREADS": threads,
        "INFERENCE_PRECISION_HINT": half,
    }
    request = openvino.Core().compile_model(graph, "CPU", options).create_infer_request()

    def run(images: Images) -> None:
        request.infer([images], share_inputs=True)

    return run


def drawn_images(channels: int, size: Sequence[int], count: int) -> list[Images]:
    """Draw images (1, C, H, W) in [0, 1], the same in every process."""
    rng = np.random.default_rng(0)
    return [rng.random((1, channels, *size), dtype=np.float32) for _ in range(count)]


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    from excision.export.quiet import errors_alone

    with errors_alone("torch.onnx"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield

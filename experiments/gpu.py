"""Measure inspection, decoding and training on a GPU, within a time limit, and write the figures as JSON.

    python experiments/gpu.py --out gpu.json [--run RUN] [--minutes 6] [--device cuda]

Times images of 256 x 256 pixels: inspection with torch in float32 and bfloat16, with channels last and as a
CUDA graph, in batches of 1 to 256; inspection with ONNX Runtime through each provider that it has of
TensorRT, CUDA and the processor; decoding JPEG files with Pillow and, where torchvision is installed, with
nvJPEG; training for the default number of steps. Checks whether a second inspection of the same batch, and
the same images one at a time, give the same scores bit for bit, and how far they are from the scores of the
processor. Without `--run` the model is trained for two steps on drawn surfaces: times do not depend on the
weights. Where there is no GPU, the same code runs on the processor, and the file says so. What fails is
recorded with the reason, and what the time limit leaves out is listed; the rest is measured all the same.
"""

from __future__ import annotations

import argparse
import io
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from excision import Detector
from excision.benchmark.cell import machine
from excision.benchmark.peers.own import load_own, train_own
from excision.export.graph import write_onnx
from excision.method.pipeline import Pipeline
from excision.settings import Settings
from excision.synthetic.dataset import write_synthetic
from excision.system.files import write_json

SIZE = (256, 256)
BATCHES = (1, 4, 16, 64, 256)
TRAINING_IMAGES = 100

_EACH = 0.5  # seconds that one configuration is timed, about
_RESERVED = 60.0  # seconds that are kept for training
_PICTURES = 64
_PROVIDERS = ("TensorrtExecutionProvider", "CUDAExecutionProvider", "CPUExecutionProvider")

Call = Callable[[], object]
Figures = dict[str, Any]


def main() -> int:
    arguments = _arguments()
    device = torch.device(arguments.device)
    study = Study(device, time.monotonic() + 60 * arguments.minutes)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        run = arguments.run or folder / "run"
        if arguments.run is None:
            train_own(run, SIZE)
        pipeline = load_own(run, SIZE).pipeline.to(device).eval()
        study.inspect(pipeline)
        study.compare(pipeline, load_own(run, SIZE).pipeline.eval())
        study.decode()
        study.graph(pipeline, folder / "model.onnx")
        study.train(folder, arguments.steps)
    write_json(arguments.out, study.content())
    print(f"Results: {arguments.out}")
    return 0


@dataclass
class Study:
    """What is measured on one device until a time.

    Attributes:
        device: that is measured.
        until: when what is left is left out, by the monotonic clock.
        results: figures by what was measured.
        failures: reasons by what failed.
        left_out: what there was no time for.
    """

    device: torch.device
    until: float
    results: dict[str, Any] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)

    def content(self) -> dict[str, Any]:
        """Give everything for JSON."""
        gpu = torch.cuda.get_device_name(self.device) if self.device.type == "cuda" else None
        return {
            "machine": machine() | {"gpu": gpu, "cuda": torch.version.cuda},
            "device": str(self.device) if gpu else "no GPU: everything ran on the processor",
            "size": SIZE,
            "results": self.results,
            "failures": self.failures,
            "left_out": self.left_out,
        }

    def inspect(self, pipeline: Pipeline) -> None:
        """Time the ways of torch."""
        for name, way in WAYS.items():
            for batch in BATCHES:
                self._measure(f"torch {name}, batch {batch}", partial(_time_way, way, pipeline, batch))

    def compare(self, pipeline: Pipeline, reference: Pipeline) -> None:
        """Compare scores: with themselves, one at a time, and with those of the processor."""
        self._measure("determinism", partial(_compare, pipeline, reference, self.device))

    def decode(self) -> None:
        """Time the decoding of JPEG files."""
        pictures = list(jpegs(_PICTURES))
        self._measure("decoding, Pillow, one thread", partial(_decode_pillow, pictures))
        self._measure(
            f"decoding, torchvision, {self.device.type}", partial(_decode_torch, pictures, self.device)
        )

    def graph(self, pipeline: Pipeline, path: Path) -> None:
        """Time the exported graph with each provider of ONNX Runtime."""
        import onnxruntime

        self._measure("export", partial(_export, pipeline, path))
        for provider in onnxruntime.get_available_providers():
            if path.is_file() and provider in _PROVIDERS:
                channels = pipeline.image_format.channels
                self._measure(f"onnxruntime, {provider}", partial(_time_graph, path, provider, channels))

    def train(self, folder: Path, steps: int | None) -> None:
        """Time a training on drawn surfaces, from reading to the calibrated model."""
        self._measure("training", partial(_train, folder, str(self.device), steps), reserved=0.0)

    def _measure(self, name: str, part: Callable[[], Figures], reserved: float = _RESERVED) -> None:
        if time.monotonic() > self.until - reserved:
            self.left_out.append(name)
            return
        try:
            self.results[name] = part()
        except Exception as error:  # whatever a driver raises: the other parts must still run
            self.failures[name] = f"{type(error).__name__}: {error}".splitlines()[0][:300]
            print(f"{name}: failed: {self.failures[name]}", file=sys.stderr, flush=True)
        else:
            print(f"{name}: {self.results[name]}", file=sys.stderr, flush=True)


def _eager(pipeline: Pipeline, images: Tensor, dtype: torch.dtype, layout: torch.memory_format) -> Call:
    images = images.contiguous(memory_format=layout)

    def call() -> None:
        with torch.inference_mode(), torch.autocast(images.device.type, dtype, dtype != torch.float32):
            pipeline.inspect(images)

    return call


def _cuda_graph(pipeline: Pipeline, images: Tensor) -> Call:
    """Record the inspection once, after a warm-up on another stream, as torch asks for."""
    if images.device.type != "cuda":
        raise RuntimeError("CUDA graphs need a GPU")
    stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]  # torch leaves it untyped
    stream.wait_stream(torch.cuda.current_stream())
    with torch.no_grad(), torch.cuda.stream(stream):
        for _ in range(3):
            pipeline.inspect(images)
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.no_grad(), torch.cuda.graph(graph):
        pipeline.inspect(images)
    return graph.replay


WAYS: dict[str, Callable[[Pipeline, Tensor], Call]] = {
    "float32": partial(_eager, dtype=torch.float32, layout=torch.contiguous_format),
    "bfloat16": partial(_eager, dtype=torch.bfloat16, layout=torch.contiguous_format),
    "bfloat16, channels last": partial(_eager, dtype=torch.bfloat16, layout=torch.channels_last),
    "float32, CUDA graph": _cuda_graph,
}


def _time_way(way: Callable[[Pipeline, Tensor], Call], pipeline: Pipeline, batch: int) -> Figures:
    device = next(pipeline.parameters()).device
    images = noise(batch, pipeline.image_format.channels, device)
    seconds = timed(way(pipeline, images), device)
    return {"milliseconds": 1e3 * seconds, "images_per_second": batch / seconds}


@torch.inference_mode()
def _compare(pipeline: Pipeline, reference: Pipeline, device: torch.device) -> Figures:
    images = noise(16, pipeline.image_format.channels, device)
    first, second = (pipeline.inspect(images).score.cpu() for _ in range(2))
    singly = torch.cat([pipeline.inspect(image[None]).score.cpu() for image in images])
    product, expected = pipeline(images).score.cpu(), reference(images.cpu()).score
    return {
        "same_batch_again_is_equal": bool(torch.equal(first, second)),
        "batch_equals_one_at_a_time": bool(torch.equal(first, singly)),
        "product_equals_one_at_a_time": bool(torch.equal(product, singly)),
        "largest_relative_difference_from_processor": float(
            ((product - expected).abs() / expected.abs().clamp_min(1e-9)).max()
        ),
    }


def _decode_pillow(pictures: Sequence[bytes]) -> Figures:
    def call() -> None:
        for each in pictures:
            np.asarray(Image.open(io.BytesIO(each)))

    return {"images_per_second": len(pictures) / timed(call, torch.device("cpu"))}


def _decode_torch(pictures: Sequence[bytes], device: torch.device) -> Figures:
    decode: Any = import_module("torchvision.io").decode_jpeg  # no dependency: its absence is recorded
    encoded = [torch.frombuffer(bytearray(each), dtype=torch.uint8) for each in pictures]
    seconds = timed(lambda: decode(encoded, device=device), device)
    return {"images_per_second": len(pictures) / seconds}


def _export(pipeline: Pipeline, path: Path) -> Figures:
    start = time.perf_counter()
    write_onnx(pipeline, path)
    return {"seconds": time.perf_counter() - start}


def _time_graph(path: Path, provider: str, channels: int) -> Figures:
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=[provider])
    if session.get_providers()[0] != provider:
        raise RuntimeError(f"{provider} cannot be used here: check CUDA, cuDNN and TensorRT")
    found: Figures = {}
    for batch in BATCHES:
        given = {session.get_inputs()[0].name: noise(batch, channels, torch.device("cpu")).numpy()}
        seconds = timed(partial(session.run, None, given), torch.device("cpu"))
        found[f"batch {batch}"] = {"milliseconds": 1e3 * seconds, "images_per_second": batch / seconds}
    return found


def _train(folder: Path, device: str, steps: int | None) -> Figures:
    settings = Settings()
    if steps is not None:
        settings = replace(
            settings,
            attention=replace(settings.attention, tuning=steps),
            training=replace(settings.training, steps=steps),
        )
    write_synthetic(
        folder / "images",
        seed=0,
        size=SIZE,
        train=TRAINING_IMAGES,
        test_good=1,
        per_defect=1,
        surfaces=("brushed_metal",),
    )
    start = time.perf_counter()
    Detector(settings, device=device).fit(folder / "images", folder / "trained")
    return {
        "seconds": time.perf_counter() - start,
        "images": TRAINING_IMAGES,
        "steps": settings.training.steps,
        "tuning": settings.attention.tuning,
    }


def noise(batch: int, channels: int, device: torch.device) -> Tensor:
    """Draw images (B, C, 256, 256) in [0, 1]."""
    draw = torch.Generator().manual_seed(0)
    return torch.rand(batch, channels, *SIZE, generator=draw).to(device)


def jpegs(count: int) -> Iterator[bytes]:
    """Draw surfaces of 1024 x 1024 pixels as JPEG files."""
    rng = np.random.default_rng(0)
    for _ in range(count):
        stream = io.BytesIO()
        rows = rng.normal(120, 20, (1024, 1)) + rng.normal(0, 5, (1024, 1024))
        Image.fromarray(rows.clip(0, 255).astype(np.uint8)).save(stream, "JPEG", quality=90)
        yield stream.getvalue()


def timed(call: Call, device: torch.device) -> float:
    """Return the median seconds of a call; the first is a warm-up."""
    taken: list[float] = []
    spent = 0.0
    for number in range(1000):
        start = time.perf_counter()
        call()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        seconds = time.perf_counter() - start
        if number > 0:
            taken.append(seconds)
            spent += seconds
        if taken and spent >= _EACH:
            break
    return statistics.median(taken)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--run", type=Path, help="run folder of a model for images of 256 x 256 pixels")
    parser.add_argument("--minutes", type=float, default=6.0, help="time limit; training begins before it")
    parser.add_argument("--steps", type=int, help="training steps instead of the default")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())

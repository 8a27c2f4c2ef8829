"""Measures the speed of an exported model on this machine, stage by stage and relative to its peak rate.

A stage is timed by running the graph up to its end and subtracting the time of the previous stage. The
measurements alternate in one process, so that noise on the machine affects all of them equally.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from excision.data.images import load_working_image
from excision.errors import ModelError
from excision.ops.unit_range import to_unit
from excision.runtime.backend import BackendName
from excision.runtime.backends import open_backend
from excision.runtime.golden_file import Golden
from excision.runtime.model_folder import Description

STAGES = ("decode", "attention", "mask", "recovery", "map")

_ENDS = {
    "attention": ("attention",),
    "mask": ("masked_image",),
    "recovery": ("recovery",),
    "map": ("anomaly_map", "score"),
}
_SIDE = 1024  # side of the square matrices whose product measures the machine's peak rate


@dataclass(frozen=True, slots=True)
class Speed:
    """The speed of one backend with a given number of threads and batch size.

    Attributes:
        backend: name of the backend.
        threads: number of threads per inspection.
        batch: number of images per batch.
        milliseconds: time of each of `STAGES` for one image.
        images_per_second: throughput end to end, from a PNG file to the score.
        limit_share: floating-point operations per second of its networks, divided by those of a large matrix
            product in float32 with the same number of threads; 0 to 1. None if the folder does not state the
            number of operations, and for int8.
        recovery_share: the same for the recovery network only.
        first_result: seconds from the start of a process to its first score.
    """

    backend: BackendName
    threads: int
    batch: int
    milliseconds: dict[str, float]
    images_per_second: float
    limit_share: float | None
    recovery_share: float | None
    first_result: float


def measure(
    folder: Path, backend: BackendName, threads: int, batches: Sequence[int], repeats: int
) -> list[Speed]:
    """Measure in a separate process, since libraries fix their number of threads when they are loaded.

    Args:
        folder: folder that `excision export` wrote.
        backend: backend to measure.
        threads: number of threads per inspection.
        batches: batch sizes.
        repeats: number of repetitions; the fastest counts, since other load on the machine only adds time.

    Raises:
        ModelError: the model cannot be loaded or run, or the backend is not installed.
    """
    command = [sys.executable, "-m", "excision.runtime.speed", str(folder), backend, str(threads)]
    count = {name: str(threads) for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")}
    start = time.time()
    done = subprocess.run(
        [*command, str(repeats), *map(str, batches)],
        env={**os.environ, **count, "EXCISION_BENCH_START": repr(start)},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise ModelError(f"{folder}: {(done.stderr.strip().splitlines() or ['the measurement failed'])[-1]}")
    return [Speed(**line) for line in json.loads(done.stdout)]


def matrix_product_rate(repeats: int = 5) -> float:
    """Return the peak floating-point operations per second of a large matrix product in float32."""
    rng = np.random.default_rng(0)
    left, right = (rng.random((_SIDE, _SIDE), dtype=np.float32) for _ in range(2))
    return 2 * _SIDE**3 / min(_seconds(lambda: left @ right) for _ in range(repeats + 1))


def _measure_here(
    folder: Path, name: BackendName, threads: int, repeats: int, batches: Sequence[int]
) -> list[Speed]:
    description, golden = Description.load(folder), Golden.load(folder)
    backend = open_backend(folder, name, description.precision, threads)
    pixels = to_unit(golden.images).transpose(0, 3, 1, 2)
    backend.run(np.ascontiguousarray(pixels[:1]))
    first_result = time.time() - float(os.environ.get("EXCISION_BENCH_START", time.time()))
    found = []
    with tempfile.TemporaryDirectory() as scratch:
        picture = _picture(golden.images[0], description.channels, scratch)
        for batch in batches:
            images = np.ascontiguousarray(np.resize(pixels, (batch, *pixels.shape[1:])))
            calls: dict[str, Callable[[], object]] = {
                "decode": partial(_decode, picture, description, batch),
                **{stage: partial(backend.run, images, outputs) for stage, outputs in _ENDS.items()},
            }
            rate = matrix_product_rate()
            times = _interleaved(calls, repeats)
            rate = max(rate, matrix_product_rate())
            found.append(_speed(name, threads, batch, times, rate, description, first_result))
    return found


def _decode(picture: Path, description: Description, batch: int) -> None:
    for _ in range(batch):
        load_working_image(picture, description.size, description.channels)


def _speed(
    name: BackendName,
    threads: int,
    batch: int,
    ends: dict[str, float],
    rate: float,
    description: Description,
    first_result: float,
) -> Speed:
    stages, before = {"decode": ends["decode"]}, 0.0
    for stage in _ENDS:
        stages[stage] = max(ends[stage] - before, 0.0)
        before = max(ends[stage], before)
    work = {} if description.precision == "int8" else description.operations
    networks = stages["attention"] + stages["recovery"]
    return Speed(
        backend=name,
        threads=threads,
        batch=batch,
        milliseconds={stage: round(1e3 * seconds / batch, 4) for stage, seconds in stages.items()},
        images_per_second=batch / (ends["decode"] + ends["map"]),
        limit_share=_share(batch * sum(work.values()), networks * rate),
        recovery_share=_share(batch * work.get("recovery", 0), stages["recovery"] * rate),
        first_result=first_result,
    )


def _share(done: float, possible: float) -> float | None:
    return done / possible if done and possible else None


def _interleaved(calls: dict[str, Callable[[], object]], repeats: int) -> dict[str, float]:
    for call in calls.values():
        call()
    times: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(repeats):
        for name, call in calls.items():
            times[name].append(_seconds(call))
    return {name: min(measured) for name, measured in times.items()}


def _picture(image: NDArray[np.uint16], channels: int, folder: str) -> Path:
    path = Path(folder) / "image.png"
    eight = (image >> 8).astype(np.uint8)
    Image.fromarray(eight[..., 0] if channels == 1 else eight).save(path)
    return path


def _seconds(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def _main(arguments: Sequence[str]) -> None:
    folder, name, threads, repeats, *batches = arguments
    backend: BackendName = "onnx" if name == "onnx" else "openvino"
    speeds = _measure_here(Path(folder), backend, int(threads), int(repeats), list(map(int, batches)))
    print(json.dumps([asdict(speed) for speed in speeds]))


if __name__ == "__main__":
    _main(sys.argv[1:])

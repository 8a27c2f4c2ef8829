"""Measures images per second; the methods take turns, so that noise on the machine affects all equally."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import torch
from torch import Tensor

from excision.baselines import baseline
from excision.benchmark.cell import machine, with_inference
from excision.benchmark.plan import EAR, ROUNDS, THROUGHPUT, Inference
from excision.data import Dataset, load_dataset
from excision.detector import Detector
from excision.errors import DatasetError, ImageError, ModelError
from excision.export.examples import graph_image
from excision.method.recovery.training import compute_dtype
from excision.method.run_folder import read_json
from excision.ops.devices import choose_device
from excision.ops.memory_format import image_tensor, lay_out
from excision.ops.spread import evenly_spread
from excision.progress import Bars
from excision.system.files import write_json
from excision.tiling.image_format import ImageFormat

BATCHES = (1, 16)
SINGLES = 8
"""Number of images per round at batch size 1."""

Inspect = Callable[[Tensor], Any]


def time_methods(job: dict[str, Any], bars: Bars) -> None:
    """Time the models of a data set in turn and write `throughput.json` after each round.

    Args:
        job: "folder" of the results, "data", "layout", and "models": for each name its "run" folder,
            "method" and "inference".
        bars: progress bars.

    Raises:
        ExcisionError: there are no images or no models.
    """
    file = Path(job["folder"]) / THROUGHPUT
    device = choose_device("auto")
    models, errors, sizes = _load(job["models"])
    if not models:
        raise ModelError("no model can be timed: " + "; ".join(errors.values()))
    shown = next(iter(sizes.values()))
    images = tensors_to_time(load_dataset(job["data"], job["layout"], leave_out=True), shown, device)
    precisions = _choose_precisions(models, images, device, errors)
    if not models:
        raise ModelError("no model can be timed: " + "; ".join(errors.values()))
    protocol = {
        "models": job["models"],
        "timed": list(models),
        "machine": machine(),
        "size": list(images.shape[2:]),
    }
    content = _begun(file, protocol)
    content |= {"precision": {name: _names(dtypes) for name, dtypes in precisions.items()}, "errors": errors}
    for done in range(len(content["rounds"]), ROUNDS):
        content["rounds"].append(_round(models, images, precisions))
        content["summary"] = summarise(content["rounds"])
        write_json(file, content)
        bars.stage("timing", done + 1, ROUNDS)


def summarise(rounds: Sequence[dict[str, dict[str, float]]]) -> dict[str, dict[str, dict[str, float | None]]]:
    """Return the median images per second for each model and batch, and the median ratio to EAR.

    The ratio is computed within each round, in which conditions are the same for both.

    Args:
        rounds: images per second by batch and model.

    Returns:
        "images_per_second" and "ratio" by model and batch; the ratio is None if EAR was not timed.
    """
    summary: dict[str, dict[str, dict[str, float | None]]] = {}
    for batch, timed in rounds[0].items():
        for name in timed:
            speeds = [entry[batch][name] for entry in rounds]
            ratios = [entry[batch][name] / entry[batch][EAR] for entry in rounds if EAR in entry[batch]]
            summary.setdefault(name, {})[batch] = {
                "images_per_second": median(speeds),
                "ratio": median(ratios) if ratios else None,
            }
    return summary


def tensors_to_time(dataset: Dataset, shown: ImageFormat, device: torch.device) -> Tensor:
    """Return test images spread over the data set, repeated if there are too few.

    Args:
        dataset: data set with test images.
        shown: image format of the methods; with a tiling, the tile in the centre of each image is used.
        device: device for the tensor.

    Returns:
        (16, C, H, W) in [0, 1].

    Raises:
        DatasetError: no test image can be read.
    """
    samples, count = dataset.test, max(BATCHES)
    found = []
    for place in evenly_spread(len(samples), count):
        with contextlib.suppress(ImageError):
            found.append(image_tensor(graph_image(samples[place].image, shown), device))
    if not found:
        raise DatasetError(f"{dataset.root}: none of its test images can be read")
    return lay_out(torch.cat([found[place % len(found)] for place in range(count)]))


def _load(
    named: dict[str, dict[str, Any]],
) -> tuple[dict[str, Inspect], dict[str, str], dict[str, ImageFormat]]:
    """Load every model; returns the models, the errors of those that failed, and the images for each."""
    models: dict[str, Inspect] = {}
    errors: dict[str, str] = {}
    sizes: dict[str, ImageFormat] = {}
    for name, model in named.items():
        try:
            if model["method"] == EAR:
                detector = with_inference(Detector.load(model["run"]), Inference(**model["inference"]))
                models[name], sizes[name] = detector.pipeline, detector.image_format
            else:
                found = baseline(model["method"]).load(model["run"])
                models[name], sizes[name] = found.network, found.image_format
        except Exception as error:
            # An error of one model must not prevent timing the others.
            models.pop(name, None)
            errors[name] = f"{type(error).__name__}: {error}"
    return models, errors, sizes


def _choose_precisions(
    models: dict[str, Inspect], images: Tensor, device: torch.device, errors: dict[str, str]
) -> dict[str, dict[int, torch.dtype]]:
    """Find the fastest precision that the machine computes natively, for each model and batch.

    A model that fails in every precision is moved from `models` to `errors`. The first pass is a warm-up and
    is not timed.
    """
    native = dict.fromkeys((torch.float32, compute_dtype("auto", device)))
    precisions: dict[str, dict[int, torch.dtype]] = {}
    for name, inspect in list(models.items()):
        fastest: dict[int, torch.dtype] = {}
        for batch in BATCHES:
            seconds: dict[torch.dtype, float] = {}
            for dtype in native:
                try:
                    _seconds(inspect, [images[:batch]], dtype)
                    seconds[dtype] = _seconds(inspect, [images[:batch]], dtype)
                except (RuntimeError, NotImplementedError, ValueError, TypeError) as error:
                    errors[name] = f"{dtype}: {error}"
            if seconds:
                fastest[batch] = min(seconds, key=lambda dtype: seconds[dtype])
        if len(fastest) == len(BATCHES):
            precisions[name] = fastest
            errors.pop(name, None)
        else:
            del models[name]
    return precisions


def _round(
    models: dict[str, Inspect], images: Tensor, precisions: dict[str, dict[int, torch.dtype]]
) -> dict[str, dict[str, float]]:
    """Time every model once with each batch; returns images per second by batch and model."""
    speeds: dict[str, dict[str, float]] = {}
    for batch in BATCHES:
        count = SINGLES if batch == 1 else batch
        parts = [images[start : start + batch] for start in range(0, count, batch)]
        speeds[str(batch)] = {
            name: count / _seconds(inspect, parts, precisions[name][batch])
            for name, inspect in models.items()
        }
    return speeds


@torch.no_grad()
def _seconds(inspect: Inspect, parts: Sequence[Tensor], dtype: torch.dtype) -> float:
    device = parts[0].device
    with torch.autocast(device.type, dtype, enabled=dtype != torch.float32):
        _wait(device)
        start = time.perf_counter()
        for part in parts:
            inspect(part)
        _wait(device)
        return time.perf_counter() - start


def _wait(device: torch.device) -> None:
    """Wait for a GPU to finish, since its calls are asynchronous."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _begun(file: Path, protocol: dict[str, Any]) -> dict[str, Any]:
    """Return earlier timings of the same models on the same machine, or an empty record."""
    try:
        content: dict[str, Any] = read_json(file)
    except ModelError:
        content = {}
    same = all(content.get(name) == value for name, value in protocol.items())
    return content if same and "rounds" in content else {**protocol, "rounds": []}


def _names(dtypes: dict[int, torch.dtype]) -> dict[str, str]:
    return {str(batch): str(dtype).removeprefix("torch.") for batch, dtype in dtypes.items()}

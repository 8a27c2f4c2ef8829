"""Images a second of several methods, taken in turn, so that a noisy machine is noisy for all of them."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
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
from excision.progress import Bars
from excision.system.files import write_json
from excision.tiling.image_format import ImageFormat

BATCHES = (1, 16)
SINGLES = 8
"""Images that a round takes one after another."""

Inspect = Callable[[Tensor], Any]


def time_methods(job: dict[str, Any], bars: Bars) -> None:
    """Time the models of a data set in turn and write `throughput.json` after each round.

    Args:
        job: "folder" of the results, "data", "layout", and "models": for each name its "run" folder,
            "method" and "inference".
        bars: show how far it is.

    Raises:
        ExcisionError: there are no images or no models.
    """
    file = Path(job["folder"]) / THROUGHPUT
    device = choose_device("auto")
    models, errors, sizes = _load(job["models"])
    if not models:
        raise ModelError("no model can be timed: " + "; ".join(errors.values()))
    shown = next(iter(sizes.values()))
    images = tensors_to_time(load_dataset(job["data"], job["layout"]), shown, device)
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
    """Return for each model and batch the median images a second, and the median of its ratio to EAR's.

    The ratio is taken within each round, where both met the same machine.

    Args:
        rounds: by batch and model the images a second.

    Returns:
        By model and batch "images_per_second" and "ratio"; the ratio is None where EAR was not timed.
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
    """Return test images spread over the data set, repeated where it has too few.

    Args:
        dataset: with test images.
        shown: the form in which the methods take images; the tile in the middle of a large image stands
            for it.
        device: where they are to lie.

    Returns:
        (16, C, H, W) in [0, 1].

    Raises:
        DatasetError: none can be read.
    """
    samples, count = dataset.test, max(BATCHES)
    places = dict.fromkeys(np.linspace(0, len(samples) - 1, min(count, len(samples))).round().astype(int))
    found = []
    for place in places:
        with contextlib.suppress(ImageError):
            found.append(image_tensor(graph_image(samples[place].image, shown), device))
    if not found:
        raise DatasetError(f"{dataset.root}: none of its test images can be read")
    return lay_out(torch.cat([found[place % len(found)] for place in range(count)]))


def _load(
    named: dict[str, dict[str, Any]],
) -> tuple[dict[str, Inspect], dict[str, str], dict[str, ImageFormat]]:
    """Load every model; give them, why others failed, and what images each is shown."""
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
            # Any fault of one model must not hide the speed of the others.
            models.pop(name, None)
            errors[name] = f"{type(error).__name__}: {error}"
    return models, errors, sizes


def _choose_precisions(
    models: dict[str, Inspect], images: Tensor, device: torch.device, errors: dict[str, str]
) -> dict[str, dict[int, torch.dtype]]:
    """Find for each model and batch the faster of the precisions that the machine computes natively.

    A model that fails in every precision leaves `models` and enters `errors`. The first pass, which sets up
    what later ones reuse, is not timed.
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
    """Time every model once with each batch; by batch and model the images a second."""
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
    """Wait for the GPU, whose calls return before the work is done."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _begun(file: Path, protocol: dict[str, Any]) -> dict[str, Any]:
    """Return what was timed before of the same models on the same machine, or an empty record."""
    try:
        content: dict[str, Any] = read_json(file)
    except ModelError:
        content = {}
    same = all(content.get(name) == value for name, value in protocol.items())
    return content if same and "rounds" in content else {**protocol, "rounds": []}


def _names(dtypes: dict[int, torch.dtype]) -> dict[str, str]:
    return {str(batch): str(dtype).removeprefix("torch.") for batch, dtype in dtypes.items()}

"""One cell of a benchmark: trains a method, measures it, and writes down its quality and its cost."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from excision.baselines import baseline
from excision.benchmark.clock import CLOCK, Clock
from excision.benchmark.plan import CELL, EAR, Inference, settings_of
from excision.benchmark.rates import rates_of
from excision.data import Dataset, load_dataset
from excision.detector import Detector
from excision.errors import ModelError
from excision.evaluation.evaluate import measure
from excision.method.calibration import Calibration
from excision.method.calibration_scores import CALIBRATING
from excision.method.fitting import TUNING_STAGE
from excision.method.run_folder import MODEL, TRAINING, read_json, remove_model
from excision.method.run_start import recorded_groups
from excision.predictions import Method
from excision.progress import Bars
from excision.settings import Settings
from excision.system.files import write_json
from excision.system.usage import usage
from excision.tiling.image_format import ImageFormat


def run_cell(job: dict[str, Any], bars: Bars) -> None:
    """Train the model if necessary, measure it and write `cell.json`.

    Args:
        job: "folder" of the results, "run" folder of the training, "data", "identity" of the cell, "seconds"
            of training (None trains for `training.steps`), and the "finished" run that stands for it (or
            None).
        bars: progress bars.

    Raises:
        ExcisionError: data, settings or model are unsuitable.
    """
    identity, folder, run = job["identity"], Path(job["folder"]), Path(job["run"])
    dataset = load_dataset(job["data"], identity["layout"], leave_out=True)
    settings = settings_of(identity["settings"])
    inference = Inference(**identity["inference"])
    clock = Clock(folder, identity)
    if identity["method"] == EAR:
        facts = _ear(job, settings, inference, dataset, clock, bars)
    else:
        facts = _baseline(job, settings, dataset, clock, bars)
    # A variant that is only measured here was trained elsewhere: its training time is recorded there.
    spent = clock.seconds if folder == run else read_json(run / CELL)["training_seconds"]
    if job["finished"] is not None:
        spent = read_json(run / TRAINING)["seconds"]
    model = run if inference.features is None else folder
    content = {
        "identity": identity,
        "seed": settings.training.seed,
        "n_train": len(dataset.train),
        "training_seconds": round(spent, 3),
        "seconds_given": job["seconds"],
        "model_mb": round((model / MODEL).stat().st_size / 2**20, 3),
        "machine": machine(),
        "trained_on": None if job["finished"] is None else read_json(run / TRAINING),
        **facts,
        # Last, so that it includes the memory of measuring.
        "peak_memory_mb": round(clock.peak_memory_mb, 1),
    }
    write_json(folder / CELL, content)


def _ear(
    job: dict[str, Any], settings: Settings, inference: Inference, dataset: Dataset, clock: Clock, bars: Bars
) -> dict[str, Any]:
    """Train EAR unless a finished run stands for it, or the cell is only another inference; measure it."""
    run = Path(job["run"])
    if inference == Inference() and job["finished"] is not None:
        _take_over(Path(job["finished"]), settings, dataset, run, clock, bars)
    elif inference == Inference():
        _train_ear(settings, dataset, run, clock, bars)
    detector = with_inference(Detector.load(run), inference)
    if inference.map is not None or inference.features is not None:
        # Another map has another unit, and so another normal residual and another threshold.
        detector.recalibrate(dataset, bars.stage, groups=recorded_groups(run))
    if inference.features is not None:
        remove_model(Path(job["folder"]))
        detector.save(Path(job["folder"]))
    facts = _measured(detector, detector.pipeline, detector.calibration, dataset, bars)
    return facts | {"passes": 1, "image": _image(detector.image_format)}


def _baseline(
    job: dict[str, Any], settings: Settings, dataset: Dataset, clock: Clock, bars: Bars
) -> dict[str, Any]:
    """Train a baseline unless that is done, and measure it."""
    name, run = job["identity"]["method"], Path(job["run"])
    if not (clock.finished and (run / MODEL).is_file()):
        _train_baseline(name, settings, dataset, run, clock, job["seconds"], bars)
    found = baseline(name).load(run)
    facts = _measured(found, found.network, found.calibration, dataset, bars)
    return facts | {"passes": found.network.passes, "image": _image(found.image_format)}


def with_inference(detector: Detector, inference: Inference) -> Detector:
    """Return a detector with the same weights and a different inference."""
    if inference.features is not None:
        detector = detector.with_features(inference.features)
    if replace(inference, features=None) == Inference():
        return detector
    return detector.with_inference(mask=inference.mask, skips=inference.skips, kind=inference.map)


def machine() -> dict[str, Any]:
    """Describe the machine and the versions on which the cost was measured."""
    facts = usage(0)
    return {
        name: facts[name] for name in ("processor", "cores", "threads", "python", "torch", "excision")
    } | {"accelerator": torch.cuda.get_device_name() if torch.cuda.is_available() else None}


def _take_over(
    finished: Path, settings: Settings, dataset: Dataset, run: Path, clock: Clock, bars: Bars
) -> None:
    """Copy a finished run, check that it was trained as the cell asks, and learn its statistics again.

    Raises:
        SettingsError: it was trained with other settings or on other images.
    """
    if clock.finished and (run / MODEL).is_file():
        return
    run.mkdir(parents=True, exist_ok=True)
    for file in sorted(finished.iterdir(), key=lambda file: file.name == MODEL):
        if file.is_file() and file.name not in (CELL, CLOCK):
            shutil.copyfile(file, run / file.name)
    detector = Detector(settings).fit(dataset, run, resume=True, stage=bars.stage)
    detector.recalibrate(dataset, bars.stage, groups=recorded_groups(run))
    detector.save(run)
    clock.finish()


def _train_ear(settings: Settings, dataset: Dataset, run: Path, clock: Clock, bars: Bars) -> None:
    def progress(step: int, total: int, figures: dict[str, float]) -> None:
        clock.step(step)
        if step == total:
            clock.write()
        bars.training(step, total, figures)

    def stage(what: str, done: int, total: int) -> None:
        if what == TUNING_STAGE:
            clock.step(done, what)
        else:
            clock.start()
        bars.stage(what, done, total)

    run.mkdir(parents=True, exist_ok=True)
    try:
        Detector(settings).fit(dataset, run, resume=True, progress=progress, stage=stage)
    except KeyboardInterrupt:
        clock.write()
        raise
    clock.finish()


def _train_baseline(
    name: str,
    settings: Settings,
    dataset: Dataset,
    run: Path,
    clock: Clock,
    seconds: float | None,
    bars: Bars,
) -> None:
    """Train and save; the time counts from the last image read to the first calibration score."""
    calibrating = False

    def progress(step: int, total: int, figures: dict[str, float]) -> None:
        if "loss" in figures:
            bars.training(step, total, figures)
        else:
            bars.stage("training", step, total)

    def stage(what: str, done: int, total: int) -> None:
        nonlocal calibrating
        if what != CALIBRATING:
            clock.start()
        elif not calibrating:
            calibrating = True
            clock.tick()
        bars.stage(what, done, total)

    # An interrupted baseline starts again from the beginning.
    clock.reset()
    found = baseline(name)(settings)
    found.fit(dataset, seconds=seconds, progress=progress, stage=stage)
    found.save(run)
    clock.finish()


def _measured(
    method: Method, network: nn.Module, calibration: Calibration | None, dataset: Dataset, bars: Bars
) -> dict[str, Any]:
    """Return the quality of a method and the counts that describe its size."""
    if calibration is None:
        raise ModelError("the method has no calibration")
    evaluation = measure(method, dataset, bars.part("evaluating"))
    return {
        "n_calibration": len(calibration.scores),
        "parameters": sum(parameter.numel() for parameter in network.parameters()),
        "figures": evaluation.to_json(),
        "rates": rates_of(calibration, evaluation),
    }


def _image(image_format: ImageFormat) -> dict[str, Any]:
    return {"size": image_format.size, "channels": image_format.channels, "tile": image_format.tile}

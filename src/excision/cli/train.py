"""`excision train`: from a folder of good images to a run folder."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from excision.cli.console import bars, notes, rate, screen
from excision.data import load_dataset
from excision.errors import SettingsError
from excision.settings import Settings

if TYPE_CHECKING:
    from excision import Dataset, Detector


def train(
    data: Path,
    *,
    out: Path,
    layout: str | None = None,
    size: tuple[int, int] | None = None,
    false_alarm_rate: str | None = None,
    steps: int | None = None,
    seed: int | None = None,
    resume: bool = False,
    settings_file: Annotated[Path | None, Parameter(name="--settings")] = None,
    settings: Annotated[Settings | None, Parameter(name="*")] = None,
) -> int:
    """Learn from good images and set the decision threshold.

    Example: excision train parts/ --out runs/parts --false-alarm-rate 1%

    Only good images are learnt from. A fifth of them is held out, and their anomaly scores set the decision
    threshold for the wanted false-alarm rate. Stop at any moment, and go on with --resume.

    Args:
        data: the data set; `excision check` says how it is understood.
        out: run folder to write.
        layout: how the data set is laid out; recognised by default.
        size: working size, height and width in pixels; derived from the data by default.
        false_alarm_rate: wanted share of good parts called defective, as 1% or 0.01.
        steps: training steps.
        seed: of everything random in training.
        resume: continue the run in --out where it stopped.
        settings_file: take the settings from a TOML file, such as settings.toml of another run.
        settings: every single setting.
    """
    if settings_file is not None and settings is not None:
        raise SettingsError("give either --settings or single settings, not both")
    chosen = Settings.load(settings_file) if settings_file else settings or Settings()
    chosen = _with_short_options(chosen, size, false_alarm_rate, steps, seed)
    detector = _fit(load_dataset(data, layout), chosen, out, data, resume=resume)
    _report(detector, out, data)
    return 0


def _with_short_options(
    settings: Settings,
    size: tuple[int, int] | None,
    false_alarm_rate: str | None,
    steps: int | None,
    seed: int | None,
) -> Settings:
    """Let the options of the verb itself win over the settings they abbreviate."""
    image, training, calibration = settings.image, settings.training, settings.calibration
    if size is not None:
        image = replace(image, size=size)
    if false_alarm_rate is not None:
        calibration = replace(calibration, false_alarm_rate=rate(false_alarm_rate))
    if steps is not None:
        training = replace(training, steps=steps)
    if seed is not None:
        training = replace(training, seed=seed)
    return replace(settings, image=image, training=training, calibration=calibration)


def _fit(dataset: Dataset, settings: Settings, run: Path, data: Path, *, resume: bool) -> Detector:
    from excision import Detector

    for note in dataset.notes:
        notes.print(f"note: {note}")
    notes.print(f"{dataset.layout} layout, {len(dataset.train)} normal training images")
    try:
        with bars() as shown:
            return Detector(settings).fit(
                dataset, run, resume=resume, progress=shown.training, stage=shown.stage
            )
    except KeyboardInterrupt:
        notes.print(f"stopped and saved; continue with: excision train {data} --out {run} --resume")
        raise


def _report(detector: Detector, run: Path, data: Path) -> None:
    from excision.evaluation.training_figure import write_training_figure
    from excision.run_folder import TRAINING, read_json

    calibration, facts = detector.calibration, read_json(run / TRAINING)
    if calibration is None:
        return
    write_training_figure(run, calibration)
    height, width = detector.settings.image.size or (0, 0)
    screen.print(f"learnt from {facts['n_training']} good images at {height} x {width} (height x width)")
    for name, reason in facts["skipped"].items():
        screen.print(f"skipped {name}: {reason}")
    screen.print(f"threshold {calibration.threshold:.4g}: {calibration.explain()}")
    screen.print(f"{facts['seconds'] / 60:.1f} minutes, peak memory {facts['peak_memory_mb']:.0f} MiB")
    screen.print(f"the run is in {run}; next: excision inspect {run} IMAGES --out RESULTS")
    if any(sample.defective for sample in load_dataset(data, None).test):
        screen.print(f"                 or: excision evaluate {run} {data}")

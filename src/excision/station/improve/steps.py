"""The steps of an improvement, each of which is done once, however often its process is killed."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from excision.errors import DatasetError, ExcisionError, SettingsError
from excision.jobs.child import LISTEN
from excision.method.run_folder import MODEL
from excision.progress import Shown
from excision.runtime.model_folder import is_exported
from excision.station.improve.collection import Collection
from excision.station.improve.job import COMPARISON, EXPORT, IMAGES, RUN, Job, Standing
from excision.station.lock import only_one
from excision.system.user_warnings import collected_warnings

if TYPE_CHECKING:
    from excision.data import Dataset
    from excision.settings import Settings

LOCK = "improve.lock"

Do = Callable[[Job, Path, Shown], list[str]]


def carry_out(job: Job, out: Path, shown: Shown, patience: float = 0.0) -> None:
    """Do what is still to be done of a job, and note how far it is.

    Args:
        job: what is asked.
        out: folder of the job. Where it holds one already, that one goes on.
        shown: shows the progress.
        patience: seconds that a process of a killed station gets to save its state.

    Raises:
        ExcisionError: it cannot go on; `state.json` says why.
        KeyboardInterrupt: it was stopped; nothing is lost.
    """
    out.mkdir(parents=True, exist_ok=True)
    with _alone(out, patience):
        begun = Job.load(out)
        if begun is None:
            job.save(out)
        job = begun or job
        standing = Standing.load(out)
        for step, (done, do) in _steps(job).items():
            if done(out):
                continue
            standing = replace(standing, state="running", step=step, reason="")
            standing.save(out)
            standing = _do(job, out, shown, standing, do)
        replace(standing, state="done").save(out)


@contextmanager
def _alone(out: Path, patience: float) -> Iterator[None]:
    """Hold the folder of a job, waiting for the process that holds it."""
    deadline = time.monotonic() + patience
    with ExitStack() as held:
        while True:
            try:
                held.enter_context(
                    only_one(out, LOCK, "excision improve", "another improvement runs", "--out")
                )
                break
            except SettingsError:
                if time.monotonic() >= deadline:
                    raise
                time.sleep(LISTEN)
        yield


def _do(job: Job, out: Path, shown: Shown, standing: Standing, do: Do) -> Standing:
    start = time.monotonic()
    try:
        with collected_warnings() as told:
            notes = do(job, out, shown)
    except KeyboardInterrupt:
        replace(standing.after(standing.step, time.monotonic() - start), state="stopped").save(out)
        raise
    except Exception as error:
        known = isinstance(error, ExcisionError | OSError)
        reason = str(error) if known else f"{type(error).__name__}: {error}"
        replace(standing, state="failed", reason=reason).save(out)
        raise
    notes = [*standing.notes, *notes, *(f"{each}." for each in told)]
    after = standing.after(standing.step, time.monotonic() - start)
    after = replace(after, notes=tuple(dict.fromkeys(notes)))
    after.save(out)
    return after


def _steps(job: Job) -> Mapping[str, tuple[Callable[[Path], bool], Do]]:
    """Give the steps by name: whether it is done, and what does it."""
    training = {
        "train": (lambda out: (out / RUN / MODEL).is_file() and _is_known(out), _train),
        "export": (lambda out: is_exported(out / EXPORT), _export),
    }
    if job.kind == "new":
        return training
    return {
        "collect": (lambda out: Collection.load(out) is not None, _collect),
        **training,
        "compare": (lambda out: (out / COMPARISON).is_file(), _compare),
    }


def _is_known(out: Path) -> bool:
    """Tell whether the training has been noted as finished."""
    return "train" in (Standing.load(out).seconds or {})


def _collect(job: Job, out: Path, shown: Shown) -> list[str]:
    from excision.station.improve.collecting import collect

    collection = collect(job, shown)
    collection.save(out)
    return list(collection.notes)


def _train(job: Job, out: Path, shown: Shown) -> list[str]:
    from excision.detector import Detector
    from excision.report.training import keep_pictures

    if job.kind == "new":
        return _train_new(job, out, shown)
    collection = _collected(out)
    collection.check()
    assert job.run is not None  # of an improvement
    settings, warm, notes = training_of(job, job.run)
    dataset = collection.dataset(out)
    known = [(member.path, None) for member in collection.of("known")]
    detector = Detector(settings, device="cpu")
    detector.fit(
        dataset,
        out / RUN,
        resume=True,
        progress=shown.training,
        stage=shown.stage,
        groups=collection.groups() if collection.given_groups else None,
        defects=known or None,
        warm_start=warm,
    )
    keep_pictures(detector, dataset, out / RUN)
    return notes


def training_of(job: Job, run: Path) -> tuple[Settings, Path | None, list[str]]:
    """Choose settings and start of a training from those of the model in use.

    Returns:
        The settings; the run folder whose networks it starts from, None for none; and what a person should
        know.
    """
    from excision.method.run_folder import load_image_format
    from excision.method.run_start import recorded_images
    from excision.settings import Settings

    before = Settings.load(run / "settings.toml", warn_of_old_names=False)
    settings = before.settled(load_image_format(run, before))
    if job.from_nothing:
        return settings, None, ["Trained from nothing, as asked."]
    if settings.calibration.folds:
        return (
            settings,
            None,
            ["Trained from nothing: folds calibrate, whose models must not know the images."],
        )
    if recorded_images(run) is None:
        return settings, None, ["Trained from nothing: the run does not record the images it was trained on."]
    attention, training = settings.attention, settings.training
    settings = replace(
        settings,
        attention=replace(attention, tuning=min(attention.tuning, job.tuning)),
        training=replace(
            training,
            steps=min(training.steps, job.steps),
            learning_rate=min(training.learning_rate, job.rate),
        ),
    )
    return settings, run, []


def _train_new(job: Job, out: Path, shown: Shown) -> list[str]:
    from excision.detector import Detector
    from excision.report.training import keep_pictures, train_run
    from excision.settings import Settings

    settings = Settings() if job.settings is None else Settings.load(job.settings)
    detector = Detector(settings, device="cpu")
    dataset = new_dataset(out)
    dataset, suspects = train_run(
        detector, dataset, out / RUN, shown, resume=True, drop_suspects=False, defects=None
    )
    keep_pictures(detector, dataset, out / RUN)
    if not suspects:
        return []
    names = ", ".join(suspect.name for suspect in suspects[:10])
    return [f"{len(suspects)} good images look defective: {names}. Look at them before the model goes live."]


def new_dataset(out: Path) -> Dataset:
    """Read the images that were collected for a new model.

    Raises:
        DatasetError: there are none.
    """
    from excision.data import load_dataset

    return load_dataset(out / IMAGES)


def _export(job: Job, out: Path, shown: Shown) -> list[str]:
    from excision.export.export import export

    dataset = new_dataset(out) if job.kind == "new" else _collected(out).dataset(out)
    # What a killed export left is no model, and the folder must be empty.
    shutil.rmtree(out / EXPORT, ignore_errors=True)
    proof = export(out / RUN, dataset, out / EXPORT, stage=shown.stage)
    return [f"The scores of the exported model differ by {proof.score_drift:.2%} of the threshold at most."]


def _compare(job: Job, out: Path, shown: Shown) -> list[str]:
    from excision.station.improve.comparing import compare
    from excision.station.improve.grey_zone import take_over_zone

    # A step is done as a whole: a challenger without its zone could not be told from one that has none.
    notes = take_over_zone(job, out / EXPORT)
    compare(job, _collected(out), out, shown)
    return notes


def _collected(out: Path) -> Collection:
    collection = Collection.load(out)
    if collection is None:
        raise DatasetError(f"{out}: nothing was collected")
    return collection


def lower_priority() -> None:
    """Give way to every other process of this machine: inspection goes on beside a training."""
    if hasattr(os, "nice"):
        os.nice(19 - os.nice(0))

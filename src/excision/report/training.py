"""Training into a run folder, with what a person has to see of it: suspects, an odd image, and the figure."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from excision.method.run_folder import FINGERPRINT, MODEL, read_json
from excision.method.run_start import dropped_images, is_begun
from excision.progress import Shown

if TYPE_CHECKING:
    from excision.data import Dataset
    from excision.detector import Detector
    from excision.method.suspects import Suspect
    from excision.training.given_defects import Defects

FIRST = "with_suspects"
"""Folder in a run folder of the first of two trainings; removed once the second is finished."""


def train_run(
    detector: Detector,
    dataset: Dataset,
    out: Path,
    shown: Shown,
    *,
    resume: bool,
    drop_suspects: bool,
    defects: Defects | None,
) -> tuple[Dataset, tuple[Suspect, ...]]:
    """Train, and find the suspects.

    Args:
        detector: has the settings; it is fitted.
        dataset: the data set.
        out: run folder.
        shown: shows the progress.
        resume: continue the run in `out`.
        drop_suspects: leave the suspects out: train once with them, find them, and train without them.
        defects: images of known defects, as in `Detector.fit`.

    Returns:
        The data without the suspects that were dropped, and the suspects that were not.
    """
    if drop_suspects or dropped_images(out):
        dataset = _without_suspects(detector, dataset, out, shown, defects)
    again = resume or is_begun(out)
    _fit(detector, dataset, out, shown, defects, resume=again, for_suspects=not dataset.dropped)
    found = () if dataset.dropped else _write_found(detector, dataset, out, out, shown)
    shutil.rmtree(out / FIRST, ignore_errors=True)
    return dataset, found


def keep_pictures(detector: Detector, dataset: Dataset, out: Path) -> Path | None:
    """Draw the figure of a training, and keep a picture of the calibration image that is odd.

    Returns:
        The picture; None if no image is odd.
    """
    from excision.report.odd_image import keep_odd_image
    from excision.report.training_figure import FIGURE, write_training_figure

    images = {sample.name: sample.image for sample in dataset.samples}
    picture = keep_odd_image(out, detector.calibration.odd, images, detector.inspect)
    if not (out / FIGURE).is_file():
        write_training_figure(out, detector.calibration)
    return picture


def _without_suspects(
    detector: Detector, dataset: Dataset, out: Path, shown: Shown, defects: Defects | None
) -> Dataset:
    """Train on all good images, and return the data set without those that look defective.

    If none does, the finished run becomes that of `out`. If `out` was begun already, the images are left out
    that it was begun without.
    """
    if is_begun(out):
        return dataset.without(dropped_images(out))
    first = out / FIRST
    _fit(detector, dataset, first, shown, defects, resume=True, for_suspects=True)
    suspects = _write_found(detector, dataset, first, out, shown)
    if suspects:
        return dataset.without(suspect.name for suspect in suspects)
    # The weights come last: their presence marks the run as finished.
    for path in sorted(first.iterdir(), key=lambda path: path.name == MODEL):
        path.rename(out / path.name)
    first.rmdir()
    return dataset


def _fit(
    detector: Detector,
    dataset: Dataset,
    run: Path,
    shown: Shown,
    defects: Defects | None,
    *,
    resume: bool,
    for_suspects: bool,
) -> None:
    detector.fit(
        dataset, run, resume, shown.training, shown.stage, defects=defects, for_suspects=for_suspects
    )


def _write_found(
    detector: Detector, dataset: Dataset, run: Path, out: Path, shown: Shown
) -> tuple[Suspect, ...]:
    """Find the suspects of a finished run, and write their report into the folder `out`."""
    from excision.report.suspects import FOLDER, write_suspects

    used = read_json(run / FINGERPRINT)
    searched = len({*used["training"], *used["calibration"]})
    return write_suspects(out / FOLDER, detector.suspects(dataset, shown.stage, run), searched)

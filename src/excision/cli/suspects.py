"""Suspects in a training: finding, reporting and leaving out good images that look defective."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from excision.cli.output import say, say_text
from excision.method.run_folder import FINGERPRINT, MODEL, read_json
from excision.method.run_start import dropped_images, is_begun
from excision.progress import Bars

if TYPE_CHECKING:
    from excision.data import Dataset
    from excision.detector import Detector
    from excision.method.suspects import Suspect

FIRST = "with_suspects"
"""Folder in a run folder of the first of two trainings; removed once the second is finished."""

_SHOWN = 10


def drop_suspects(
    detector: Detector, dataset: Dataset, out: Path, bars: Bars, defects: list[Path] | None = None
) -> Dataset:
    """Train on all good images, and return the data set without those that look defective.

    If none does, the finished run becomes that of `out`. If `out` was begun already, the images are left out
    that it was begun without.

    Args:
        detector: has the settings; it is fitted.
        dataset: the data set.
        out: run folder.
        bars: shows the progress.
        defects: images of known defects, or folders of such.
    """
    if is_begun(out):
        return dataset.without(dropped_images(out))
    first = out / FIRST
    detector.fit(dataset, first, resume=True, progress=bars.training, stage=bars.stage, defects=defects)
    suspects = write_found(detector, dataset, first, out, bars)
    if suspects:
        return dataset.without(suspect.name for suspect in suspects)
    # The weights come last: their presence marks the run as finished.
    for path in sorted(first.iterdir(), key=lambda path: path.name == MODEL):
        path.rename(out / path.name)
    first.rmdir()
    return dataset


def write_found(
    detector: Detector, dataset: Dataset, run: Path, out: Path, bars: Bars
) -> tuple[Suspect, ...]:
    """Find the suspects of a finished run, and write their report into the folder `out`."""
    from excision.report.suspects import FOLDER, write_suspects

    used = read_json(run / FINGERPRINT)
    searched = len({*used["training"], *used["calibration"]})
    return write_suspects(out / FOLDER, detector.suspects(dataset, bars.stage, run), searched)


def finish(out: Path) -> None:
    """Remove the first of two trainings."""
    shutil.rmtree(out / FIRST, ignore_errors=True)


def say_suspects(out: Path, suspects: tuple[Suspect, ...], dropped: int) -> None:
    """Print which good images look defective, and what to do."""
    from excision.report.suspects import FOLDER, TABLE

    if dropped:
        say_text(
            f"\nLeft out {_images(dropped)} as suspects, listed in {out / FOLDER / TABLE}. The false-alarm "
            "promise holds if they show defects. It does not count them if they are good: look at "
            f"{out / FOLDER / 'report.html'}."
        )
    elif suspects:
        say(f"\nSuspects: {_images(len(suspects))} given as good look defective, strongest first:")
        for suspect in suspects[:_SHOWN]:
            say(f"  {suspect.name}: anomaly score {suspect.score:.4g}")
        if len(suspects) > _SHOWN:
            say(f"  ... and {len(suspects) - _SHOWN} more, listed in {out / FOLDER / TABLE}")
        say_text(
            f"Look at {out / FOLDER / 'report.html'}. Remove those that show a defect from the data, or "
            "train again with --drop-suspects, which leaves all of them out."
        )


def _images(count: int) -> str:
    return "1 image" if count == 1 else f"{count} images"

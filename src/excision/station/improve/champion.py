"""The run folder behind a model of the station, from which an improvement starts."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from excision.errors import ExcisionError, ModelError
from excision.inspection.fingerprint import fingerprint
from excision.method.folder_kinds import folder_kind
from excision.method.run_folder import FINGERPRINT, MODEL
from excision.runtime.model_folder import Description, is_exported
from excision.station.improve.job import EXPORT, IMAGES, IMPROVE, RUN

_DEPTH = 2  # folders below one of `runs` that are searched


def run_of(deployed: Path, station: Path, runs: Sequence[Path]) -> Path:
    """Find the run folder that a folder was exported from.

    A folder that the station made itself has its run beside it. Any other is recognised by the record of its
    training images, whose hash an exported folder has.

    Args:
        deployed: folder of the model in use.
        station: folder of the station.
        runs: folders in which run folders may lie.

    Raises:
        ModelError: there is none.
    """
    if folder_kind(deployed) == "run":
        return deployed
    wanted = Description.load(deployed).data if is_exported(deployed) else None
    weights = fingerprint(deployed)
    for out in sorted((station / IMPROVE).glob("*/*")):
        if (
            (out / RUN / MODEL).is_file()
            and is_exported(out / EXPORT)
            and fingerprint(out / EXPORT) == weights
        ):
            return out / RUN
    for candidate in (deployed.parent / RUN, *_below(runs)):
        if wanted is not None and (candidate / MODEL).is_file() and _record(candidate) == wanted:
            return candidate
    raise ModelError(
        f"the run folder that {deployed.name} was exported from is not known here, and an exported folder "
        "cannot be trained on: name the folder that holds it in the station's file, as "
        '[improve] runs = ["..."]'
    )


def images_of(run: Path, known: Sequence[Path]) -> tuple[Path, ...]:
    """Give the folders in which the images of a run may lie."""
    own = run.parent / IMAGES
    return (*((own,) if own.is_dir() else ()), *known)


def _below(runs: Sequence[Path]) -> Iterator[Path]:
    for top in runs:
        level = [top]
        for _ in range(_DEPTH + 1):
            yield from level
            level = [
                path for above in level if above.is_dir() for path in sorted(above.iterdir()) if path.is_dir()
            ]


def _record(run: Path) -> str | None:
    try:
        return hashlib.sha256((run / FINGERPRINT).read_bytes()).hexdigest()
    except (OSError, ExcisionError):
        return None

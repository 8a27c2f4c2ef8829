"""Trains one model of a fleet, as `excision train --resume` does."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from excision.data import Dataset, load_dataset
from excision.errors import DatasetError, FewImagesWarning, OtherRunError
from excision.fleet.identity import is_trained, training_identity
from excision.fleet.plan import FleetModel
from excision.fleet.record import Done, Record
from excision.inspection.fingerprint import fingerprint
from excision.method.run_folder import MODEL, TRAINING, read_json
from excision.progress import Shown
from excision.report.training import keep_pictures, train_run
from excision.system.user_warnings import collected_warnings

if TYPE_CHECKING:
    from excision.detector import Detector
    from excision.method.suspects import Suspect

EARLIER = "earlier"
"""Folder of the models that were trained before their data or settings changed."""

_NAMED = 20  # suspects and skipped images that a record names


@dataclass(frozen=True, slots=True)
class Trained:
    """A training that has ended."""

    detector: Detector
    dataset: Dataset
    suspects: Sequence[Suspect]


def train_model(model: FleetModel, folder: Path, device: str, shown: Shown) -> None:
    """Train a model into its run folder, and record it; a finished model that has not changed stays.

    A run that was begun with other data or settings is moved to the folder `earlier` beside it.

    Raises:
        ExcisionError: data or settings are unsuitable.
    """
    if is_trained(model, folder):
        return
    dataset = load_dataset(model.data, model.layout, leave_out=model.leave_out)
    of = training_identity(model, dataset)
    record = Record.load(folder)
    before = Done("not finished") if record is None else record.step("train")
    if before.state == "finished" and before.of == of and (folder / MODEL).is_file():
        # Only what no training depends on has changed, such as the folder of test images.
        Record(model, _steps(folder)).save(folder)
        return
    if before.of.get("drop_suspects", model.drop_suspects) != model.drop_suspects:
        _move_away(folder)
    try:
        trained, told = _train(model, dataset, folder, of, device, shown)
    except OtherRunError:
        _move_away(folder)
        trained, told = _train(model, dataset, folder, of, device, shown)
    done = Done("finished", of, facts=_facts(trained, folder, told))
    # What was measured was measured with another model, unless this one is the same.
    Record(model, _steps(folder)).with_step("train", done).save(folder)


def _train(
    model: FleetModel, dataset: Dataset, folder: Path, of: dict[str, Any], device: str, shown: Shown
) -> tuple[Trained, list[str]]:
    from excision.detector import Detector

    folder.mkdir(parents=True, exist_ok=True)
    Record(model, _steps(folder)).with_step("train", Done("not finished", of)).save(folder)
    detector = Detector(model.settings, device=device)
    with _warnings(unless=model.few) as told:
        kept, suspects = train_run(
            detector,
            dataset,
            folder,
            shown,
            resume=True,
            drop_suspects=model.drop_suspects,
            defects=[Path(path) for path in model.defects] or None,
        )
    keep_pictures(detector, kept, folder)
    return Trained(detector, kept, suspects), told


def _steps(folder: Path) -> dict[Any, Done]:
    record = Record.load(folder)
    return {} if record is None else record.steps


def _move_away(folder: Path) -> None:
    """Move a run folder, whole, to the first free number below `earlier`."""
    above = folder.parent / EARLIER / folder.name
    above.mkdir(parents=True, exist_ok=True)
    number = 1 + max((int(path.name) for path in above.iterdir() if path.name.isdecimal()), default=0)
    folder.rename(above / f"{number:04d}")


@contextmanager
def _warnings(*, unless: bool) -> Iterator[list[str]]:
    """Collect the warnings that are meant for users; too few images are an error unless they are meant."""
    with collected_warnings() as told:
        if not unless:
            warnings.simplefilter("error", FewImagesWarning)
        try:
            yield told
        except FewImagesWarning as warning:
            raise DatasetError(
                f"{warning}. Add good images, or accept what so few can promise with few = true"
            ) from None


def _facts(trained: Trained, folder: Path, told: Sequence[str]) -> dict[str, Any]:
    record, calibration = read_json(folder / TRAINING), trained.detector.calibration
    skipped = dict(record.get("skipped", {}))
    names = [suspect.name for suspect in trained.suspects] or list(trained.dataset.dropped)
    return {
        "model": fingerprint(folder),
        "training_images": record["n_training"],
        "size": list(trained.detector.image_format.size),
        "seconds": record["seconds"],
        "peak_memory_mb": record["peak_memory_mb"],
        "threshold": calibration.threshold,
        "wanted_rate": calibration.wanted_rate,
        "promised_rate": calibration.promised_rate,
        "confidence": calibration.confidence,
        "calibration_images": len(calibration.scores),
        "groups": calibration.count_groups,
        "groups_from": record["groups"]["basis"],
        "groups_sure": record["groups"]["sure"],
        "promise_kept": calibration.keeps_wish,
        "promise": calibration.explain(),
        "odd_image": None if calibration.odd is None else calibration.odd.name or "one image",
        "suspects": len(trained.suspects),
        "dropped": len(trained.dataset.dropped),
        "suspect_names": names[:_NAMED],
        "skipped": len(skipped),
        "skipped_names": dict(list(skipped.items())[:_NAMED]),
        "warnings": list(told),
        "notes": list(trained.dataset.notes),
    }

"""What a step was done with: the same means that it need not be done again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from excision.data import Dataset, load_dataset
from excision.data.known_defects import find_known_defects
from excision.data.records import Sample
from excision.errors import ExcisionError
from excision.fleet.plan import FleetModel
from excision.fleet.record import Record
from excision.method.run_folder import MODEL
from excision.storage.entry import is_url


def training_identity(model: FleetModel, dataset: Dataset) -> dict[str, Any]:
    """Name everything that the training of a model depends on.

    Of the images it takes names, sizes and times, not the content, so that hundreds of data sets are compared
    in seconds. Where these differ, training itself compares the content.
    """
    defects = find_known_defects([Path(path) for path in model.defects]).samples if model.defects else ()
    settings: dict[str, Any] = json.loads(json.dumps(asdict(model.settings)))
    return {
        "settings": settings,
        "drop_suspects": model.drop_suspects,
        "images": _listing(dataset.train),
        "defects": _listing(defects) if defects else None,
    }


def data_to_test(model: FleetModel) -> Dataset:
    """Read the test images of a model: those of its data, or all of its folder of test images.

    Raises:
        DatasetError: it has none that can be used.
    """
    if model.test is None:
        return load_dataset(model.data, model.layout, leave_out=model.leave_out)
    given = load_dataset(model.test, leave_out=model.leave_out)
    return given.as_test()


def evaluation_identity(fingerprint: str, dataset: Dataset) -> dict[str, Any]:
    """Name what the evaluation of a model depends on."""
    return {"model": fingerprint, "images": _listing(dataset.test)}


def is_trained(model: FleetModel, folder: Path) -> bool:
    """Tell whether a model is finished and nothing of it has changed, without reading an image.

    Data in object storage are not looked at: the process that trains the model does that.
    """
    try:
        record = Record.load(folder)
        if record is None or is_url(model.data) or not (folder / MODEL).is_file():
            return False
        done = record.step("train")
        if done.state != "finished" or record.model != model:
            return False
        dataset = load_dataset(model.data, model.layout, leave_out=model.leave_out)
        return done.of == training_identity(model, dataset)
    except (ExcisionError, OSError):
        # The process that trains it says what is wrong.
        return False


def _listing(samples: Iterable[Sample]) -> str:
    digest = hashlib.sha256()
    for sample in samples:
        files = [sample.image, *([sample.mask] if isinstance(sample.mask, Path) else [])]
        known = [(file.stat().st_size, file.stat().st_mtime_ns) for file in files]
        line = json.dumps([sample.name, sample.label, sample.group, known])
        digest.update(line.encode("utf-8", "surrogateescape"))
    return digest.hexdigest()

"""The run folder: the files of a training run, and how a detector is loaded from them.

settings.toml            all settings, as given
fingerprint.json         names and hashes of training and calibration images, and of known defects
log.jsonl                training metrics, one line every ten steps
tuning.safetensors       checkpoint of the attention tuning; removed once the model is written
checkpoint.safetensors   checkpoint of the training; removed likewise
tiles/                   training tiles cut from large images; removed likewise
folds/                   checkpoints and scores of the models of the folds; removed likewise
model.safetensors        the weights and everything else that was learnt
image_format.json        size, channels and tiles of the images
calibration.json         decision threshold and the scores it was set from
fitness.json             what training images are like; absent if no image is judged as unfit
features.json            record of the feature network; absent if only edges are compared
training.json            time, memory, machine and versions
"""

from __future__ import annotations

import dataclasses
import math
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, NamedTuple

from excision.errors import ModelError, SettingsError
from excision.features.record import FEATURES, FeatureRecord
from excision.method.folder_kinds import (
    CAPABILITY,
    FITNESS,
    RUN_MODEL,
    RUN_SETTINGS,
    folder_kind,
    wrong_folder,
)
from excision.method.format_1 import from_format_1
from excision.method.stored_calibration import is_number, require, stored_calibration
from excision.settings import Settings
from excision.system.files import write_json, write_tensors
from excision.system.interrupts import deferred_interrupt
from excision.system.strict_json import read_json as read_bounded_json
from excision.tiling.image_format import ImageFormat

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from excision.method.calibration import Calibration
    from excision.method.fitness import Fitness

MODEL, SETTINGS = RUN_MODEL, RUN_SETTINGS
CHECKPOINT, TUNING, LOG = "checkpoint.safetensors", "tuning.safetensors", "log.jsonl"
TILES, FOLDS = "tiles", "folds"
CALIBRATION, FINGERPRINT, TRAINING = "calibration.json", "fingerprint.json", "training.json"
IMAGE_FORMAT = "image_format.json"
FORMAT = 3
"""Of the folders that are written. Until format 2, promises had no confidence."""

VERDICT_FILES = (MODEL, CALIBRATION, SETTINGS, IMAGE_FORMAT, FITNESS, FEATURES)
"""Files that can change a verdict; fingerprints depend on this order, so it must not change."""

_SAVING = ".saving-"  # begins the name of a folder in which a model is written
_NETWORK = "scorer.network."  # begins the names of the tensors of a feature network

_MOST_JSON = 256 * 2**20  # bytes; a fingerprint has a line for each image

OTHER_FILES = (FINGERPRINT, LOG, TRAINING, CAPABILITY)
"""The other files of a finished run."""


class Model(NamedTuple):
    """A trained model as a run folder holds it.

    Attributes:
        tensors: everything that was learnt, by name.
        settings: settings as given.
        image_format: format of the images, as fitting determined it.
        calibration: the decision threshold and the false-alarm rate that it promises.
        fitness: what training images are like; None if no image is judged as unfit.
        features: record of the feature network; None if only edges are compared.
    """

    tensors: dict[str, Tensor]
    settings: Settings
    image_format: ImageFormat
    calibration: Calibration
    fitness: Fitness | None = None
    features: FeatureRecord | None = None


def save_model(folder: Path, model: Model, record: Mapping[str, Any] | None = None) -> None:
    """Write a model. A kill leaves a folder without weights, never weights beside another model's threshold.

    Args:
        folder: run folder; what belongs to a model that it holds is replaced.
        model: the model.
        record: content of other JSON files of the run, by name.
    """
    from excision.method.fitness import save_fitness

    folder.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=_SAVING, dir=folder) as scratch:
        written = Path(scratch)
        model.settings.save(written / SETTINGS)
        write_json(written / IMAGE_FORMAT, dataclasses.asdict(model.image_format))
        write_json(written / CALIBRATION, dataclasses.asdict(model.calibration))
        save_fitness(written / FITNESS, model.fitness)
        if model.features is not None:
            model.features.save(written / FEATURES)
        for name, content in (record or {}).items():
            write_json(written / name, content)
        write_tensors(written / MODEL, model.tensors, {"format": str(FORMAT)})
        with deferred_interrupt():
            # The weights go first and come last, since their presence marks the run as finished.
            (folder / MODEL).unlink(missing_ok=True)
            for name in (*(record or {}), *VERDICT_FILES[1:], MODEL):
                if (written / name).is_file():
                    (written / name).replace(folder / name)
                else:
                    (folder / name).unlink(missing_ok=True)


def remove_model(folder: Path) -> None:
    """Remove a model and what the folder tells of its training."""
    for name in (*VERDICT_FILES, *OTHER_FILES):
        (folder / name).unlink(missing_ok=True)


def remove_checkpoints(folder: Path) -> None:
    """Remove the files that a finished run no longer needs."""
    for name in (TUNING, CHECKPOINT):
        (folder / name).unlink(missing_ok=True)
    for path in (folder / TILES, folder / FOLDS, *folder.glob(f"{_SAVING}*")):
        shutil.rmtree(path, ignore_errors=True)


def load_model(folder: Path) -> Model:
    """Load a model from a run folder of this format or of format 1.

    Raises:
        ModelError: the folder does not hold a finished run, a file is damaged, or the format is newer.
    """
    from excision.method.fitness import load_fitness

    if not (folder / MODEL).is_file():
        raise ModelError(wrong_folder(folder, "run folder"))
    tensors, version = _load_tensors(folder / MODEL)
    try:
        settings = Settings.load(folder / SETTINGS, warn_of_old_names=False)
    except SettingsError as error:
        raise ModelError(str(error)) from error
    calibration, mask_threshold = _load_calibration(folder / CALIBRATION)
    if version == 1 and folder_kind(folder) != "baseline":
        tensors = from_format_1(tensors, mask_threshold)
    image_format = load_image_format(folder, settings)
    fitness = load_fitness(folder / FITNESS, image_format.channels)
    features = load_features(folder, settings, image_format, tensors)
    return Model(tensors, settings, image_format, calibration, fitness, features)


def load_features(
    folder: Path, settings: Settings, image_format: ImageFormat, tensors: Mapping[str, Tensor]
) -> FeatureRecord | None:
    """Read the record of the feature network; None if only edges are compared.

    Raises:
        ModelError: the file is missing or damaged, or the network is for images of another size.
    """
    if settings.feature_choice(image_format) is None:
        return None
    if image_format.tiling is not None and not any(name.startswith(_NETWORK) for name in tensors):
        # Written when the features of a network did not count in tiles.
        return None
    record = FeatureRecord.load(folder / FEATURES)
    if record.size != tuple(image_format.size):
        raise ModelError(f"{folder / FEATURES}: these are features of images of {record.size} pixels")
    return record


def load_calibration(folder: Path) -> Calibration:
    """Read the calibration of a run folder.

    Raises:
        ModelError: the file is missing or damaged.
    """
    return _load_calibration(folder / CALIBRATION)[0]


def load_image_format(folder: Path, settings: Settings) -> ImageFormat:
    """Read the image format of a run folder; in format 1 it is in the settings.

    Raises:
        ModelError: the file is damaged, or it is missing and the settings do not give the format.
    """
    if not (folder / IMAGE_FORMAT).is_file():
        image = settings.image
        if image.size is None or image.channels is None:
            raise ModelError(f"{folder / IMAGE_FORMAT} is missing: train the model again")
        return ImageFormat(image.size, image.channels, settings.tiling)
    content = read_json(folder / IMAGE_FORMAT)
    try:
        return ImageFormat.from_json(content)
    except (IndexError, KeyError, TypeError, ValueError, SettingsError) as error:
        raise ModelError(f"{folder / IMAGE_FORMAT}: this is not an image format: {error!r}") from error


def _load_tensors(path: Path) -> tuple[dict[str, Tensor], int]:
    """Read the weights and the number of their format."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as stored:
            version = int((stored.metadata() or {}).get("format", "0"))
            if not 1 <= version <= FORMAT:
                raise ModelError(
                    f"{path}: this is format {version}, and this version of Excision reads 1 to {FORMAT}: "
                    "update this installation, or train the model again"
                )
            tensors = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118  no mapping
    except (OSError, SafetensorError, ValueError) as error:
        raise ModelError(f"{path}: cannot be read as weights: {error}") from error
    return tensors, version


def _load_calibration(path: Path) -> tuple[Calibration, float]:
    """Read the calibration, and the mask threshold that format 1 kept beside it."""
    content = read_json(path)
    try:
        require(isinstance(content, dict), "it must be an object")
        stored = content.pop("mask_threshold", None)
        calibration = stored_calibration(content, "it")
        require(stored is None or is_number(stored), "it.mask_threshold must be a finite number or null")
    except ValueError as error:
        raise ModelError(f"{path}: this is not a calibration: {error}") from error
    # JSON has no infinity: null meant that nothing is ever masked.
    return calibration, math.inf if stored is None else float(stored)


def read_json(path: Path) -> Any:
    """Read a JSON file of a run.

    Raises:
        ModelError: the file is missing or damaged.
    """
    return read_bounded_json(path, _MOST_JSON)

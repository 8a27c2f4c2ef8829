"""The run folder: what a training leaves behind, and how a detector is read back from it.

settings.toml            every setting, as it was given
fingerprint.json         which files were trained on and calibrated with, with their hashes
log.jsonl                metrics of the training, a line every ten steps
tuning.safetensors       where to resume the tuning of the attention; gone once the model is written
checkpoint.safetensors   the same of the training
tiles/                   what is trained on, where large images are; gone once the model is written
model.safetensors        the weights, and everything else that was learnt
image_format.json        size, channels and tiles of the images
calibration.json         decision threshold, and the scores behind it
training.json            time, memory, machine and versions
"""

from __future__ import annotations

import dataclasses
import json
import math
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from excision.errors import ModelError, SettingsError
from excision.method.calibration import Calibration
from excision.method.folder_kinds import RUN_MODEL, RUN_SETTINGS, folder_kind, wrong_folder
from excision.method.format_1 import from_format_1
from excision.settings import Settings
from excision.system.files import remove_leftovers, write_json, write_tensors
from excision.tiling.image_format import ImageFormat

if TYPE_CHECKING:
    from torch import Tensor

MODEL, SETTINGS = RUN_MODEL, RUN_SETTINGS
CHECKPOINT, TUNING, LOG = "checkpoint.safetensors", "tuning.safetensors", "log.jsonl"
TILES = "tiles"
CALIBRATION, FINGERPRINT, TRAINING = "calibration.json", "fingerprint.json", "training.json"
IMAGE_FORMAT = "image_format.json"
FORMAT = 2

VERDICT_FILES = (MODEL, CALIBRATION, SETTINGS, IMAGE_FORMAT)
"""Files that can change a verdict; a fingerprint takes them in this order, which must stay."""

OTHER_FILES = (FINGERPRINT, LOG, TRAINING)
"""All other files of a finished run."""


class Model(NamedTuple):
    """A trained model as a run folder holds it.

    Attributes:
        tensors: what was learnt, by name.
        settings: as they were given.
        image_format: of the images, as fitting settled it.
        calibration: the decision threshold and what it promises.
    """

    tensors: dict[str, Tensor]
    settings: Settings
    image_format: ImageFormat
    calibration: Calibration


def prepare_run(
    folder: Path, settings: Settings, image_format: ImageFormat, data: dict[str, Any], *, resume: bool
) -> None:
    """Write settings and fingerprint, or on resume check that they are the ones the run began with.

    Raises:
        SettingsError: the folder holds another run or cannot be written to, or the settings or data differ
            from the run's.
    """
    check_free(folder, resume=resume)
    settings_file, data_file = folder / SETTINGS, folder / FINGERPRINT
    if settings_file.is_file() and data_file.is_file():
        begun = Settings.load(settings_file, warn_of_old_names=False)
        # The first release wrote the settled image format into the settings.
        if begun != settings.settled(image_format):
            _same_settings(begun, settings, folder)
        if read_json(data_file) != data:
            raise SettingsError(
                f"{folder} was begun on other images than these ({FINGERPRINT} differs): "
                "give the data it was begun on, or choose another folder"
            )
        for name in (
            SETTINGS,
            FINGERPRINT,
            TUNING,
            CHECKPOINT,
            LOG,
            MODEL,
            IMAGE_FORMAT,
            CALIBRATION,
            TRAINING,
        ):
            remove_leftovers(folder / name)
        return
    try:
        # A run counts as begun once both are there, so a kill in between does no harm.
        write_json(data_file, data)
        settings.save(settings_file)
    except OSError as error:
        raise SettingsError(f"{folder}: cannot be written to ({error.strerror})") from error


def check_free(folder: Path, *, resume: bool) -> None:
    """Make sure, before any long work, that a run can begin or go on in a folder.

    Raises:
        SettingsError: the folder is a file, holds a run that is not to be resumed, or a model that no
            training here has made.
    """
    if folder.exists() and not folder.is_dir():
        raise SettingsError(f"{folder} is a file: choose a folder for the run")
    begun = (folder / SETTINGS).is_file() and (folder / FINGERPRINT).is_file()
    if begun and not resume:
        raise SettingsError(f"{folder} holds a run already: resume it (--resume), or choose another folder")
    if not begun and any((folder / name).is_file() for name in (MODEL, CHECKPOINT)):
        raise SettingsError(f"{folder} holds a model that was not trained in it: choose another folder")


def save_model(folder: Path, model: Model) -> None:
    """Write everything; the weights last, since their presence says that all is there."""
    folder.mkdir(parents=True, exist_ok=True)
    model.settings.save(folder / SETTINGS)
    write_json(folder / IMAGE_FORMAT, dataclasses.asdict(model.image_format))
    write_json(folder / CALIBRATION, dataclasses.asdict(model.calibration))
    write_tensors(folder / MODEL, model.tensors, {"format": str(FORMAT)})


def remove_checkpoints(folder: Path) -> None:
    """Remove what a finished run needs no more."""
    for name in (TUNING, CHECKPOINT):
        (folder / name).unlink(missing_ok=True)
    shutil.rmtree(folder / TILES, ignore_errors=True)


def load_model(folder: Path) -> Model:
    """Read everything, of this format or of the first.

    Raises:
        ModelError: the folder is no finished run, a file in it is damaged, or it is of a later format.
    """
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
    return Model(tensors, settings, load_image_format(folder, settings), calibration)


def load_calibration(folder: Path) -> Calibration:
    """Read the calibration of a run folder.

    Raises:
        ModelError: the file is missing or damaged.
    """
    return _load_calibration(folder / CALIBRATION)[0]


def load_image_format(folder: Path, settings: Settings) -> ImageFormat:
    """Read the image format of a run folder; in the first release it stood in the settings.

    Raises:
        ModelError: the file is damaged, or there is none and the settings leave the format open.
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
        raise ModelError(f"{folder / IMAGE_FORMAT}: this is no image format: {error!r}") from error


def _load_tensors(path: Path) -> tuple[dict[str, Tensor], int]:
    """Read the weights, and the format that they are of."""
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
    """Read the calibration, and the mask threshold that the first release kept beside it."""
    content = read_json(path)
    try:
        stored, wanted = content.get("mask_threshold"), content["wanted_rate"]
        calibration = Calibration(
            threshold=float(content["threshold"]),
            wanted_rate=None if wanted is None else float(wanted),
            promised_rate=float(content["promised_rate"]),
            scores=tuple(map(float, content["scores"])),
        )
        # JSON has no infinity; null stood for a mask that never was.
        return calibration, math.inf if stored is None else float(stored)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ModelError(f"{path}: this is no calibration: {error!r}") from error


def read_json(path: Path) -> Any:
    """Read a JSON file of a run.

    Raises:
        ModelError: it is missing or damaged.
    """
    try:
        return json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"{path}: cannot be read as JSON: {error}") from error


def _same_settings(begun: Settings, wanted: Settings, folder: Path) -> None:
    before, after = dataclasses.asdict(begun), dataclasses.asdict(wanted)
    differences = [
        f"{section}.{name} was {value!r} and is now {after[section][name]!r}"
        for section, values in before.items()
        for name, value in values.items()
        if after[section][name] != value
    ]
    if differences:
        raise SettingsError(f"{folder} was begun with other settings: {'; '.join(differences)}")

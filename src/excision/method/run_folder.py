"""The run folder: what a training leaves behind, and how a detector is read back from it.

settings.toml         every setting, with size and channels settled
fingerprint.json      which files were trained on and calibrated with, with their hashes
log.jsonl             metrics of the training, a line every ten steps
tuning.safetensors    where to resume the tuning of the attention; gone once the model is written
checkpoint.safetensors   the same of the training
tiles/                what is trained on, where large images are; gone once the model is written
model.safetensors     weights of attention and U-Net
calibration.json      mask threshold, decision threshold, and the scores behind it
training.json         time, memory, machine and versions
"""

from __future__ import annotations

import dataclasses
import json
import math
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from excision.errors import ModelError, SettingsError
from excision.method.calibration import Calibration
from excision.method.folder_kinds import RUN_MODEL, RUN_SETTINGS, wrong_folder
from excision.settings import Settings
from excision.system.files import remove_leftovers, write_json, write_tensors

if TYPE_CHECKING:
    from torch import Tensor

MODEL, SETTINGS = RUN_MODEL, RUN_SETTINGS
CHECKPOINT, TUNING, LOG = "checkpoint.safetensors", "tuning.safetensors", "log.jsonl"
TILES = "tiles"
CALIBRATION, FINGERPRINT, TRAINING = "calibration.json", "fingerprint.json", "training.json"
FORMAT = "1"

VERDICT_FILES = (MODEL, CALIBRATION, SETTINGS)
"""Files that can change a verdict; a fingerprint takes them in this order, which must stay."""

OTHER_FILES = (FINGERPRINT, LOG, TRAINING)
"""All other files of a finished run."""

_RENAMED = {"familiar.explained": "familiar.explained_variance"}


def prepare_run(folder: Path, settings: Settings, data: dict[str, Any], *, resume: bool) -> None:
    """Write settings and fingerprint, or on resume check that they are the ones the run began with.

    Raises:
        SettingsError: the folder holds another run or cannot be written to, or the settings or data differ
            from the run's.
    """
    check_free(folder, resume=resume)
    settings_file, data_file = folder / SETTINGS, folder / FINGERPRINT
    if settings_file.is_file() and data_file.is_file():
        _same_settings(Settings.load(settings_file, warn_of_old_names=False), settings, folder)
        if read_json(data_file) != data:
            raise SettingsError(
                f"{folder} was begun on other images than these ({FINGERPRINT} differs): "
                "give the data it was begun on, or choose another folder"
            )
        for name in (SETTINGS, FINGERPRINT, TUNING, CHECKPOINT, LOG, MODEL, CALIBRATION, TRAINING):
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


def save_model(
    folder: Path,
    tensors: dict[str, Tensor],
    settings: Settings,
    mask_threshold: float,
    calibration: Calibration,
) -> None:
    """Write settings, calibration and weights; the weights last, since their presence says all is there."""
    folder.mkdir(parents=True, exist_ok=True)
    settings.save(folder / SETTINGS)
    write_json(
        folder / CALIBRATION,
        {
            # JSON has no infinity; it stands for a mask that never was.
            "mask_threshold": mask_threshold if math.isfinite(mask_threshold) else None,
            **dataclasses.asdict(calibration),
        },
    )
    write_tensors(folder / MODEL, tensors, {"format": FORMAT})


def remove_checkpoints(folder: Path) -> None:
    """Remove what a finished run needs no more."""
    for name in (TUNING, CHECKPOINT):
        (folder / name).unlink(missing_ok=True)
    shutil.rmtree(folder / TILES, ignore_errors=True)


def load_model(folder: Path) -> tuple[dict[str, Tensor], Settings, float, Calibration]:
    """Read weights, settings, mask threshold and calibration.

    Raises:
        ModelError: the folder is no finished run, or a file in it is damaged.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    if not (folder / MODEL).is_file():
        raise ModelError(wrong_folder(folder, "run folder"))
    try:
        tensors = {_RENAMED.get(name, name): each for name, each in load_file(folder / MODEL).items()}
    except (OSError, SafetensorError) as error:
        raise ModelError(f"{folder / MODEL}: cannot be read as weights: {error}") from error
    try:
        settings = Settings.load(folder / SETTINGS, warn_of_old_names=False)
    except SettingsError as error:
        raise ModelError(str(error)) from error
    return tensors, settings, *load_calibration(folder / CALIBRATION)


def load_calibration(path: Path) -> tuple[float, Calibration]:
    """Read the mask threshold and the calibration.

    Raises:
        ModelError: the file is missing or damaged.
    """
    content = read_json(path)
    try:
        stored, wanted = content["mask_threshold"], content["wanted_rate"]
        calibration = Calibration(
            threshold=float(content["threshold"]),
            wanted_rate=None if wanted is None else float(wanted),
            promised_rate=float(content["promised_rate"]),
            scores=tuple(map(float, content["scores"])),
        )
        return math.inf if stored is None else float(stored), calibration
    except (KeyError, TypeError, ValueError) as error:
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

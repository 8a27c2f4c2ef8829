"""How a training run starts in its folder, and how it is resumed: with the same settings and images."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

from excision.errors import ModelError, OtherRunError, SettingsError
from excision.features.record import FEATURES, FeatureRecord
from excision.method.folder_kinds import FITNESS
from excision.method.run_folder import (
    CALIBRATION,
    CHECKPOINT,
    FINGERPRINT,
    IMAGE_FORMAT,
    LOG,
    MODEL,
    SETTINGS,
    TRAINING,
    TUNING,
    read_json,
)
from excision.settings import Settings
from excision.system.files import is_disk_full, remove_leftovers, write_json
from excision.tiling.image_format import ImageFormat
from excision.training import KNOWN_DEFECTS, KNOWN_MASKS, WARM_START
from excision.training.warm_start import WarmStart

if TYPE_CHECKING:
    from excision.data.records import Dataset

_FILES = (
    SETTINGS,
    FINGERPRINT,
    TUNING,
    CHECKPOINT,
    LOG,
    MODEL,
    IMAGE_FORMAT,
    CALIBRATION,
    FITNESS,
    FEATURES,
    TRAINING,
)
"""A run that was killed may have left a temporary copy of any of these."""


def prepare_run(
    folder: Path,
    settings: Settings,
    image_format: ImageFormat,
    data: dict[str, Any],
    features: FeatureRecord | None = None,
    *,
    resume: bool,
) -> None:
    """Write settings and fingerprint or, on resume, check that they are the ones the run began with.

    Raises:
        OtherRunError: settings, data or the file of the feature network differ from those of the run.
        SettingsError: the folder holds another run, or is not writable.
    """
    check_free(folder, resume=resume)
    settings_file, data_file = folder / SETTINGS, folder / FINGERPRINT
    if settings_file.is_file() and data_file.is_file():
        begun = Settings.load(settings_file, warn_of_old_names=False)
        # Format 1 kept the image format in the settings.
        if begun != settings.settled(image_format):
            _same_settings(begun, settings, folder)
        _same_defects(read_json(data_file), data, folder)
        if read_json(data_file) != _comparable(data, read_json(data_file)):
            raise OtherRunError(
                f"{folder} was begun on other images than these ({FINGERPRINT} differs): "
                "give the same data again, or choose another folder"
            )
        _same_features(folder, features)
        remove_leftovers(*(folder / name for name in _FILES))
        return
    try:
        # A run counts as begun once both files exist, so a kill in between does no harm.
        if features is not None:
            features.save(folder / FEATURES)
        write_json(data_file, data)
        settings.save(settings_file)
    except OSError as error:
        if is_disk_full(error):
            raise
        raise SettingsError(f"{folder}: cannot be written to ({error.strerror})") from error


def check_free(folder: Path, *, resume: bool) -> None:
    """Check, before any long work, that a run can start or continue in a folder.

    Raises:
        SettingsError: the folder is a file, or holds a run that is not to be resumed, or a model that was not
            trained in it.
    """
    if folder.exists() and not folder.is_dir():
        raise SettingsError(f"{folder} is a file: choose a folder for the run")
    begun = is_begun(folder)
    if begun and not resume:
        raise SettingsError(f"{folder} holds a run already: resume it (--resume), or choose another folder")
    if not begun and any((folder / name).is_file() for name in (MODEL, CHECKPOINT)):
        raise SettingsError(f"{folder} holds a model that was not trained in it: choose another folder")


def check_apart(folder: Path, dataset: Dataset) -> None:
    """Check that a new run does not lie among the images of its data set; one that was begun there goes on.

    Raises:
        SettingsError: the folder is that of the data set, or one in it that images lie in.
    """
    if is_begun(folder):
        return
    run, root = folder.resolve(), dataset.root.resolve()
    taken = {root, *(sample.image.resolve().parent for sample in dataset.samples)}
    within = {above for place in taken for above in place.parents if root in above.parents}
    if run in taken | within:
        raise SettingsError(
            f"{folder} is a folder of the data set, and the files of a run do not belong among images: "
            "choose a folder outside of it"
        )


def is_begun(folder: Path) -> bool:
    """Tell whether a folder holds a run, finished or not."""
    return (folder / SETTINGS).is_file() and (folder / FINGERPRINT).is_file()


def recorded_groups(folder: Path) -> dict[str, str] | None:
    """Read the groups that a run began with, by the name of the image; None if no run was begun.

    A run of an older version records none: its groups are those that the data set states.

    Raises:
        ModelError: the file is damaged.
    """
    content = _fingerprint(folder)
    if content is None:
        return None
    groups = content.get("groups", {})
    if not isinstance(groups, dict) or not all(isinstance(group, str) for group in groups.values()):
        raise _damaged(folder)
    return groups


def dropped_images(folder: Path) -> tuple[str, ...]:
    """Read which good training images a run leaves out as suspects; none if no run was begun.

    Raises:
        ModelError: the file is damaged.
    """
    content = _fingerprint(folder)
    dropped = [] if content is None else content.get("dropped", [])
    if not isinstance(dropped, list) or not all(isinstance(name, str) for name in dropped):
        raise _damaged(folder)
    return tuple(dropped)


def recorded_images(folder: Path) -> dict[str, dict[str, str]] | None:
    """Read the SHA-256 of each image of a run by its name: "training" and "calibration"; None if unknown.

    Raises:
        ModelError: the file is damaged.
    """
    content = _fingerprint(folder)
    if content is None:
        return None
    found = {part: content.get(part, {}) for part in ("training", "calibration", KNOWN_DEFECTS)}
    for hashes in found.values():
        if not isinstance(hashes, dict) or not all(isinstance(digest, str) for digest in hashes.values()):
            raise _damaged(folder)
    return found


def recorded_warm_start(folder: Path) -> WarmStart | None:
    """Read which networks a run started from; None if it started from nothing, or was not begun.

    Raises:
        ModelError: the file is damaged.
    """
    content = _fingerprint(folder)
    if content is None or WARM_START not in content:
        return None
    try:
        return WarmStart.from_json(content[WARM_START])
    except ValueError as error:
        raise _damaged(folder) from error


def _fingerprint(folder: Path) -> dict[str, Any] | None:
    """Read what a run began with; None if no run was begun."""
    if not (folder / FINGERPRINT).is_file():
        return None
    content = read_json(folder / FINGERPRINT)
    if not isinstance(content, dict):
        raise _damaged(folder)
    return content


def _damaged(folder: Path) -> ModelError:
    return ModelError(f"{folder / FINGERPRINT}: these are not the images of a run")


def _comparable(data: dict[str, Any], begun: Any) -> dict[str, Any]:
    """Leave out what the fingerprint of an older version did not record."""
    recorded = isinstance(begun, dict) and "groups" in begun
    return data if recorded else {key: value for key, value in data.items() if key != "groups"}


def _same_defects(begun: Any, data: dict[str, Any], folder: Path) -> None:
    before = begun if isinstance(begun, dict) else {}
    if any(before.get(part, {}) != data.get(part, {}) for part in (KNOWN_DEFECTS, KNOWN_MASKS)):
        known = before.get(KNOWN_DEFECTS)
        how = f"{len(known)} images of known defects and their masks" if known else "no known defects"
        raise OtherRunError(
            f"{folder} was begun with {how}, and not with these: give the same --defects (defects=...) "
            "again, or choose another folder"
        )


def _same_features(folder: Path, wanted: FeatureRecord | None) -> None:
    if wanted is None:
        return
    begun = FeatureRecord.load(folder / FEATURES)
    if begun != wanted:
        raise OtherRunError(
            f"{folder} was begun with other features: with {begun.source}, SHA-256 {begun.sha256[:12]}, not "
            f"with {wanted.source}, {wanted.sha256[:12]}: give the same file again, or choose another folder"
        )


def _same_settings(begun: Settings, wanted: Settings, folder: Path) -> None:
    before, after = dataclasses.asdict(begun), dataclasses.asdict(wanted)
    differences = [
        f"{section}.{name} was {value!r} and is now {after[section][name]!r}"
        for section, values in before.items()
        for name, value in values.items()
        if after[section][name] != value
    ]
    if differences:
        raise OtherRunError(f"{folder} was begun with other settings: {'; '.join(differences)}")

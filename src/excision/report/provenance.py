"""Where the figures of a report come from: model, images, machine, and settings that are not the defaults."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from excision.data.records import Dataset
from excision.errors import ModelError, SettingsError
from excision.inspection.fingerprint import DIGITS, content_hash
from excision.method.folder_kinds import RUN_SETTINGS, folder_kind
from excision.method.run_folder import FINGERPRINT, TRAINING
from excision.runtime.model_folder import TRAINING_SETTINGS, Description
from excision.settings import Settings
from excision.system.files import sha256
from excision.system.strict_json import read_json
from excision.system.usage import processor
from excision.version import __version__

_MOST = 2**20  # bytes of a record of a training

_PACKAGES = ("onnxruntime", "openvino", "torch", "numpy")


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """The model that was measured.

    Attributes:
        name: of its folder.
        version: names its content, as a station does.
        sha256: of its content.
        kind: "run folder", or for which backend and precision it is exported.
        trained_on: SHA-256 of the fingerprint of the training images; None if unknown.
        made_with: package and version of each that made it.
    """

    name: str
    version: str
    sha256: str
    kind: str
    trained_on: str | None = None
    made_with: dict[str, str] = dataclasses.field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class DataFacts:
    """The images that were inspected.

    Attributes:
        path: folder or file, as it was given.
        images: how many.
        sha256: of the names and the content of all of them, in the order of their names.
    """

    path: str
    images: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Changed:
    """A setting that is not its default: its name, its value and the default, as they are written in TOML."""

    name: str
    value: str
    default: str


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where the figures come from; see the classes.

    Attributes:
        model: None if it was in memory alone.
        data: None for an inspection, whose images the report lists.
        machine: name and value of each fact about the machine that measured.
        changed: settings of the training that are not their defaults; None if they are not known.
    """

    model: ModelFacts | None
    data: DataFacts | None
    machine: dict[str, str]
    changed: tuple[Changed, ...] | None

    @classmethod
    def of_json(cls, content: Mapping[str, Any]) -> Provenance:
        """Read what `dataclasses.asdict` gave.

        Raises:
            TypeError: an entry is missing or unknown.
        """
        model, data, changed = content["model"], content["data"], content["changed"]
        return cls(
            None if model is None else ModelFacts(**model),
            None if data is None else DataFacts(**data),
            dict(content["machine"]),
            None if changed is None else tuple(Changed(**one) for one in changed),
        )


def provenance_of(model: Path | None, dataset: Dataset | None = None) -> Provenance:
    """Collect where figures come from; each test image is read once for its hash.

    Args:
        model: folder of the model; None if there is none.
        dataset: whose test images are measured; None for an inspection.

    Raises:
        ModelError: the folder holds no model.
    """
    return Provenance(
        None if model is None else _model(model),
        None if dataset is None else _data(dataset),
        machine(),
        None if model is None else changed_settings(model),
    )


def machine() -> dict[str, str]:
    """Describe this machine and the versions that compute here, without importing any of them."""
    found = {
        "processor": processor(),
        "cores": str(os.cpu_count()),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "excision": __version__,
    }
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def changed_settings(model: Path) -> tuple[Changed, ...] | None:
    """Give the settings of the training that are not their defaults; None if they are not known."""
    path = model / (RUN_SETTINGS if folder_kind(model) == "run" else TRAINING_SETTINGS)
    try:
        settings = Settings.load(path, warn_of_old_names=False)
    except SettingsError:
        return None
    found, usual = dataclasses.asdict(settings), dataclasses.asdict(Settings())
    return tuple(
        Changed(f"{section}.{name}", _written(value), _written(usual[section][name]))
        for section, values in found.items()
        for name, value in values.items()
        if value != usual[section][name]
    )


def _model(folder: Path) -> ModelFacts:
    digest = content_hash(folder)
    name = folder.resolve().name
    if folder_kind(folder) == "run":
        return ModelFacts(
            name, digest[:DIGITS], digest, "run folder", _trained_on(folder), _made_with(folder)
        )
    found = Description.load(folder)
    kind = f"exported, {found.backend}, {found.precision}"
    return ModelFacts(name, digest[:DIGITS], digest, kind, found.data, dict(found.versions))


def _trained_on(run: Path) -> str | None:
    path = run / FINGERPRINT
    return sha256(path) if path.is_file() else None


def _made_with(run: Path) -> dict[str, str]:
    """Give the versions that trained a model, as its record tells; nothing where it does not."""
    try:
        record = read_json(run / TRAINING, _MOST)
    except (ModelError, OSError):
        return {}
    return {name: str(record[name]) for name in ("excision", "python", "torch") if name in record}


def _data(dataset: Dataset) -> DataFacts:
    digest = hashlib.sha256()
    for sample in dataset.test:
        try:
            content = sha256(sample.image)
        except OSError:
            content = "unreadable"  # the report names such images
        digest.update(f"{content} {sample.name}\n".encode("utf-8", "surrogateescape"))
    return DataFacts(str(dataset.root), len(dataset.test), digest.hexdigest())


def _written(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return "none" if value is None else str(value)

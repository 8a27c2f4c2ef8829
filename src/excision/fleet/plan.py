"""The file of a fleet: its models, each with its data and its settings."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from excision.errors import SettingsError
from excision.settings import Settings
from excision.settings.renamed import with_new_names
from excision.settings.short_names import SHORT_NAMES
from excision.storage.entry import is_url
from excision.system.names import PLAIN_NAME
from excision.system.toml_file import read_toml

_MOST_BYTES = 16 * 2**20
_OTHER = re.compile(r"[^A-Za-z0-9_.-]")
_PATTERN = re.compile(r"[*?\[]")
_INSTALLED = "elpv-dataset"
_SECTIONS = tuple(each.name for each in dataclasses.fields(Settings))

RESERVED = ("earlier", "fleet.json", "fleet.csv", "fleet.parquet", "report.html", "compare.html", "export")
"""Names in the folder of a fleet that are not those of models."""


@dataclass(frozen=True, slots=True)
class FleetModel:
    """One model of a fleet.

    Attributes:
        name: of its run folder.
        data: data set that it is trained on: a path, a URL, or the name of an installed package.
        test: folder of labelled test images; None takes the test part of the data.
        layout: of the data; None detects it.
        leave_out: go on although most images of the data are left out.
        few: accept images that are too few to promise a false-alarm rate of 5 %.
        drop_suspects: leave out the good images that look defective.
        defects: images of known defects, or folders of such.
        sections: settings that differ from the defaults, section by section.
    """

    name: str
    data: str
    test: str | None = None
    layout: str | None = None
    leave_out: bool = False
    few: bool = False
    drop_suspects: bool = False
    defects: tuple[str, ...] = ()
    sections: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @property
    def settings(self) -> Settings:
        """All settings of its training.

        Raises:
            SettingsError: a value is out of range.
        """
        return Settings.of(self.sections)

    def to_json(self) -> dict[str, Any]:
        """Return it for a JSON file."""
        content: dict[str, Any] = json.loads(json.dumps(dataclasses.asdict(self)))
        return content

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> FleetModel:
        """Read what `to_json` gave."""
        return cls(**{**content, "defects": tuple(content.get("defects", ()))})


_OWN: dict[str, type] = {
    "data": str,
    "test": str,
    "layout": str,
    "leave_out": bool,
    "few": bool,
    "drop_suspects": bool,
    "defects": list,
    "settings": str,
}
_KINDS = {str: "text", bool: "true or false", list: "a list of paths"}


def read_fleet(path: Path) -> tuple[FleetModel, ...]:
    """Read the file of a fleet.

    A table `[defaults]` holds what all models share, and `[models.NAME]` what one has for itself: `data`,
    `test`, `layout`, `leave_out`, `few`, `drop_suspects`, `defects`, `settings` (a file of settings), and
    every setting of a training, by its short name or in the table of its section. Paths are relative to the
    file. Where the last folders of `data` are patterns, each folder that matches is a model; its name ends
    with what the patterns stand for, in which other characters than those of names become "_".

    Raises:
        SettingsError: the file cannot be read, a name is unknown, a value is wrong, no folder matches, or two
            models have the same name.
    """
    content = read_toml(path, _MOST_BYTES)
    unknown = content.keys() - {"defaults", "models"}
    if unknown:
        raise SettingsError(
            f"{path}: {min(unknown)} is unknown: a fleet has a table [defaults] and tables [models.NAME]"
        )
    tables, defaults = content.get("models", {}), content.get("defaults", {})
    if not isinstance(tables, dict) or not tables:
        raise SettingsError(f"{path}: there is no model: add a table such as [models.bracket]")
    models: dict[str, FleetModel] = {}
    for name, table in tables.items():
        where = f"{path}: models.{name}"
        for model in _models(name, table, defaults, path.parent, where):
            if model.name.lower() in {known.lower() for known in models}:
                raise SettingsError(f"{where}: there are two models of the name {model.name}")
            models[model.name] = model
    return tuple(models.values())


def _models(name: str, table: Any, defaults: Any, beside: Path, where: str) -> Iterator[FleetModel]:
    """Give the models of one table."""
    both = []
    for values, place in ((defaults, where.partition(": ")[0] + ": defaults"), (table, where)):
        if not isinstance(values, dict):
            raise SettingsError(f"{place}: must be a table")
        both.append(_divided(values, beside, place))
    own = {**both[0][0], **both[1][0]}
    base = _file_sections(own.pop("settings", None))
    sections = _merged(base, both[0][1], both[1][1])
    if "data" not in own:
        raise SettingsError(f"{where}: there is no data: name a folder of images with data = ...")
    for full_name, data in _matching(name, own["data"], where):
        if not PLAIN_NAME.fullmatch(full_name) or full_name.lower() in RESERVED:
            raise SettingsError(
                f"{where}: {full_name} cannot be the name of a run folder: use letters, digits, _, - and ."
            )
        model = FleetModel(**{**own, "name": full_name, "data": data}, sections=sections)
        try:
            _ = model.settings
        except SettingsError as error:
            raise SettingsError(f"{where}: {error}") from error
        yield model


def _divided(
    values: dict[str, Any], beside: Path, where: str
) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """Divide a table into what is the fleet's own, with its paths made absolute, and settings by section."""
    own: dict[str, Any] = {}
    sections: dict[str, dict[str, Any]] = {}
    for key, value in values.items():
        if key in _OWN:
            own[key] = _own(key, value, beside, where)
        elif key in _SECTIONS and isinstance(value, dict):
            sections.setdefault(key, {}).update(value)
        elif key in SHORT_NAMES:
            section, _, name = SHORT_NAMES[key].partition(".")
            sections.setdefault(section, {})[name] = value
        else:
            known = ", ".join((*_OWN, *SHORT_NAMES, *_SECTIONS))
            raise SettingsError(f"{where}: {key} is unknown; known are {known}")
    features = sections.get("score", {}).get("features")
    if isinstance(features, str) and (beside / features).is_file():
        sections["score"]["features"] = str(beside / features)
    try:
        return own, with_new_names(sections)[0]
    except SettingsError as error:
        raise SettingsError(f"{where}: {error}") from error


def _own(key: str, value: Any, beside: Path, where: str) -> Any:
    kind = _OWN[key]
    listed: list[Any] = value if isinstance(value, list) else []
    if type(value) is not kind or not all(isinstance(each, str) for each in listed):
        raise SettingsError(f"{where}: {key} is {value!r}: it must be {_KINDS[kind]}")
    if kind is list:
        return tuple(_place(each, beside) for each in listed)
    return _place(str(value), beside) if key in ("data", "test", "settings") else value


def _place(path: str, beside: Path) -> str:
    """Give an absolute path; URLs and the name of an installed data set stay."""
    if is_url(path) or (path == _INSTALLED and not (beside / path).exists()):
        return path
    return str((beside / Path(path).expanduser()).absolute())


def _file_sections(file: str | None) -> dict[str, Any]:
    """Give the settings of a file, section by section."""
    return {} if file is None else dataclasses.asdict(Settings.load(file))


def _merged(*layers: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    sections: dict[str, dict[str, Any]] = {}
    for layer in layers:
        for section, values in layer.items():
            sections.setdefault(section, {}).update(values)
    return sections


def _matching(name: str, data: str, where: str) -> Iterator[tuple[str, str]]:
    """Give the name and the data of each model: one, or one for each folder that matches the patterns."""
    parts = Path(data).parts
    wild = [place for place, part in enumerate(parts) if _PATTERN.search(part)]
    if is_url(data) or not wild or Path(data).exists():
        yield name, data
        return
    if "**" in parts:
        raise SettingsError(f"{where}: data holds **: write a * for each folder")
    root = Path(*parts[: wild[0]])
    found = sorted(path for path in root.glob(str(Path(*parts[wild[0] :]))) if path.is_dir())
    if not found:
        raise SettingsError(f"{where}: no folder matches {data}")
    for path in found:
        yield "-".join([name, *(_OTHER.sub("_", path.parts[place]) for place in wild)]), str(path)

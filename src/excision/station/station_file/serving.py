"""The tables of a station's file that hold what `excision serve` takes on the command line."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Literal

from excision.errors import SettingsError
from excision.station.station_file.file import StationFile

NAME = "name"
"""Key of the station's name, which is the option `--station` where there is a hub."""


@dataclass(frozen=True, slots=True)
class StationTable:
    """`[station]`: its name, and the options of `excision serve` by their names, with "_" for "-".

    Attributes:
        name: of the station, in reports and at its hub.
    """

    name: str | None = None
    data: Path | None = None
    keep: Literal["all", "flagged", "none"] | None = None
    keep_days: tuple[str, ...] | None = None
    keep_gigabytes: float | None = None
    shared: bool | None = None
    models: Path | None = None
    folders: Path | None = None
    queue: int | None = None
    workers: int | None = None
    threads: int | None = None
    max_bytes: int | None = None
    max_pixels: int | None = None
    host: str | None = None
    port: int | None = None
    api_key_file: Path | None = None
    connections: int | None = None
    behind_proxy: tuple[str, ...] | None = None
    hub_url: str | None = None
    hub_key_file: Path | None = None
    station_page: str | None = None

    def __post_init__(self) -> None:
        if self.name is not None:
            from excision.station.outbox.settings import check_station

            try:
                check_station(self.name)
            except SettingsError as error:
                raise SettingsError(f"name {str(error).removeprefix('--station ')}") from error

    def words(self) -> Iterator[tuple[str, list[str]]]:
        """Give what stands there as options of the command line: name with dashes, and values."""
        for one in fields(self):
            value = getattr(self, one.name)
            if value is None or (one.name == NAME and self.hub_url is None):
                continue
            option = "--station" if one.name == NAME else f"--{one.name.replace('_', '-')}"
            values = value if isinstance(value, tuple) else (value,)
            yield option, [str(each).lower() if isinstance(each, bool) else str(each) for each in values]

    def check(self) -> list[str]:
        """Look at the folders and files that it names.

        Raises:
            SettingsError: one is not there, or may not be used.
        """
        found = []
        if self.data is not None:
            found.append(_check_data(self.data))
        for name in ("models", "folders"):
            folder = getattr(self, name)
            if folder is not None and not folder.is_dir():
                raise SettingsError(f"{name} is {folder}: there is no such folder")
        for name in ("api_key_file", "hub_key_file"):
            path = getattr(self, name)
            if path is not None:
                from excision.system.keys import read_key

                read_key(path)
                found.append(f"{name}: the key can be read")
        return found or ["nothing to ask"]


@dataclass(frozen=True, slots=True)
class ModelTable:
    """`[models.NAME]`: a model of the station; the first one inspects where no other is asked for.

    Attributes:
        folder: exported folder or run folder, or an address in a registry.
    """

    folder: Path

    def check(self) -> str:
        """Load the model as the service would: every file is verified, and golden images are replayed.

        Raises:
            ModelError: the folder holds no model, or one that is damaged.
        """
        from excision.registry.address import is_address
        from excision.registry.registry import local_version
        from excision.runtime.model_folder import is_exported
        from excision.runtime.trial import try_out
        from excision.station.models.version import load_version

        folder = local_version(str(self.folder)) if is_address(str(self.folder)) else self.folder
        if is_exported(folder):
            # A forged graph must not take this process with it.
            try_out(folder, 1)
        version = load_version(folder, 1)
        return f"{folder}: whole, version {version.version}, threshold {version.threshold:.4g}"


def name_in(file: StationFile) -> str | None:
    """Give the name of the station that its file gives it, or None."""
    table = file.one(StationTable)
    return None if table is None else table.name


def _check_data(data: Path) -> str:
    if data.is_dir():
        if not os.access(data, os.W_OK | os.X_OK):
            raise SettingsError(f"data is {data}: nothing may be written there")
        return f"{data}: there, and may be written to"
    above = next((folder for folder in data.absolute().parents if folder.exists()), Path("/"))
    if data.exists() or not above.is_dir() or not os.access(above, os.W_OK | os.X_OK):
        raise SettingsError(f"data is {data}: this is no folder, and none can be made there")
    return f"{data}: not there yet; `excision serve` makes it"

"""The table `[improve]` of a station's file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from excision.errors import SettingsError

LABELS_PER_DAY = 20


@dataclass(frozen=True, slots=True)
class ImproveSettings:
    """`[improve]`: how models of the station are improved from the labels of its people.

    Attributes:
        runs: folders that hold run folders, of which models of the station were exported.
        images: folders that hold the images that these were trained on.
        labels_per_day: parts that are proposed for labelling in a day.
        threads: of a training; inspection goes on beside it, and comes first.
        settings: file of settings for new models, as of `excision train --settings`; None for the defaults.
    """

    runs: tuple[Path, ...] = ()
    images: tuple[Path, ...] = ()
    labels_per_day: int = LABELS_PER_DAY
    threads: int = 1
    settings: Path | None = None

    def __post_init__(self) -> None:
        if not 1 <= self.labels_per_day <= 1000:
            raise SettingsError(f"labels_per_day is {self.labels_per_day}: it must be from 1 to 1000")
        if not 1 <= self.threads <= 256:
            raise SettingsError(f"threads is {self.threads}: it must be from 1 to 256")

    def check(self) -> list[str]:
        """Look for the folders, and for torch.

        Raises:
            SettingsError: a folder is not there.
        """
        for name in ("runs", "images"):
            for folder in getattr(self, name):
                if not folder.is_dir():
                    raise SettingsError(f"{name} has {folder}: there is no such folder")
        if self.settings is not None:
            from excision.settings import Settings

            Settings.load(self.settings)
        from excision.station.improve.workshop import has_torch

        if not has_torch():
            return ['torch is not installed: this station trains nothing; pip install "excision[train]"']
        return ["torch is installed: models can be trained here"]

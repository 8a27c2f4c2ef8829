"""The options of what a station offers and how much it takes on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

if TYPE_CHECKING:
    from excision.station.station import StationSettings
    from excision.station.work.kept_images import Keep
    from excision.station.work.retention import Rules


@Parameter(name="*")
@dataclass
class StationOptions:
    """What a station offers beside its models, and how much it takes on at once."""

    models_below: Annotated[
        Path | None,
        Parameter(name="--models", help="Folder whose sub-folders clients may load by name as new versions."),
    ] = None
    folders: Annotated[
        Path | None,
        Parameter(help="Folder whose sub-folders of labelled images can be used by name to measure a model."),
    ] = None
    queue: Annotated[
        int, Parameter(help="Number of images that may wait; further requests get status 503.")
    ] = 64
    workers: Annotated[
        int | None, Parameter(help="Images inspected at once. By default as many as cores.")
    ] = None
    threads: Annotated[int | None, Parameter(help="Threads per inspection.")] = None
    max_bytes: Annotated[int, Parameter(help="Largest request in bytes.")] = 64 * 2**20
    max_pixels: Annotated[int, Parameter(help="Largest image in pixels.")] = 150_000_000

    def settings(self, data: Path, models: list[str], keep: Keep, rules: Rules) -> StationSettings:
        """Return the settings of the station.

        Args:
            data: folder of results and images.
            models: folders of models, as FOLDER or NAME=FOLDER.
            keep: images to keep.
            rules: how long they stay.

        Raises:
            SettingsError: an option is not valid.
        """
        from excision.station.models.registry import named_folders
        from excision.station.station import StationSettings

        return StationSettings(
            data=data,
            models=named_folders(models),
            models_below=self.models_below,
            folders=self.folders,
            keep=keep,
            retention=rules,
            queue=self.queue,
            workers=self.workers,
            threads=self.threads,
            max_bytes=self.max_bytes,
            max_pixels=self.max_pixels,
        )

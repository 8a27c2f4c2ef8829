"""A folder of images that serves as a camera: its files are the pictures, in the order of their names."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import ClassVar

import numpy as np

from excision.cameras.camera import Pixels
from excision.cameras.settings import CommonSettings
from excision.cameras.source import Shot
from excision.data.decode import decoded, probe_image
from excision.data.image_names import is_image_name
from excision.errors import CameraEndError, CameraError, DamagedFrameError, ImageError, SettingsError


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderSettings(CommonSettings):
    """`kind = "folder"`: the images of a folder, for tests and for a line that writes files.

    Attributes:
        path: folder; images in its sub-folders count as well.
        loop: begin again after the last image.
        rate: pictures per second, as a camera would give them: those that nobody grabs in time are dropped.
            None gives each when it is grabbed, and drops none.
    """

    kind: ClassVar[str] = "folder"

    path: Path
    loop: bool = False
    rate: float | None = None

    def __post_init__(self) -> None:
        CommonSettings.__post_init__(self)
        if self.rate is not None and not 0 < self.rate <= 10_000:
            raise SettingsError(f"rate is {self.rate:g}: it must be above 0 and at most 10000 a second")

    def source(self) -> FolderSource:
        """Give the folder."""
        return FolderSource(self.path, self.loop, self.rate)


class FolderSource:
    """Reads the images of a folder; see `Source`."""

    on_demand = False

    def __init__(self, folder: Path, loop: bool, rate: float | None) -> None:
        self.where, self.patient = str(folder), rate is None
        self._folder, self._loop, self._period = folder, loop, None if rate is None else 1 / rate
        self._paths: Iterator[Path] = iter(())
        self._next = 0.0

    def open(self) -> None:
        """List the folder."""
        self._paths = iter(self._list())
        self._next = time.monotonic()

    def trigger(self) -> None:
        """Nothing: the next image is there."""

    def read(self, timeout: float) -> Shot | None:
        """Give the next image; it is decoded when it is grabbed."""
        if self._period is not None:
            wait = self._next - time.monotonic()
            time.sleep(min(max(wait, 0.0), timeout))
            if wait > timeout:
                return None
            self._next = max(self._next, time.monotonic() - 1) + self._period
        path = next(self._paths, None)
        if path is None and self._loop:
            self._paths = iter(self._list())
            path = next(self._paths)
        if path is None:
            raise CameraEndError(f"{self._folder}: no more images")
        return Shot(partial(read_file, path), time.time(), source=str(path))

    def close(self) -> None:
        """Nothing is held."""

    def _list(self) -> list[Path]:
        if not self._folder.is_dir():
            raise CameraError(f"{self._folder}: there is no such folder")
        paths = [path for path in self._folder.rglob("*") if is_image_name(path.name) and path.is_file()]
        if not paths:
            raise CameraError(f"{self._folder}: the folder has no images")
        return sorted(paths)


def read_file(path: Path) -> Pixels:
    """Read an image file as a camera's picture: uint8 where its values have 8 bits or fewer, else uint16.

    Returns:
        (H, W) or (H, W, 3).

    Raises:
        DamagedFrameError: the file cannot be read as an image.
    """
    try:
        deep = probe_image(path).bits > 8
        with decoded(path) as image:
            values = image.whole()
    except ImageError as error:
        raise DamagedFrameError(str(error)) from error
    most, kind = (65535, np.uint16) if deep else (255, np.uint8)
    pixels: Pixels = np.rint(values * np.float32(most)).astype(kind)
    return pixels[..., 0] if pixels.shape[2] == 1 else pixels

"""What the table of every camera may say, whatever its kind."""

from __future__ import annotations

import math
from contextlib import closing
from dataclasses import dataclass
from typing import ClassVar

from excision.cameras.camera import Camera, Pixels
from excision.cameras.source import Source
from excision.errors import CameraError, SettingsError

MOST_BUFFERED = 1000
MOST_ROWS = 65536
CHECK_SECONDS = 5.0
"""How long `check` waits for a picture."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CommonSettings:
    """Keys of every kind of camera.

    Attributes:
        buffer: pictures that wait to be grabbed; the oldest is dropped, and counted, when one more comes.
        strip_height: of a line-scan camera, rows of one image of the endless strip; None keeps the pictures
            as they come.
        strip_overlap: rows that neighbouring images of the strip have in common.
        strip_row_mm: millimetres from one row to the next, such as the step of the encoder.
        strip_length: rows of one part, or of any length that gets one verdict.
    """

    kind: ClassVar[str] = ""

    buffer: int = 8
    strip_height: int | None = None
    strip_overlap: int = 0
    strip_row_mm: float | None = None
    strip_length: int | None = None

    def __post_init__(self) -> None:
        if not 1 <= self.buffer <= MOST_BUFFERED:
            raise SettingsError(f"buffer is {self.buffer}: it must lie between 1 and {MOST_BUFFERED}")
        height, overlap = self.strip_height, self.strip_overlap
        if height is None and overlap:
            raise SettingsError("strip_overlap needs strip_height, the rows of one image")
        for name in ("strip_row_mm", "strip_length"):
            given = getattr(self, name)
            if given is not None and height is None:
                raise SettingsError(f"{name} needs strip_height, the rows of one image")
            if given is not None and not 0 < given < math.inf:
                raise SettingsError(f"{name} is {given:g}: it must be above 0, and finite")
        if height is not None and not 1 <= height <= MOST_ROWS:
            raise SettingsError(f"strip_height is {height}: it must lie between 1 and {MOST_ROWS}")
        if height is not None and not 0 <= overlap < height:
            raise SettingsError(f"strip_overlap is {overlap}: it must be less than strip_height, {height}")

    def source(self) -> Source:
        """Give what the pictures come from, not opened.

        Raises:
            SettingsError: a file or variable that the table names cannot be read.
            CameraError: the library that it needs is not installed.
        """
        raise NotImplementedError

    def open(self, name: str) -> Camera:
        """Give the camera, not started; raises as `source`."""
        from excision.cameras.grabbing import GrabbingCamera

        source: Source = self.source()
        if self.strip_height is not None:
            from excision.cameras.strip import StripSource

            if source.on_demand:
                raise SettingsError("strip_height has no meaning for pictures that are taken one by one")
            source = StripSource(source, self.strip_height, self.strip_overlap, self.strip_row_mm)
        return GrabbingCamera(name, self.kind, source, self.buffer)

    def check(self) -> str:
        """Ask the camera for one picture, and say in one sentence what came.

        Raises:
            CameraError: none came; the message says why.
            SettingsError: a file or variable that the table names cannot be read.
        """
        source = self.source()
        with closing(source):
            source.open()
            if source.on_demand:
                source.trigger()
            shot = source.read(CHECK_SECONDS)
            if shot is None:
                raise CameraError(f"{source.where}: it answers, but no picture came in {CHECK_SECONDS:g} s")
            return f"{source.where}: {describe(shot.make())}"


def describe(pixels: Pixels) -> str:
    """Say what kind of picture this is."""
    height, width = pixels.shape[:2]
    colour = "grey" if pixels.ndim == 2 else "colour"
    return f"a picture of {width} x {height} pixels, {colour}, {8 * pixels.itemsize} bits"

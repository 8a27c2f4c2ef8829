"""What the pictures of a camera come from: the part that each kind of camera writes for itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from excision.cameras.camera import Pixels


@dataclass(frozen=True, slots=True)
class Shot:
    """A picture as it came from its source, not yet converted.

    Attributes:
        make: gives the pixels, as `Frame` holds them; raises CameraError if the picture is damaged. Called at
            most once, by whoever grabs the picture, so that converting never holds up the camera.
        time: of the exposure, seconds since 1970 in UTC.
        lost: pictures that the source took and lost before this one, by its own count.
        source: file that the picture is from, if any.
        row: first row in the strip of a line-scan camera.
        strip: that the row belongs to, as in `Frame`.
        row_mm: from one row to the next, in millimetres, where it is known.
    """

    make: Callable[[], Pixels]
    time: float
    lost: int = 0
    source: str | None = None
    row: int | None = None
    strip: int | None = None
    row_mm: float | None = None


class Source(Protocol):
    """A camera as its library gives it; one thread alone calls it."""

    @property
    def where(self) -> str:
        """Address, shown to people: without passwords."""

    @property
    def patient(self) -> bool:
        """Whether nothing is lost while nobody reads, such as in a folder."""

    @property
    def on_demand(self) -> bool:
        """Whether it takes a picture only after `trigger`."""

    def open(self) -> None:
        """Connect to the camera, and let it take pictures.

        Raises:
            CameraError: it cannot be reached or refuses a setting; a later attempt may succeed.
        """

    def trigger(self) -> None:
        """Ask for one picture.

        Raises:
            CameraError: the connection is lost.
        """

    def read(self, timeout: float) -> Shot | None:
        """Wait for the next picture; None if none came in so many seconds, which may be normal.

        Raises:
            DamagedFrameError: a picture came and is not whole; the next may be.
            CameraEndError: there will be no more.
            CameraError: the connection is lost.
        """

    def close(self) -> None:
        """Let go of the camera; raises nothing, and may be called twice or without `open`."""

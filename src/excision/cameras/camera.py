"""What a camera gives, whatever its kind: the one interface that a line, a capture and a page know."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from excision.errors import CameraEndError, CameraError

__all__ = ["Camera", "CameraEndError", "CameraError", "CameraSettings", "CameraState", "Frame", "open_camera"]

Connection = Literal["stopped", "connecting", "connected", "disconnected", "ended"]
"""How a camera is: "ended" is one of a folder or film that has no more pictures."""

Pixels: TypeAlias = NDArray[np.unsignedinteger[Any]]
"""(H, W) or (H, W, 3), uint8 or uint16."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One picture of a camera.

    Attributes:
        pixels: (H, W) grey or (H, W, 3) RGB, uint8 or uint16; the largest value of the type stands for full
            scale, whatever the bits of the camera.
        time: of the exposure as well as it is known, seconds since 1970 in UTC.
        number: of the picture since `start`, from 1; dropped pictures count, so that a gap shows them.
        camera: name of the camera.
        dropped: pictures lost between the previous one that was grabbed and this one.
        row: of a line-scan camera, number of the first row in the strip; None of any other.
        source: file that it was read from; None of a camera that is not a folder.
        strip: of a line-scan camera, which strip: the time at which it began, microseconds since 1970. Every
            start of the camera begins one.
        row_mm: of a line-scan camera, millimetres from one row to the next; None where nobody said.
    """

    pixels: Pixels
    time: float
    number: int
    camera: str
    dropped: int = 0
    row: int | None = None
    source: str | None = None
    strip: int | None = None
    row_mm: float | None = None


@dataclass(frozen=True, slots=True)
class CameraState:
    """How a camera is, for the page, the metrics and the line.

    Attributes:
        name: of its table in the station's file.
        kind: of camera, such as "genicam".
        where: its address, without passwords.
        connection: whether pictures can come.
        rate: pictures per second over the last seconds.
        frames: pictures that arrived since `start`.
        dropped: pictures lost since `start`: on the wire, or because nobody grabbed them in time. Those of a
            camera that runs freely between two triggers are not counted.
        damaged: pictures that arrived incomplete or that cannot be decoded; they are dropped as well.
        reconnects: times that the connection was lost and made again.
        fault: what went wrong last; None once a picture has arrived again.
        last: when the last picture arrived, seconds since 1970 in UTC; None before the first.
    """

    name: str
    kind: str
    where: str
    connection: Connection
    rate: float
    frames: int
    dropped: int
    damaged: int
    reconnects: int
    fault: str | None
    last: float | None


class Camera(Protocol):
    """A camera that grabs in a thread of its own; any thread may call its methods.

    Attributes:
        name: of its table in the station's file, which is also the name of the view.
    """

    name: str

    def start(self) -> None:
        """Begin to grab. A camera that is away is tried again and again; `grab` and `state` say so."""

    def grab(self, timeout: float, since: float | None = None) -> Frame:
        """Give a picture.

        A camera that is triggered by software, or asked for each picture, takes it now. Any other gives the
        oldest picture that was not yet grabbed.

        Args:
            timeout: seconds to wait for it.
            since: seconds since 1970; pictures of a camera that runs freely which were exposed earlier are
                passed over. A picture that is taken because it is asked for, or that waits in a folder or a
                file, is never passed over.

        Raises:
            CameraEndError: there will be no more pictures.
            CameraError: none came in time; the message says why, as far as it is known.
        """

    def state(self) -> CameraState:
        """Say how the camera is; never waits."""

    def close(self) -> None:
        """End, and let go of the camera; also where `start` was never called."""


class CameraSettings(Protocol):
    """What a table `[cameras.NAME]` says, whatever its kind."""

    def open(self, name: str) -> Camera:
        """Give the camera, not started.

        Raises:
            SettingsError: a file or variable that the table names cannot be read.
            CameraError: the library that it needs is not installed; the message names it.
        """

    def check(self) -> str:
        """Ask the camera for one picture, and say in one sentence what came.

        Raises:
            ExcisionError: what is wrong, and what to do about it.
        """


def open_camera(name: str, settings: CameraSettings | Any) -> Camera:
    """Give the camera of a table of the station's file, not started.

    Args:
        name: of the table.
        settings: what the table was read into.

    Raises:
        SettingsError: a file or variable that the table names cannot be read.
        CameraError: the library that it needs is not installed; the message names it.
    """
    camera: Camera = settings.open(name)
    return camera

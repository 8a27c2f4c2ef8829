"""Cameras of Basler, through its own library pypylon; also Basler's emulated camera."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from excision.cameras.genicam import SensorSettings
from excision.cameras.source import Source


@dataclass(frozen=True, slots=True, kw_only=True)
class BaslerSettings(SensorSettings):
    """`kind = "basler"`: a camera of Basler, with GigE, USB3 or CoaXPress; needs the extra `basler`.

    Attributes:
        device: serial number, name that a user gave it, or IP address. None takes the only one there is.
    """

    kind: ClassVar[str] = "basler"

    device: str | None = None

    def source(self) -> Source:
        """Give the camera, not opened."""
        from excision.cameras.basler_source import BaslerSource

        return BaslerSource(self)

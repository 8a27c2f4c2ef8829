"""Cameras that speak GenICam: GigE Vision and USB3 Vision, of any maker, through Aravis."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from excision.cameras.settings import CommonSettings
from excision.cameras.source import Source
from excision.errors import SettingsError

Feature = bool | int | float | str


@dataclass(frozen=True, slots=True, kw_only=True)
class SensorSettings(CommonSettings):
    """Keys of every camera whose sensor is set from here; None leaves a setting as it is in the camera.

    Attributes:
        exposure_us: exposure time, microseconds; also switches automatic exposure off.
        gain: in the unit of the camera, mostly dB; also switches automatic gain off.
        pixel_format: name by the GenICam convention, such as "Mono8", "Mono12p" or "BayerRG8".
        frame_rate: pictures per second of a camera that runs freely.
        trigger: "software" takes a picture whenever one is asked for. A line of the camera such as "Line1"
            takes one at each signal on it. None lets the camera run freely.
        region: x, y, width and height of the part of the sensor that is read.
        features: further settings of the camera by their GenICam names, in this order.
    """

    exposure_us: float | None = None
    gain: float | None = None
    pixel_format: str | None = None
    frame_rate: float | None = None
    trigger: str | None = None
    region: tuple[int, ...] | None = None
    features: Mapping[str, Feature] = field(default_factory=dict)

    def __post_init__(self) -> None:
        CommonSettings.__post_init__(self)
        for name in ("exposure_us", "frame_rate"):
            value = getattr(self, name)
            if value is not None and value <= 0:
                raise SettingsError(f"{name} is {value:g}: it must be above 0")
        if self.frame_rate is not None and self.trigger is not None:
            raise SettingsError("frame_rate has no meaning for a camera with a trigger: leave one out")
        if self.region is not None and (
            len(self.region) != 4 or min(self.region) < 0 or 0 in self.region[2:]
        ):
            raise SettingsError(f"region is {list(self.region)}: it must be x, y, width and height in pixels")
        if self.pixel_format is not None:
            from excision.cameras.pixel_formats import pixel_format
            from excision.errors import CameraError

            try:
                pixel_format(self.pixel_format)
            except CameraError as error:
                raise SettingsError(f"pixel_format: {error}") from error

    @property
    def on_demand(self) -> bool:
        """Whether a picture is taken when it is asked for."""
        return self.trigger is not None and self.trigger.lower() == "software"


@dataclass(frozen=True, slots=True, kw_only=True)
class GenicamSettings(SensorSettings):
    """`kind = "genicam"`: a camera with GigE Vision or USB3 Vision.

    Attributes:
        device: its name as `excision capture --list` shows it, its serial number or its IP address. None
            takes the only one there is.
        packet_size: bytes of one packet of GigE Vision; None finds out what the network takes.
        packet_delay: nanoseconds between two packets of GigE Vision, for several cameras on one wire.
        resend: ask for lost packets again.
    """

    kind: ClassVar[str] = "genicam"

    device: str | None = None
    packet_size: int | None = None
    packet_delay: int | None = None
    resend: bool = True

    def __post_init__(self) -> None:
        SensorSettings.__post_init__(self)
        if self.packet_size is not None and not 200 <= self.packet_size <= 65535:
            raise SettingsError(f"packet_size is {self.packet_size}: it must lie between 200 and 65535 bytes")
        if self.packet_delay is not None and self.packet_delay < 0:
            raise SettingsError(f"packet_delay is {self.packet_delay}: it must be at least 0")

    def source(self) -> Source:
        """Give the camera, not opened."""
        from excision.cameras.genicam_source import GenicamSource

        return GenicamSource(self)

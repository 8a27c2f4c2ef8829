"""Grabbing from a camera of Basler through pypylon."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from excision.cameras.clock import CameraClock
from excision.cameras.libraries import load_library
from excision.cameras.numbering import FrameNumbers
from excision.cameras.pixel_formats import format_of_code, to_pixels
from excision.cameras.source import Shot
from excision.errors import CameraError, DamagedFrameError

if TYPE_CHECKING:
    from excision.cameras.basler import BaslerSettings

_BUFFERS = 10
_NANOSECONDS = 1e9
_READY = 1000  # milliseconds
_NO_NUMBER = 2**64 - 1

_EXPOSURE = ("ExposureTime", "ExposureTimeAbs")
_GAIN = ("Gain", "GainRaw")
_RATE = ("AcquisitionFrameRate", "AcquisitionFrameRateAbs")
"""Names of a feature, those of newer cameras first."""


class BaslerSource:
    """Takes pictures from a camera; see `Source`."""

    patient = False

    def __init__(self, settings: BaslerSettings) -> None:
        self._pylon = load_library("pypylon.pylon", "basler", "basler")
        self._error: type[Exception] = load_library("pypylon.genicam", "basler", "basler").GenericException
        self.where = settings.device or "the only Basler camera"
        self.on_demand = settings.on_demand
        self._settings = settings
        self._camera: Any = None
        self._clock, self._numbers, self._ticks = CameraClock(), FrameNumbers(), _NANOSECONDS

    def open(self) -> None:
        """Connect, set what the settings say, and start."""
        pylon = self._pylon
        with self._explained("cannot be opened"):
            info = self._find()
            self._camera = pylon.InstantCamera(pylon.TlFactory.GetInstance().CreateDevice(info))
            self._camera.Open()
            self.where = f"{info.GetVendorName()} {info.GetModelName()} {info.GetSerialNumber()}"
        self._set_up()
        with self._explained("cannot be started"):
            self._camera.MaxNumBuffer.Value = _BUFFERS
            self._start()
        self._numbers = FrameNumbers()

    def _start(self) -> None:
        strategy = self._pylon.GrabStrategy_OneByOne
        self._set_if_there("ChunkModeActive", True)
        self._set_if_there("ChunkSelector", "Timestamp")
        self._set_if_there("ChunkEnable", True)
        try:
            self._camera.StartGrabbing(strategy)
        except self._error:
            # A camera may have the features of chunks and not send any, as the emulated one.
            self._set_if_there("ChunkModeActive", False)
            self._camera.StartGrabbing(strategy)

    def trigger(self) -> None:
        """Send the software trigger."""
        with self._explained("does not take its trigger"):
            camera = self._camera
            if camera.CanWaitForFrameTriggerReady():
                # A camera that is not ready passes over its trigger, and says nothing.
                camera.WaitForFrameTriggerReady(_READY, self._pylon.TimeoutHandling_Return)
            camera.ExecuteSoftwareTrigger()

    def read(self, timeout: float) -> Shot | None:
        """Wait for a picture."""
        with self._explained("gives no pictures any more"):
            if self._camera.IsCameraDeviceRemoved():
                raise CameraError(f"{self.where}: the camera does not answer any more")
            result = self._camera.RetrieveResult(int(timeout * 1e3), self._pylon.TimeoutHandling_Return)
            if not result.IsValid():
                return None
            try:
                return self._shot(result)
            finally:
                result.Release()

    def close(self) -> None:
        """Stop, and let go of the camera for others."""
        camera, self._camera = self._camera, None
        if camera is not None:
            with suppress(self._error):
                camera.Close()

    @contextmanager
    def _explained(self, what: str) -> Iterator[None]:
        try:
            yield
        except self._error as error:
            # The first line says what happened; the others say where in the library.
            said = str(error).strip().partition("\n")[0].partition(" : ")[0]
            raise CameraError(f"{self.where}: {what} ({said})") from error

    def _find(self) -> Any:
        found, name = _enumerate(self._pylon), self._settings.device
        if name is not None:
            found = [one for one in found if name in _names(one)]
        if len(found) == 1:
            return found[0]
        if name is None and found:
            names = ", ".join(one.GetSerialNumber() for one in found)
            raise CameraError(f"set device to one of {names}")
        raise CameraError(
            f"no Basler camera {'answers' if name is None else f'is called {name}'}: is it on and connected?"
        )

    def _set_up(self) -> None:
        settings = self._settings
        for name, value in settings.features.items():
            self._set(f"features.{name}", (name,), value)
        if settings.pixel_format is not None:
            self._set("pixel_format", ("PixelFormat",), settings.pixel_format)
        if settings.region is not None:
            self._set_region(*settings.region)
        if settings.exposure_us is not None:
            self._set_if_there("ExposureAuto", "Off")
            self._set("exposure_us", _EXPOSURE, settings.exposure_us)
        if settings.gain is not None:
            self._set_if_there("GainAuto", "Off")
            self._set("gain", _GAIN, settings.gain)
        self._set_trigger()
        frequency = self._node("GevTimestampTickFrequency")
        self._ticks = float(frequency.Value) if frequency is not None else _NANOSECONDS

    def _set_region(self, left: int, top: int, width: int, height: int) -> None:
        # Offsets first make room for a larger size.
        for name, value in (("OffsetX", 0), ("OffsetY", 0), ("Width", width), ("Height", height)):
            self._set("region", (name,), value)
        self._set("region", ("OffsetX",), left)
        self._set("region", ("OffsetY",), top)

    def _set_trigger(self) -> None:
        settings = self._settings
        self._set_if_there("TriggerSelector", "FrameStart")
        if settings.trigger is not None:
            self._set("trigger", ("TriggerMode",), "On")
            source = "Software" if settings.trigger.lower() == "software" else settings.trigger
            self._set("trigger", ("TriggerSource",), source)
            return
        self._set_if_there("TriggerMode", "Off")
        if settings.frame_rate is not None:
            self._set_if_there("AcquisitionFrameRateEnable", True)
            self._set("frame_rate", _RATE, settings.frame_rate)

    def _node(self, name: str) -> Any:
        with suppress(self._error):
            node = self._camera.GetNodeMap().GetNode(name)
            if node is not None and node.IsReadable():
                return node
        return None

    def _set_if_there(self, name: str, value: Any) -> None:
        node = self._node(name)
        if node is not None:
            with suppress(self._error):
                node.Value = value

    def _set(self, key: str, names: tuple[str, ...], value: Any) -> None:
        node = next((node for node in map(self._node, names) if node is not None), None)
        if node is None:
            raise CameraError(f"{self.where}: {key}: the camera has no {names[0]}")
        choices = getattr(node, "Symbolics", None)
        with self._explained(f"{key} = {value!r} is refused"):
            if choices is not None and value not in choices:
                raise CameraError(f"{self.where}: {key} is {value}: it takes {', '.join(sorted(choices))}")
            if choices is None and type(value) in (int, float):
                if not node.Min <= value <= node.Max:
                    raise CameraError(
                        f"{self.where}: {key} is {value:g}: it takes {node.Min:g} to {node.Max:g}"
                    )
                value = type(node.Value)(value)
            node.Value = value

    def _shot(self, result: Any) -> Shot:
        number = result.BlockID
        lost = self._numbers.lost_before(number) if number != _NO_NUMBER else 0
        if not result.GrabSucceeded():
            raise DamagedFrameError(
                f"{self.where}: a picture is damaged: {result.ErrorDescription}", lost=lost
            )
        size, form = (result.Height, result.Width), format_of_code(result.GetPixelType() & 0xFFFFFFFF)
        make = partial(to_pixels, bytes(result.GetBuffer()), form, size, result.PaddingX)
        return Shot(make, self._time(result), lost)

    def _time(self, result: Any) -> float:
        arrived, stamp = time.time(), result.TimeStamp
        with suppress(self._error, AttributeError):
            stamp = result.ChunkTimestamp.Value or stamp
        return self._clock.to_host(stamp / self._ticks, arrived) if stamp else arrived


def list_devices() -> list[tuple[str, str]]:
    """Look for cameras of Basler: (serial number, description) of each.

    Raises:
        CameraError: pypylon is not installed.
    """
    found = _enumerate(load_library("pypylon.pylon", "basler", "basler"))
    return [(one.GetSerialNumber(), f"{one.GetVendorName()} {one.GetModelName()}") for one in found]


def _enumerate(pylon: Any) -> list[Any]:
    return list(pylon.TlFactory.GetInstance().EnumerateDevices())


def _names(info: Any) -> set[str]:
    names = {info.GetSerialNumber(), info.GetUserDefinedName(), info.GetFriendlyName()}
    if info.IsIpAddressAvailable():
        names.add(info.GetIpAddress())
    return names - {""}

"""Grabbing from a GenICam camera through Aravis."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from excision.cameras.aravis import library_error, load_aravis
from excision.cameras.clock import CameraClock
from excision.cameras.numbering import FrameNumbers
from excision.cameras.pixel_formats import MOST_PIXELS, format_of_code, to_pixels
from excision.cameras.source import Shot
from excision.errors import CameraError, DamagedFrameError

if TYPE_CHECKING:
    from excision.cameras.genicam import Feature, GenicamSettings

_BUFFERS = 10
"""Pictures that may arrive at once; the ring, which people set, holds those that wait."""

_FEWEST, _ROOM = 2, 2**30
"""Of large pictures fewer may arrive at once: as many as fit into so many bytes, but not fewer than these."""

_MOST_BYTES = 8 * MOST_PIXELS
_STAMP = "ChunkTimestamp"

_DAMAGE = {
    "MISSING_PACKETS": "packets were lost on the network",
    "TIMEOUT": "it did not arrive whole in time",
    "SIZE_MISMATCH": "it is larger than the camera had said",
    "WRONG_PACKET_ID": "its packets are numbered wrongly",
}


class GenicamSource:
    """Takes pictures from a camera; see `Source`."""

    patient = False

    def __init__(self, settings: GenicamSettings) -> None:
        self._aravis = load_aravis()
        self.where = settings.device or "the only GenICam camera"
        self.on_demand = settings.on_demand
        self._settings = settings
        self._camera: Any = None
        self._stream: Any = None
        self._lost_control = False
        self._clock, self._numbers, self._chunks = CameraClock(), FrameNumbers(), None

    def open(self) -> None:
        """Connect, set what the settings say, and start."""
        with self._explained("cannot be opened"):
            self._camera = self._find()
            names = (
                self._camera.get_vendor_name(),
                self._camera.get_model_name(),
                self._camera.get_device_id(),
            )
            self.where = " ".join(name for name in names if name)
        with suppress(library_error()):
            # A killed process leaves the camera running: it would go on sending to where that process was.
            self._camera.stop_acquisition()
        self._set_up()
        with self._explained("cannot be started"):
            self._listen()
            self._camera.start_acquisition()
        self._numbers, self._lost_control = FrameNumbers(), False

    def trigger(self) -> None:
        """Send the software trigger."""
        with self._explained("does not take its trigger"):
            self._camera.software_trigger()

    def read(self, timeout: float) -> Shot | None:
        """Wait for a picture."""
        buffer = self._stream.timeout_pop_buffer(int(timeout * 1e6))
        if self._lost_control:
            raise CameraError(f"{self.where}: the camera does not answer any more")
        if buffer is None:
            return None
        try:
            return self._shot(buffer)
        finally:
            self._stream.push_buffer(buffer)

    def close(self) -> None:
        """Stop, and let go of the camera for others."""
        camera, self._camera, self._stream, self._chunks = self._camera, None, None, None
        if camera is not None:
            with suppress(library_error()):
                camera.stop_acquisition()

    @contextmanager
    def _explained(self, what: str) -> Iterator[None]:
        try:
            yield
        except library_error() as error:
            raise CameraError(f"{self.where}: {what} ({getattr(error, 'message', error)})") from error

    def _find(self) -> Any:
        name = self._settings.device
        if name is None:
            found = list_devices()
            if len(found) != 1:
                names = ", ".join(device for device, _ in found)
                raise CameraError(
                    f"set device to one of {names}"
                    if found
                    else "no GenICam camera answers: is one switched on and connected?"
                )
            name = found[0][0]
        return self._aravis.Camera.new(name)

    def _set_up(self) -> None:
        camera, settings = self._camera, self._settings
        for name, value in settings.features.items():
            self._set_feature(name, value)
        if settings.pixel_format is not None:
            known = camera.dup_available_pixel_formats_as_strings()
            if settings.pixel_format not in known:
                raise CameraError(
                    f"{self.where}: pixel_format {settings.pixel_format} is none of its own: "
                    f"{', '.join(sorted(known))}"
                )
            camera.set_pixel_format_from_string(settings.pixel_format)
        if settings.region is not None:
            self._set_region(*settings.region)
        self._set_light()
        with self._explained("the trigger cannot be set"):
            self._set_trigger()
        if camera.is_gv_device():
            self._set_packets()

    def _set_region(self, left: int, top: int, width: int, height: int) -> None:
        said = f"region {[left, top, width, height]} is refused"
        with self._explained(said):
            across, down = self._camera.get_sensor_size()
            if left + width > across or top + height > down:
                raise CameraError(f"{self.where}: {said}: the sensor has {across} x {down} pixels")
            self._camera.set_region(left, top, width, height)

    def _set_light(self) -> None:
        camera, settings, off = self._camera, self._settings, self._aravis.Auto.OFF
        if settings.exposure_us is not None:
            self._check("exposure_us", settings.exposure_us, camera.get_exposure_time_bounds)
            with self._explained("exposure_us is refused"):
                if camera.is_exposure_auto_available():
                    camera.set_exposure_time_auto(off)
                camera.set_exposure_time(settings.exposure_us)
        if settings.gain is not None:
            self._check("gain", settings.gain, camera.get_gain_bounds)
            with self._explained("gain is refused"):
                if camera.is_gain_auto_available():
                    camera.set_gain_auto(off)
                camera.set_gain(settings.gain)

    def _check(self, name: str, value: float, bounds: Any) -> None:
        with self._explained(f"has no {name}"):
            least, most = bounds()
        if not least <= value <= most:
            raise CameraError(f"{self.where}: {name} is {value:g}: it takes {least:g} to {most:g}")

    def _set_trigger(self) -> None:
        camera, settings = self._camera, self._settings
        camera.set_acquisition_mode(self._aravis.AcquisitionMode.CONTINUOUS)
        if settings.trigger is None:
            camera.clear_triggers()
            if settings.frame_rate is not None:
                self._check("frame_rate", settings.frame_rate, camera.get_frame_rate_bounds)
                camera.set_frame_rate(settings.frame_rate)
            return
        known = camera.dup_available_trigger_sources()
        wanted = next((one for one in known if one.lower() == settings.trigger.lower()), None)
        if wanted is None:
            names = ", ".join(known)
            raise CameraError(f"{self.where}: trigger {settings.trigger} is none of its own: {names}")
        camera.set_trigger(wanted)

    def _set_packets(self) -> None:
        camera, settings = self._camera, self._settings
        with self._explained("packet_size or packet_delay is refused"):
            if settings.packet_size is not None:
                camera.gv_set_packet_size(settings.packet_size)
            else:
                camera.gv_auto_packet_size()
            if settings.packet_delay is not None:
                camera.gv_set_packet_delay(settings.packet_delay)

    def _set_feature(self, name: str, value: Feature) -> None:
        device = self._camera.get_device()
        with self._explained(f"features.{name} = {value!r} is refused"):
            if isinstance(value, bool):
                device.set_boolean_feature_value(name, value)
            elif isinstance(value, int):
                device.set_integer_feature_value(name, value)
            elif isinstance(value, float):
                device.set_float_feature_value(name, value)
            else:
                device.set_string_feature_value(name, value)

    def _listen(self) -> None:
        aravis, camera = self._aravis, self._camera
        camera.get_device().connect("control-lost", self._lose_control)
        if camera.are_chunks_available():
            # A camera without time stamps in its chunks still sends those of its packets.
            with suppress(library_error()):
                camera.set_chunks("Timestamp")
                self._chunks = camera.create_chunk_parser()
        size = camera.get_payload()
        if not 0 < size <= _MOST_BYTES:
            raise CameraError(f"{self.where}: it announces pictures of {size} bytes, which cannot be taken")
        self._stream = camera.create_stream(None, None)
        if camera.is_gv_device():
            resend = aravis.GvStreamPacketResend
            self._stream.set_property(
                "packet-resend", resend.ALWAYS if self._settings.resend else resend.NEVER
            )
        for _ in range(max(_FEWEST, min(_BUFFERS, _ROOM // size))):
            self._stream.push_buffer(aravis.Buffer.new_allocate(size))

    def _lose_control(self, _device: Any) -> None:
        self._lost_control = True

    def _shot(self, buffer: Any) -> Shot:
        lost = self._numbers.lost_before(buffer.get_frame_id())
        status = buffer.get_status().value_nick.upper().replace("-", "_")
        if status != "SUCCESS":
            reason = _DAMAGE.get(status, f"Aravis says {status}")
            raise DamagedFrameError(f"{self.where}: a picture is damaged: {reason}", lost=lost)
        size = buffer.get_image_height(), buffer.get_image_width()
        form = format_of_code(buffer.get_image_pixel_format() & 0xFFFFFFFF)
        padding, _ = buffer.get_image_padding()
        make = partial(to_pixels, buffer.get_image_data(), form, size, padding)
        return Shot(make, self._time(buffer), lost)

    def _time(self, buffer: Any) -> float:
        arrived = buffer.get_system_timestamp() / 1e9 or time.time()
        stamp = buffer.get_timestamp()
        if self._chunks is not None and buffer.has_chunks():
            with suppress(library_error()):
                stamp = self._chunks.get_integer_value(buffer, _STAMP) or stamp
        return self._clock.to_host(stamp / 1e9, arrived) if stamp else arrived


def list_devices() -> list[tuple[str, str]]:
    """Look for GenICam cameras, which takes a second.

    Returns:
        (name, description) of each.

    Raises:
        CameraError: Aravis is not installed.
    """
    aravis = load_aravis()
    aravis.update_device_list()
    return [
        (
            aravis.get_device_id(place),
            f"{aravis.get_device_vendor(place)} {aravis.get_device_model(place)}, "
            f"{aravis.get_device_protocol(place)}, {aravis.get_device_address(place)}, "
            f"serial number {aravis.get_device_serial_nbr(place)}",
        )
        for place in range(aravis.get_n_devices())
    ]

"""Grabbing from a stream, a USB camera or a video file through PyAV."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

import numpy as np

from excision.cameras.address import shown_address
from excision.cameras.camera import Pixels
from excision.cameras.clock import CameraClock
from excision.cameras.libraries import load_library
from excision.cameras.pixel_formats import MOST_PIXELS
from excision.cameras.source import Shot
from excision.errors import CameraEndError, CameraError, DamagedFrameError

if TYPE_CHECKING:
    from excision.cameras.video import VideoSettings

_STREAM = "rtsp,rtsps,rtp,srtp,udp,tcp,tls,http,https,httpproxy,crypto,srt,rtmp"
"""What a stream may open. Not "file": a playlist could make it read files of this machine."""


class VideoSource:
    """Takes the pictures of a stream; see `Source`."""

    on_demand = False

    def __init__(self, settings: VideoSettings, password: str | None) -> None:
        self._av = load_library("av", "video", "video")
        self._settings, self._password = settings, password
        self.where = shown_address(settings.url) if settings.url else str(settings.usb or settings.path)
        self.patient = settings.path is not None
        self._container: Any = None
        self._frames: Iterator[Any] = iter(())
        self._clock = CameraClock()

    def open(self) -> None:
        """Connect to the stream, and find its video."""
        address, form, options = self._address()
        timeout, begun = self._settings.timeout, time.monotonic()
        try:
            self._container = self._av.open(address, format=form, options=options, timeout=(timeout, timeout))
        except (self._av.FFmpegError, OSError, ValueError) as error:
            # FFmpeg may say that what it was still waiting for is no video.
            late = time.monotonic() - begun >= timeout
            reason = self._silence() if late else self._reason(error)
            raise CameraError(f"{self.where}: cannot be opened ({reason})") from error
        if not self._container.streams.video:
            raise CameraError(f"{self.where}: there is no video in it")
        stream = self._container.streams.video[0]
        # A damaged header may say any size; FFmpeg refuses a larger one before it takes the memory.
        stream.codec_context.options = {"max_pixels": str(MOST_PIXELS)}
        self._frames = self._container.decode(stream)
        self._clock = CameraClock()

    def trigger(self) -> None:
        """Nothing: a stream is never asked for a picture."""

    def read(self, _timeout: float) -> Shot | None:
        """Wait for the next picture, at most as long as the setting `timeout`."""
        try:
            frame = next(self._frames, None)
        except self._av.error.InvalidDataError as error:
            raise DamagedFrameError(f"{self.where}: a picture is damaged ({self._reason(error)})") from error
        except (self._av.FFmpegError, OSError, ValueError) as error:
            raise CameraError(f"{self.where}: the stream is lost ({self._reason(error)})") from error
        if frame is None:
            if self.patient:
                raise CameraEndError(f"{self.where}: the end of the video")
            raise CameraError(f"{self.where}: the stream has ended")
        return Shot(partial(_pixels, frame, self.where), self._time(frame))

    def close(self) -> None:
        """Let go of the stream."""
        container, self._container, self._frames = self._container, None, iter(())
        if container is not None:
            with suppress(self._av.FFmpegError, OSError):
                container.close()

    def _address(self) -> tuple[str, str | None, dict[str, str]]:
        settings = self._settings
        if settings.usb is not None:
            return settings.usb, "v4l2", {}
        if settings.path is not None:
            if not settings.path.is_file():
                raise CameraError(f"{settings.path}: there is no such file")
            # Without the prefix a name with a colon would be taken as a protocol.
            return f"file:{settings.path}", None, {"protocol_whitelist": "file"}
        assert settings.url is not None
        parts = urlsplit(settings.url)
        if settings.user is not None and self._password is not None:
            login = f"{quote(settings.user, safe='')}:{quote(self._password, safe='')}"
            parts = parts._replace(netloc=f"{login}@{parts.netloc}")
        options = {"protocol_whitelist": _STREAM}
        if parts.scheme in ("rtsp", "rtsps"):
            options["rtsp_transport"] = settings.transport
        return parts.geturl(), None, options

    def _reason(self, error: Exception) -> str:
        """Say what FFmpeg says, which may hold the address with its password."""
        if isinstance(error, TimeoutError) or type(error).__name__ == "ExitError":
            return self._silence()
        return getattr(error, "strerror", None) or type(error).__name__

    def _silence(self) -> str:
        return f"nothing came within {self._settings.timeout:g} s"

    def _time(self, frame: Any) -> float:
        now = time.time()
        if self.patient or frame.time is None:
            return now
        return self._clock.to_host(float(frame.time), now)


def _pixels(frame: Any, where: str) -> Pixels:
    """Convert a picture to grey or RGB, of 16 bits where its values have more than 8."""
    grey = frame.format.name.startswith("gray")
    deep = max(component.bits for component in frame.format.components) > 8
    form = ("gray16le" if deep else "gray") if grey else ("rgb48le" if deep else "rgb24")
    try:
        pixels = frame.reformat(format=form).to_ndarray()
    except (ValueError, MemoryError) as error:
        raise DamagedFrameError(f"{where}: a picture cannot be converted ({error})") from error
    return np.ascontiguousarray(pixels)

"""Network streams, USB cameras and video files, through PyAV (FFmpeg)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

from excision.cameras.address import check_login, check_url
from excision.cameras.settings import CommonSettings
from excision.cameras.source import Source
from excision.errors import SettingsError
from excision.system.credentials import Secret
from excision.system.duration import Duration

SCHEMES = ("rtsp", "rtsps", "http", "https", "tcp", "udp", "rtp", "srt", "rtmp")


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoSettings(CommonSettings):
    """`kind = "video"`: a stream, a USB camera or a video file; needs the extra `video`.

    Exactly one of `url`, `usb` and `path` is given.

    Attributes:
        url: of a stream, such as rtsp://192.168.0.20/stream1.
        usb: device of a USB camera, such as /dev/video0.
        path: video file; each of its pictures is given once, and none is dropped.
        user: for streams that ask for one.
        password: of the user; where it is kept.
        transport: how RTSP sends the pictures; "tcp" loses none on the way.
        timeout: after which a stream that sends nothing counts as lost.
    """

    kind: ClassVar[str] = "video"

    url: str | None = None
    usb: str | None = None
    path: Path | None = None
    user: str | None = None
    password: Secret | None = None
    transport: Literal["tcp", "udp"] = "tcp"
    timeout: Duration = 5.0

    def __post_init__(self) -> None:
        CommonSettings.__post_init__(self)
        given = [name for name in ("url", "usb", "path") if getattr(self, name) is not None]
        if len(given) != 1:
            raise SettingsError(
                f"url, usb or path must be given, and only one; given: {', '.join(given) or 'none'}"
            )
        if self.url is not None:
            check_url("url", self.url, SCHEMES)
        if self.usb is not None and not self.usb.startswith("/dev/"):
            raise SettingsError(f"usb is {self.usb!r}: it must be a device such as /dev/video0")
        check_login(self.user, self.password)
        if self.user is not None and self.url is None:
            raise SettingsError("user has a meaning for a url alone")
        if not 0 < self.timeout <= 600:
            raise SettingsError(f"timeout is {self.timeout:g}: it must be above 0 and at most 600 seconds")

    def source(self) -> Source:
        """Give the stream, not opened; its password is read."""
        from excision.cameras.video_source import VideoSource

        return VideoSource(self, None if self.password is None else self.password.read())

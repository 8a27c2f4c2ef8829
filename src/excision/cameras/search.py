"""Looking for cameras."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from excision.errors import CameraError

_USB = "/dev"


def find_cameras() -> Iterator[tuple[str, list[tuple[str, str]], str | None]]:
    """Look for cameras of the kinds that can be found, which takes some seconds.

    Yields:
        Kind, (name, description) of each camera, and why it could not be looked for; None where it could.
    """
    from excision.cameras import basler_source, genicam_source

    for kind, search in (("genicam", genicam_source.list_devices), ("basler", basler_source.list_devices)):
        try:
            yield kind, search(), None
        except CameraError as error:
            yield kind, [], str(error)
    yield "usb", [(str(path), _name(path)) for path in sorted(Path(_USB).glob("video[0-9]*"))], None


def _name(device: Path) -> str:
    """Give the name of a USB camera, as Linux knows it."""
    try:
        return (Path("/sys/class/video4linux") / device.name / "name").read_text().strip()
    except OSError:
        return "USB camera"

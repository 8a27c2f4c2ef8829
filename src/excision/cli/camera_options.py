"""The options that name a camera and set it: the keys of its table in the file of a station."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from excision.cli.help import MORE_SETTINGS

if TYPE_CHECKING:
    from excision.cameras.settings import CommonSettings


_MORE = f"{MORE_SETTINGS}the camera"


def _more(text: str, negative: str | None = None) -> Parameter:
    """Describe an option that only `--help-all` shows."""
    return Parameter(group=_MORE, help=text, negative=negative)


_OPTIONS = {"password": "password-file", "features": "feature"}
"""Options with another name than their key."""


@Parameter(name="*")
@dataclass
class CameraOptions:
    """Which camera, and how it is set; an option that is left out leaves the setting as it is."""

    camera: Annotated[
        str | None,
        Parameter(
            help="Kind of camera: genicam, basler, video, http or folder. With --file, the name of its table."
        ),
    ] = None
    file: Annotated[
        Path | None, Parameter(help="File of a station whose table [cameras.NAME] sets the camera.")
    ] = None
    device: Annotated[
        str | None, Parameter(help="Of genicam and basler: name, serial number or IP address.")
    ] = None
    url: Annotated[str | None, Parameter(help="Of http and video: address without a password.")] = None
    usb: Annotated[str | None, Parameter(help="Of video: USB camera, such as /dev/video0.")] = None
    path: Annotated[Path | None, Parameter(help="Folder of images, or video file.")] = None
    user: Annotated[str | None, Parameter(help="User of the address, if it asks for one.")] = None
    password_file: Annotated[
        Path | None, Parameter(help="File whose first line is the password of --user.")
    ] = None
    exposure_us: Annotated[float | None, Parameter(help="Exposure time in microseconds.")] = None
    gain: Annotated[float | None, Parameter(help="Gain in the unit of the camera.")] = None
    pixel_format: Annotated[str | None, Parameter(help="Such as Mono8, Mono12p or BayerRG8.")] = None
    frame_rate: Annotated[float | None, Parameter(help="Pictures per second of genicam and basler.")] = None
    trigger: Annotated[
        str | None, Parameter(help="software takes a picture when one is asked for; Line1 at its signal.")
    ] = None
    region: Annotated[
        tuple[int, int, int, int] | None,
        Parameter(help="x, y, width and height of the part that is read.", negative=""),
    ] = None
    feature: Annotated[
        list[str] | None,
        Parameter(help="Further GenICam setting, as NAME=VALUE; repeat the option for several.", negative=""),
    ] = None
    packet_size: Annotated[int | None, _more("Bytes of a packet of GigE Vision.")] = None
    packet_delay: Annotated[int | None, _more("Nanoseconds between two packets.")] = None
    resend: Annotated[bool | None, _more("Ask for lost packets again; the default.")] = None
    transport: Annotated[Literal["tcp", "udp"] | None, _more("How RTSP sends pictures.")] = None
    timeout: Annotated[
        float | None,
        _more("Of http and video: seconds after which a silent camera is lost."),
    ] = None
    most_bytes: Annotated[int | None, _more("Of http: largest answer that is taken.")] = None
    rate: Annotated[
        float | None,
        _more("Of folder: pictures per second, dropped if nobody takes them."),
    ] = None
    loop: Annotated[bool | None, _more("Of folder: begin again after the last image.", "")] = None
    buffer: Annotated[int | None, _more("Pictures that wait before the oldest is dropped.")] = None
    strip_height: Annotated[
        int | None, Parameter(help="Of a line-scan camera: rows of one image of the strip.")
    ] = None
    strip_overlap: Annotated[
        int | None, Parameter(help="Rows that neighbouring images of the strip have in common.")
    ] = None
    strip_row_mm: Annotated[float | None, _more("Millimetres from one row to the next.")] = None
    strip_length: Annotated[int | None, _more("Rows that get one verdict together.")] = None

    def settings(self) -> tuple[str, CommonSettings]:
        """Return the name of the camera and its settings.

        Raises:
            SettingsError: the camera is not named, an option has no meaning for it, or a value is wrong.
        """
        from excision.errors import SettingsError

        if self.file is not None:
            return self._from_file(self.file)
        from excision.cameras.kinds import KINDS, load_kind

        if self.camera is None or self.camera not in KINDS:
            known = ", ".join(KINDS)
            said = "is missing" if self.camera is None else f"is {self.camera!r}"
            raise SettingsError(f"--camera {said}: it must be {known}; see also `excision capture --list`")
        kind, given = load_kind(self.camera), self._given()
        self._check(kind, given)
        for field in dataclasses.fields(kind):
            needed = field.default is field.default_factory is dataclasses.MISSING
            if needed and field.name not in given:
                raise SettingsError(f"--{field.name} is missing: a camera of the kind {self.camera} needs it")
        try:
            return self.camera, kind(**given)
        except SettingsError as error:
            raise SettingsError(f"--camera {self.camera}: {error}") from error

    def _from_file(self, path: Path) -> tuple[str, CommonSettings]:
        from excision.errors import SettingsError
        from excision.station.station_file.file import read_station_file

        cameras = read_station_file(path).below("cameras")
        name = self.camera or (next(iter(cameras)) if len(cameras) == 1 else None)
        if name is None or name not in cameras:
            said = "name one with --camera" if name is None else f"there is no [cameras.{name}]"
            known = ", ".join(cameras) or "none"
            raise SettingsError(f"{path}: {said}; its cameras: {known}")
        given = self._given()
        self._check(type(cameras[name]), given)
        settings: CommonSettings = dataclasses.replace(cameras[name], **given)
        return name, settings

    def _given(self) -> dict[str, Any]:
        from excision.system.credentials import Secret

        given = {
            field.name: getattr(self, field.name)
            for field in dataclasses.fields(self)
            if field.name not in ("camera", "file") and getattr(self, field.name) is not None
        }
        if "password_file" in given:
            given["password"] = Secret(given.pop("password_file"))
        if "feature" in given:
            given["features"] = dict(map(_feature, given.pop("feature")))
        return given

    def _check(self, kind: type[CommonSettings], given: dict[str, Any]) -> None:
        from excision.errors import SettingsError

        known = {field.name for field in dataclasses.fields(kind)}
        for name in given:
            if name not in known:
                option = _OPTIONS.get(name, name.replace("_", "-"))
                raise SettingsError(f"--{option} has no meaning for a camera of the kind {kind.kind}")


def _feature(text: str) -> tuple[str, Any]:
    """Read NAME=VALUE: numbers, true and false as in TOML, and any other value as text."""
    import tomllib

    from excision.errors import SettingsError

    name, equals, value = text.partition("=")
    if not equals or not name.strip():
        raise SettingsError(f"--feature is {text!r}: it must be NAME=VALUE")
    try:
        read = tomllib.loads(f"value = {value}")["value"]
    except ValueError:
        read = value
    return name.strip(), read if isinstance(read, bool | int | float) else value

"""The line of a station, from the tables of its file."""

from __future__ import annotations

from contextlib import ExitStack

from excision.cameras.camera import open_camera
from excision.station.line.line import Line
from excision.station.line.settings import LineSettings
from excision.station.station import Station


def open_line(station: Station) -> Line:
    """Give the line that the station's file describes, not started; without tables one of nothing.

    Raises:
        SettingsError: a file or variable that a table names cannot be read, or names do not fit.
        CameraError: the library of a camera is not installed.
        ModuleNotFoundError: the extra of a signal is not installed.
        StoreError: the file of results is at fault.
    """
    file = station.settings.file
    with ExitStack() as opened:
        cameras, signals = [], []
        for name, settings in file.below("cameras").items():
            cameras.append(open_camera(name, settings))
            opened.callback(cameras[-1].close)
        for name, settings in file.below("signals").items():
            signals.append(settings.open(name))
            opened.callback(signals[-1].close)
        line = Line(station, file.one(LineSettings) or LineSettings(), cameras, signals)
        opened.pop_all()
    return line

"""Lines for tests: a real station with a tiny model, cameras that read folders, and a signal that listens."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from excision.cameras.camera import Camera
from excision.cameras.folder import FolderSettings
from excision.signals.signal import Commands, LineState, Report, Signal, SignalError
from excision.station.line.line import Line
from excision.station.line.settings import LineSettings
from excision.station.station import Station, StationSettings


class Listener:
    """The other side of a wire, in this process: it keeps what it is sent, and can be away."""

    durable = True

    def __init__(self, name: str = "listener") -> None:
        self.name = name
        self.reports: list[Report] = []
        self.states: list[LineState] = []
        self.error: SignalError | None = None
        self.commands: Commands | None = None
        self.closed = False
        self._change = threading.Condition()

    def start(self, commands: Commands) -> None:
        self.commands = commands

    def send(self, report: Report) -> None:
        if self.error is not None:
            raise self.error
        with self._change:
            self.reports.append(report)
            self._change.notify_all()

    def show(self, state: LineState) -> None:
        self.states.append(state)

    def close(self) -> None:
        self.closed = True

    def wait(self, count: int, seconds: float = 60.0) -> list[Report]:
        """Give the reports once there are so many."""
        with self._change:
            assert self._change.wait_for(lambda: len(self.reports) >= count, seconds), self.reports
        return list(self.reports)


def folder_camera(name: str, pictures: Path) -> Camera:
    return FolderSettings(path=pictures, loop=True).open(name)


@contextmanager
def running(
    data: Path,
    model: Path,
    cameras: Sequence[Camera],
    signals: Sequence[Signal],
    settings: LineSettings | None = None,
) -> Iterator[Line]:
    """A station with one model and a line that runs."""
    station = Station(StationSettings(data=data, models={"fabric": model}, workers=1, name="press 3"))
    try:
        line = Line(station, settings or LineSettings(deadline=120.0, heartbeat=0.1), cameras, signals)
        line.start()
        try:
            yield line
        finally:
            line.close()
    finally:
        station.close()


def until(condition: Callable[[], bool], seconds: float = 60.0) -> None:
    """Wait for a condition."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)

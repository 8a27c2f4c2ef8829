"""Collecting a first training set from a camera: one file for each part, with hints while it goes on."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from excision.cameras.camera import Camera, Frame
from excision.cameras.folder import read_file
from excision.cameras.hints import Hint, Look, hints_of, is_same, look_at
from excision.data.image_names import is_image_name
from excision.errors import CameraEndError, CameraError, DamagedFrameError
from excision.system.files import write_bytes

GOOD = "good"
"""Folder of the pictures, inside the one that is given: that of good parts in the layout of MVTec AD."""

_GRAB = 0.5  # seconds after which it is asked whether to stop
_SUCCESSIVE = 0.5  # seconds within which two pictures can tell motion
_COMPRESSION = 1  # zlib's fastest; more saves little and a camera would wait


@dataclass
class Collected:
    """How far a collection is.

    Attributes:
        wanted: pictures in all.
        there: pictures in the folder, those of earlier runs among them.
        saved: files of this run.
        skipped: pictures that looked like the last one that was kept.
        hinted: files of this run to each hint.
        sharpest: largest sharpness so far.
        focus: share of it that the last picture reached.
        stopped: whether it was asked to stop before all were there.
    """

    wanted: int
    there: int = 0
    saved: list[Path] = field(default_factory=list)
    skipped: int = 0
    hinted: dict[Hint, list[Path]] = field(default_factory=dict)
    sharpest: float = 0.0
    focus: float = 1.0
    stopped: bool = False


@dataclass(frozen=True)
class Listeners:
    """What a collection calls while it goes on.

    Attributes:
        stop: tells whether to stop.
        progress: is told after each picture how far it is, and what to mind about the picture.
        note: is told a sentence, such as that the camera is away.
    """

    stop: Callable[[], bool] = lambda: False
    progress: Callable[[Collected, list[Hint], bool], None] = lambda *_: None
    note: Callable[[str], None] = lambda _: None


def collect(
    camera: Camera,
    out: Path,
    wanted: int,
    *,
    keep_all: bool = False,
    every: float = 0.0,
    wait: float = 10.0,
    listeners: Listeners | None = None,
) -> Collected:
    """Save pictures of a camera until there are as many as wanted.

    A picture that looks like the last one that was kept is skipped: the same part twice teaches nothing, and
    in calibration it counts as a part that it is not. Each file is complete or not there at all.

    Args:
        camera: started.
        out: folder; the pictures are put into `good` inside it, beside those that are there already.
        wanted: pictures in all, those of earlier runs among them.
        keep_all: keep also what looks like the last one.
        every: seconds between two pictures that are kept.
        wait: seconds in which the first picture must come.
        listeners: what to call.

    Raises:
        CameraEndError: the camera has no more pictures, and there are fewer than wanted.
        CameraError: no picture came at the beginning.
        OSError: the disk is full, or cannot be written to.
    """
    listeners = listeners or Listeners()
    folder = out / GOOD
    there = _files(folder)
    collected = Collected(wanted, len(there))
    kept, before = _last_look(there, listeners), None
    frames = _Frames(camera, wait, listeners)
    due = 0.0
    while collected.there < wanted:
        frame = frames.next(collected)
        if frame is None:
            collected.stopped = True
            break
        look = look_at(frame.pixels)
        previous, before = before, (frame, look)
        if time.monotonic() < due:
            continue
        collected.sharpest = max(collected.sharpest, look.sharpness)
        collected.focus = look.sharpness / collected.sharpest if collected.sharpest else 1.0
        hints = hints_of(look, collected.sharpest, _just_before(previous, frame))
        skipped = not keep_all and kept is not None and is_same(look, kept)
        if skipped:
            collected.skipped += 1
        else:
            path = folder / _name(frame, collected.there + 1)
            write_bytes(path, _png(frame))
            collected.saved.append(path)
            collected.there += 1
            for hint in hints:
                collected.hinted.setdefault(hint, []).append(path)
            kept, due = look, time.monotonic() + every
        listeners.progress(collected, hints, skipped)
    return collected


class _Frames:
    """The pictures of a camera, also past the times when it is away."""

    def __init__(self, camera: Camera, wait: float, listeners: Listeners) -> None:
        self._camera, self._listeners = camera, listeners
        self._end: float | None = time.monotonic() + wait
        self._said = ""

    def next(self, collected: Collected) -> Frame | None:
        """Give the next picture; None once it is asked to stop."""
        while not self._listeners.stop():
            try:
                frame = self._camera.grab(_GRAB)
            except CameraEndError as error:
                raise CameraEndError(f"{error}: {collected.there} of {collected.wanted} are there") from error
            except CameraError as error:
                if self._end is not None and time.monotonic() > self._end:
                    raise
                self._say(error)
                continue
            self._end, self._said = None, ""
            return frame
        return None

    def _say(self, error: CameraError) -> None:
        fault = self._camera.state().fault
        if self._end is None and fault is not None and fault != self._said:
            self._said = fault
            self._listeners.note(f"{error}; waiting for it")


def _files(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if is_image_name(path.name) and path.is_file())


def _last_look(there: list[Path], listeners: Listeners) -> Look | None:
    """Give the look of the newest picture of an earlier run, so that it is not taken again."""
    if not there:
        return None
    newest = max(there, key=lambda path: path.stat().st_mtime_ns)
    try:
        return look_at(read_file(newest))
    except DamagedFrameError as error:
        listeners.note(f"{error}; remove it")
        return None


def _just_before(previous: tuple[Frame, Look] | None, frame: Frame) -> Look | None:
    """Give the look of the previous picture where the camera took both in quick succession."""
    if previous is None or frame.source is not None or frame.row is not None:
        return None
    successive = frame.number == previous[0].number + 1
    return previous[1] if successive and 0 <= frame.time - previous[0].time < _SUCCESSIVE else None


def _name(frame: Frame, number: int) -> str:
    """Name a file by camera, time and number; the time tells which pictures belong to one moment."""
    taken = datetime.fromtimestamp(frame.time, UTC)
    milliseconds = taken.microsecond // 1000
    return f"{frame.camera}_{taken:%Y%m%d-%H%M%S}_{milliseconds:03d}_{number:05d}.png"


def _png(frame: Frame) -> bytes:
    from imagecodecs import png_encode

    return bytes(png_encode(frame.pixels, level=_COMPRESSION))

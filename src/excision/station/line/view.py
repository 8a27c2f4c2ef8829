"""One camera of the line: takes the picture of each trigger, and hands it to the station."""

from __future__ import annotations

import contextlib
import logging
import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import TYPE_CHECKING

from excision.cameras.camera import Camera, Frame
from excision.errors import CameraEndError, ExcisionError
from excision.station.line.pending import Pending
from excision.station.line.verdict import Answer, ViewFault
from excision.station.store.records import Origin
from excision.station.work.queue import Outcome

if TYPE_CHECKING:
    from excision.station.station import Station

_LOG = logging.getLogger(__name__)

_LOOK = 0.5  # seconds that a camera which triggers itself is waited for at once
_PAUSE = 0.5  # seconds before a camera without a picture is asked again
_END = 5.0

Answered = Callable[[Pending, str, Answer], None]
"""Is called once for each trigger and view, from any thread, and must not wait."""


class View:
    """A camera with a thread that grabs, stores and submits one picture after the other.

    Args:
        camera: not started.
        station: inspects the pictures.
        model: gives the model of a trigger in this view.
        answered: is called with each answer.
        triggered: takes a picture that is a trigger itself; None for a camera that waits for triggers.
    """

    def __init__(
        self,
        camera: Camera,
        station: Station,
        model: Callable[[Pending], str],
        answered: Answered,
        triggered: Callable[[Frame], None] | None = None,
    ) -> None:
        self.camera, self._station, self._model, self._answered = camera, station, model, answered
        self._triggered = triggered
        self._asked: queue.SimpleQueue[Pending | None] = queue.SimpleQueue()
        self._end = threading.Event()
        run = self._run if triggered is None else self._watch
        self._thread = threading.Thread(target=run, name=f"view {camera.name}", daemon=True)

    @property
    def name(self) -> str:
        """Name of the camera."""
        return self.camera.name

    @property
    def fault(self) -> str | None:
        """Why no picture can be had now; None where one can."""
        state = self.camera.state()
        if state.connection == "connected":
            return None
        return f"camera {self.name}: {state.fault or state.connection}"

    def start(self) -> None:
        """Begin to grab."""
        self.camera.start()
        self._thread.start()

    def ask(self, pending: Pending) -> None:
        """Ask for the picture of a trigger; returns at once."""
        self._asked.put(pending)

    def close(self) -> None:
        """End; what was asked for and not grabbed is answered with a fault."""
        self._end.set()
        self._asked.put(None)
        if self._thread.ident is not None:
            self._thread.join(_END)
        self.camera.close()

    def inspect(self, pending: Pending, frame: Frame) -> None:
        """Have the picture of a trigger inspected; returns once it is in the station's queue."""
        path = self._station.images.arriving()
        try:
            write_frame(path, frame)
            trigger = pending.trigger
            place = (frame.strip, frame.row, frame.row_mm)
            origin = Origin(trigger.serial, trigger.lot, trigger.recipe, self.name, pending.part, *place)
            source = f"{self.name}/{trigger.number}"
            (answer,) = self._station.submit([(path, source)], self._model(pending), origin)
        except (ExcisionError, OSError, KeyError) as error:
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)
            self._answered(pending, self.name, ViewFault(str(error)))
            return
        answer.add_done_callback(lambda done: self._inspected(pending, done))

    def _inspected(self, pending: Pending, done: Future[Outcome]) -> None:
        error = done.exception()
        answer = done.result().result if error is None else ViewFault(str(error))
        self._answered(pending, self.name, answer)

    def _run(self) -> None:
        while (pending := self._asked.get()) is not None:
            try:
                self._serve(pending)
            except Exception as error:
                # Without this thread no trigger would get a picture again.
                _LOG.exception("the picture of trigger %d failed", pending.trigger.number)
                self._answered(pending, self.name, ViewFault(f"{type(error).__name__}: {error}"))

    def _serve(self, pending: Pending) -> None:
        left = pending.deadline - time.monotonic()
        if left <= 0 or self._end.is_set():
            # The part has passed: a picture taken now would show another one.
            reason = "the station ends" if self._end.is_set() else "the camera was busy until the deadline"
            self._answered(pending, self.name, ViewFault(reason))
            return
        try:
            frame = self.camera.grab(left, pending.trigger.time)
        except ExcisionError as error:
            self._answered(pending, self.name, ViewFault(str(error)))
            return
        self.inspect(pending, frame)

    def _watch(self) -> None:
        assert self._triggered is not None
        while not self._end.is_set():
            try:
                self._triggered(self.camera.grab(_LOOK))
            except CameraEndError:
                return
            except ExcisionError:
                # Of a camera that is away, `state` says so.
                if self.fault is not None:
                    self._end.wait(_PAUSE)
            except Exception:
                _LOG.exception("a picture of %s failed", self.name)
                self._end.wait(_PAUSE)


def write_frame(path: Path, frame: Frame) -> None:
    """Write a picture as TIFF, as it is: packing it would take longer than inspecting it.

    Raises:
        OSError: the disk is full, or cannot be written to.
    """
    import tifffile

    kind = "rgb" if frame.pixels.ndim == 3 else "minisblack"
    with path.open("wb") as stream:
        tifffile.imwrite(stream, frame.pixels, photometric=kind, metadata=None)

"""A camera that grabs in a thread of its own, into a ring, and connects again when the connection is lost."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from dataclasses import dataclass
from typing import NoReturn

from excision.cameras.camera import CameraState, Connection, Frame
from excision.cameras.source import Shot, Source
from excision.cameras.tally import Tally
from excision.errors import CameraEndError, CameraError, DamagedFrameError
from excision.system.secrets import without_secrets

_POLL = 0.2  # seconds after which the thread looks whether it is to end
_PAUSES = (0.2, 0.5, 1.0, 2.0, 5.0)  # seconds before each try to connect again; the last one goes on
_ANSWER = 30.0  # seconds after which a picture that was asked for has failed
_END = 5.0  # seconds that `close` waits for the thread

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Held:
    """A picture in the ring, with its number and that of the request it answers."""

    shot: Shot
    number: int
    request: int


class GrabbingCamera:
    """A camera of any kind: see `Camera` for what it does."""

    def __init__(self, name: str, kind: str, source: Source, buffer: int) -> None:
        self.name, self.kind = name, kind
        self._source = source
        self._ring: deque[_Held] = deque()
        self._size = buffer
        self._changed = threading.Condition()
        self._grabbing = threading.Lock()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._tally = Tally()
        self._connection: Connection = "stopped"
        self._fault: str | None = None
        self._number = self._seen = 0
        self._wants_all = True
        self._asked = self._answered = 0

    def start(self) -> None:
        """Begin to grab."""
        if self._thread is None:
            self._connection = "connecting"
            self._thread = threading.Thread(target=self._run, name=f"camera {self.name}", daemon=True)
            self._thread.start()

    def close(self) -> None:
        """End, and let go of the camera."""
        self._stop.set()
        with self._changed:
            self._changed.notify_all()
        if self._thread is not None:
            # A library may hang in a call; the thread is a daemon and does not keep the process.
            self._thread.join(_END)
        self._connection = "stopped"

    def state(self) -> CameraState:
        """Say how the camera is."""
        tally = self._tally
        return CameraState(
            self.name,
            self.kind,
            self._source.where,
            self._connection,
            tally.rate(),
            tally.frames,
            tally.dropped,
            tally.damaged,
            tally.reconnects,
            self._fault,
            tally.last,
        )

    def grab(self, timeout: float, since: float | None = None) -> Frame:
        """Give a picture; see `Camera`."""
        deadline = time.monotonic() + timeout
        with self._grabbing:
            self._wants_all = since is None
            if self._source.on_demand:
                self._ask()
            while True:
                held, dropped = self._take(deadline, since)
                try:
                    pixels = held.shot.make()
                except DamagedFrameError as error:
                    self._count_damaged(error)
                    if self._source.on_demand:
                        raise CameraError(f"camera {self.name}: {error}") from error
                    self._seen -= 1 + dropped  # the next picture counts it as dropped
                    continue
                shot = held.shot
                # What has waited in a folder or a file is taken when it is grabbed.
                taken = time.time() if self._source.patient else shot.time
                place = (shot.row, shot.source, shot.strip, shot.row_mm)
                return Frame(pixels, taken, held.number, self.name, dropped, *place)

    def _ask(self) -> None:
        with self._changed:
            self._asked += 1
            # What an earlier request left behind was exposed too early.
            self._seen += len(self._ring)
            self._ring.clear()
            self._changed.notify_all()

    def _take(self, deadline: float, since: float | None) -> tuple[_Held, int]:
        """Wait for a picture; give it with the number of those lost before it."""
        with self._changed:
            while True:
                while self._ring:
                    held = self._ring.popleft()
                    self._changed.notify_all()
                    dropped, self._seen = held.number - self._seen - 1, held.number
                    if self._is_fresh(held, since):
                        return held, dropped
                if self._connection in ("ended", "stopped") or self._has_failed():
                    self._refuse()
                left = deadline - time.monotonic()
                if left <= 0 or not self._changed.wait(left):
                    self._refuse()

    def _is_fresh(self, held: _Held, since: float | None) -> bool:
        """Whether this is the picture of the request, or one of a camera that runs freely since that time."""
        if self._source.on_demand:
            return held.request >= self._asked
        return since is None or self._source.patient or held.shot.time >= since

    def _has_failed(self) -> bool:
        """Whether the picture that was asked for will not come."""
        return self._source.on_demand and self._answered >= self._asked

    def _refuse(self) -> NoReturn:
        about = f"camera {self.name} ({self._source.where})"
        if self._connection == "ended":
            raise CameraEndError(f"{about}: no more pictures{_because(self._fault)}")
        if self._connection == "stopped":
            raise CameraError(f"{about}: is not started")
        if self._connection == "connected":
            raise CameraError(f"{about}: no picture came in time{_because(self._fault)}")
        if self._connection == "connecting":
            raise CameraError(f"{about}: is not connected yet{_because(self._fault)}")
        raise CameraError(f"{about}: is not connected{_because(self._fault)}")

    def _run(self) -> None:
        tries, connected = 0, False
        while not self._stop.is_set():
            before = self._tally.frames
            try:
                self._source.open()
                self._set("connected")
                self._tally.reconnects += connected
                connected = True
                self._follow()
            except CameraEndError:
                self._set("ended")
                return
            except CameraError as error:
                self._lose(str(error))
            except Exception as error:
                # A library raises what it likes; a camera must come back all the same.
                self._lose(f"{type(error).__name__}: {error}")
            finally:
                self._source.close()
            tries = 1 if self._tally.frames > before else tries + 1
            self._pause(_PAUSES[min(tries, len(_PAUSES)) - 1])

    def _pause(self, seconds: float) -> None:
        """Wait before the next try; one who asks for a picture now is not kept waiting."""
        with self._changed:
            self._changed.wait_for(lambda: self._asked > self._answered or self._stop.is_set(), seconds)

    def _set(self, connection: Connection) -> None:
        with self._changed:
            self._connection = connection
            self._changed.notify_all()

    def _lose(self, fault: str) -> None:
        fault = without_secrets(fault)
        if self._connection != "disconnected" or self._fault != fault:
            _log.warning("camera %s: %s", self.name, fault)
        with self._changed:
            self._fault, self._connection = fault, "disconnected"
            self._answered = self._asked
            self._changed.notify_all()

    def _follow(self) -> None:
        """Take pictures until the connection is lost or the camera is closed."""
        while not self._stop.is_set():
            request = self._wait_for_request() if self._source.on_demand else 0
            if request is None:
                continue
            try:
                shot = self._picture(request)
            except DamagedFrameError as error:
                self._number += 1 + error.lost
                self._tally.dropped += error.lost
                self._count_damaged(error)
                shot = None
            with self._changed:
                if shot is not None:
                    self._put(shot, request)
                if self._source.on_demand:
                    self._answered = max(self._answered, request)
                self._changed.notify_all()

    def _picture(self, request: int) -> Shot | None:
        if not self._source.on_demand:
            return self._source.read(_POLL)
        while self._source.read(0.0) is not None:
            # It answers an earlier request, whose asker has gone.
            self._tally.dropped += 1
        self._source.trigger()
        end = time.monotonic() + _ANSWER
        while not self._stop.is_set() and time.monotonic() < end and request == self._asked:
            shot = self._source.read(_POLL)
            if shot is not None:
                return shot
        self._fault = "the picture that was asked for did not come"
        return None

    def _wait_for_request(self) -> int | None:
        with self._changed:
            self._changed.wait_for(lambda: self._asked > self._answered or self._stop.is_set(), _POLL)
            return self._asked if self._asked > self._answered else None

    def _put(self, shot: Shot, request: int) -> None:
        self._tally.arrived()
        self._tally.dropped += shot.lost
        self._number += 1 + shot.lost
        self._fault = None
        if self._source.patient:
            self._changed.wait_for(lambda: len(self._ring) < self._size or self._stop.is_set())
        elif len(self._ring) >= self._size:
            oldest = self._ring.popleft()
            if self._wants_all:
                self._tally.dropped += 1
            else:
                # It lies before the next trigger, and would have been passed over.
                self._seen = oldest.number
        self._ring.append(_Held(shot, self._number, request))

    def _count_damaged(self, error: DamagedFrameError) -> None:
        self._tally.damaged += 1
        self._tally.dropped += 1
        self._fault = without_secrets(str(error))


def _because(fault: str | None) -> str:
    return f": {fault}" if fault else ""

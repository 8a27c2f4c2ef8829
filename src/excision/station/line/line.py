"""The line: triggers in, pictures and verdicts, and exactly one report for each trigger to every signal."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence

from excision.cameras.camera import Camera, CameraState, Frame
from excision.errors import ExcisionError
from excision.signals.signal import LineState, Report, Signal, SignalError, Trigger
from excision.station.line.courier import Courier
from excision.station.line.journal import Journal
from excision.station.line.pending import Pending
from excision.station.line.reporter import Reporter
from excision.station.line.settings import LineSettings
from excision.station.line.verdict import ViewFault, fault_report
from excision.station.line.view import View
from excision.station.station import Station

_LOG = logging.getLogger(__name__)

LONGEST_TEXT = 200
"""Characters of a serial number, a lot, or the identity of a request."""

_RECIPE, _LOT = "recipe", "lot"
_RESTARTED = "the station was restarted before there was a verdict"


class Line:
    """Wires cameras and signals to a station. It is what the signals give their commands to.

    Creating one answers the triggers that a killed process left without a report: with a fault. `start`
    begins to take triggers, and `close` answers those that were accepted.

    Args:
        station: inspects; it must outlive the line.
        settings: what holds for every signal.
        cameras: not started.
        signals: not started.

    Attributes:
        journal: triggers and reports on disk.
        couriers: of the signals.
        views: of the cameras, by name.

    Raises:
        SettingsError: the settings name a camera or model that there is not.
        StoreError: the file of results is at fault.
    """

    def __init__(
        self,
        station: Station,
        settings: LineSettings,
        cameras: Sequence[Camera] = (),
        signals: Sequence[Signal] = (),
    ) -> None:
        self._station, self._settings = station, settings
        settings.check_names([camera.name for camera in cameras], station.models.names)
        self.journal = Journal(station.store)
        self._recipe = self._known_recipe(self.journal.remembered(_RECIPE))
        self._lot = self.journal.remembered(_LOT)
        self._counts: Counter[str] = Counter()
        self._latched: str | None = None
        self._accepting = self._closed = False
        self._accept = threading.Lock()
        durable = [signal.name for signal in signals if signal.durable]
        self.reporter = Reporter(self.journal, self._reported, station.name, station.parts, durable)
        self.views = {camera.name: self._view(camera) for camera in cameras}
        self._asked = tuple(name for name in self.views if name not in settings.self_triggered)
        self.couriers = [
            Courier(signal, self.journal, self, self.state, settings.heartbeat) for signal in signals
        ]
        station.alarms.watch(self.faults)
        left = self.journal.unanswered()
        if left:
            _LOG.warning("%d triggers were left without a report; each gets a fault now", len(left))
            self.journal.keep([fault_report(trigger, _RESTARTED, station.name) for trigger in left])
            self._latched = _RESTARTED

    def start(self) -> None:
        """Begin to take triggers."""
        self._accepting = True
        self.reporter.start()
        for view in self.views.values():
            view.start()
        for courier in self.couriers:
            courier.start()

    def close(self) -> None:
        """Take no more triggers, answer those that were accepted, send what can be sent, and end."""
        with self._accept:
            self._accepting, closed, self._closed = False, self._closed, True
        if closed:
            return
        self.reporter.finish(self._settings.deadline)
        for view in self.views.values():
            view.close()
        self.reporter.close()
        for courier in self.couriers:
            courier.close()

    def trigger(
        self,
        origin: str,
        *,
        serial: str | None = None,
        lot: str | None = None,
        recipe: str | None = None,
        view: str | None = None,
        request: str | None = None,
    ) -> int:
        """Accept a trigger; see `Commands`."""
        if view is not None and view not in self.views:
            known = ", ".join(self.views) or "none"
            raise SignalError(f"there is no camera {_text('view', view)!r}: known are {known}")
        trigger = self._trigger(origin, serial, lot, recipe, view)
        views = self._asked if view is None else (view,)
        pending, number = self._begin(trigger, views, _text("request", request))
        if pending is None:
            return number
        if not views:
            self.reporter.answer(pending, "", ViewFault("no camera waits for triggers: see [cameras]"))
        for name in views:
            self.views[name].ask(pending)
        return number

    def set_lot(self, lot: str | None) -> None:
        """Set the lot; see `Commands`."""
        self._lot = _text(_LOT, lot)
        self._remember(_LOT, self._lot)

    def set_recipe(self, name: str) -> None:
        """Set the recipe; see `Commands`."""
        if self._known_recipe(name) is None:
            raise SignalError(f"there is no model {_text('recipe', name)!r}")
        self._recipe = name
        self._remember(_RECIPE, name)

    def acknowledge(self) -> None:
        """Clear the fault that is shown; see `Commands`."""
        self._latched = None

    def state(self) -> LineState:
        """Say how the line is, without waiting."""
        fault = self._fault()
        return LineState(
            ready=fault is None,
            busy=self.reporter.is_busy,
            fault=fault or self._latched,
            recipe=self._recipe or self._station.models.default,
            lot=self._lot,
            counts=dict(self._counts),
            time=time.time(),
            alarms=tuple(f"{alarm.kind} {alarm.model}".strip() for alarm in self._station.alarms.standing),
        )

    def faults(self) -> dict[str, str]:
        """Say what is wrong with each camera and signal, by its name."""
        if self._closed or not self._accepting:
            return {}
        found = {name: view.fault for name, view in self.views.items() if view.fault}
        return found | {
            courier.state.name: courier.state.trouble for courier in self.couriers if courier.state.trouble
        }

    def camera_states(self) -> tuple[CameraState, ...]:
        """Say how each camera is, without waiting."""
        return tuple(view.camera.state() for view in self.views.values())

    def _fault(self) -> str | None:
        """Say why a trigger would not be served now; None where it would."""
        station = self._station
        if not self._accepting:
            return "the station ends"
        if not station.is_alive:
            return "a thread of the station has ended: restart it"
        if station.store.fault is not None:
            return str(station.store.fault)
        if station.queue.is_full:
            return "the queue of the station is full"
        if not self.views:
            return "there is no camera: see [cameras]"
        return next((view.fault for view in self.views.values() if view.fault), None)

    def _trigger(
        self, origin: str, serial: str | None, lot: str | None, recipe: str | None, view: str | None
    ) -> Trigger:
        if recipe is not None and self._known_recipe(recipe) is None:
            raise SignalError(f"there is no model {_text('recipe', recipe)!r}")
        lot = self._lot if lot is None else _text(_LOT, lot)
        return Trigger(time.time(), 0, origin, _text("serial", serial), lot, recipe or self._recipe, view)

    def _begin(
        self, trigger: Trigger, views: tuple[str, ...], request: str | None = None
    ) -> tuple[Pending | None, int]:
        """Keep a trigger, and watch over it: give it, unless the request is known, and its number."""
        deadline = time.monotonic() + self._settings.deadline
        with self._accept:
            if not self._accepting:
                raise SignalError("the station ends: the trigger was not accepted")
            try:
                trigger, new = self.journal.accept(trigger, request)
            except (ExcisionError, OSError) as error:
                raise SignalError(f"the trigger was not accepted: {error}") from error
            if not new:
                return None, trigger.number
            pending = Pending(trigger, deadline, views, part=self._part_of(trigger, views))
            self.reporter.begin(pending)
        return pending, trigger.number

    def _part_of(self, trigger: Trigger, views: tuple[str, ...]) -> int | None:
        """Announce the part of a trigger that asks every camera; None where there are no parts."""
        parts = self._station.parts
        if parts is None or trigger.view is not None or not views:
            return None
        try:
            return parts.open(views, trigger.serial, trigger.lot, trigger.recipe, self._settings.deadline)
        except ExcisionError as error:
            # The trigger is on disk and gets its report all the same.
            _LOG.error("the part of trigger %d could not be kept: %s", trigger.number, error)
            return None

    def _view(self, camera: Camera) -> View:
        own = camera.name in self._settings.self_triggered
        return View(
            camera,
            self._station,
            self._model_of(camera.name),
            self.reporter.answer,
            self._seen if own else None,
        )

    def _seen(self, frame: Frame) -> None:
        """Take a picture that is a trigger itself."""
        trigger = self._trigger(frame.camera, None, None, None, frame.camera)
        pending, _ = self._begin(trigger, (frame.camera,))
        assert pending is not None
        self.views[frame.camera].inspect(pending, frame)

    def _model_of(self, camera: str) -> Callable[[Pending], str]:
        own = self._settings.models.get(camera)
        return lambda pending: pending.trigger.recipe or own or self._station.models.default

    def _known_recipe(self, name: str | None) -> str | None:
        return name if name in self._station.models.names else None

    def _reported(self, report: Report, written: bool) -> None:
        """Note that a report is on its way, and have the signals send it."""
        self._counts[report.verdict] += 1
        if report.verdict == "fault":
            self._latched = f"trigger {report.trigger}: {report.reason}"
        for courier in self.couriers:
            if written:
                courier.wake()
            else:
                courier.send_unwritten(report)

    def _remember(self, name: str, value: str | None) -> None:
        try:
            self.journal.remember(name, value)
        except (ExcisionError, OSError) as error:
            raise SignalError(f"the {name} is set, but will not outlast a restart: {error}") from error


def _text(name: str, text: str | None) -> str | None:
    """Give a text of the line back if it can be kept and shown; an empty one is none.

    Raises:
        SignalError: it is too long, or holds what cannot be printed.
    """
    if text is None or not text.strip():
        return None
    text = text.strip()
    if len(text) > LONGEST_TEXT or not text.isprintable():
        raise SignalError(f"{name}: up to {LONGEST_TEXT} characters that can be printed are allowed")
    return text

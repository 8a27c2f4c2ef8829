"""What a line and a station say to each other, whatever the wire: the interface of every adapter.

An adapter knows nothing of the station. It gives triggers and commands of the line to `Commands`, and takes
one `Report` for each trigger, and a `LineState` at every heartbeat.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, get_args

from excision.errors import ExcisionError

ReportVerdict = Literal["good", "review", "defect", "unfit", "fault"]
REPORT_VERDICTS: tuple[ReportVerdict, ...] = get_args(ReportVerdict)
"""What a report may say: a verdict on the part, or that there is none."""


class SignalError(ExcisionError):
    """The other side of a signal cannot be reached, refuses, or does not answer; a later try may succeed."""


class RefusedError(SignalError):
    """The other side refuses this report for good: sending it again would change nothing."""


@dataclass(frozen=True, slots=True)
class Trigger:
    """The line has asked for a part to be inspected.

    Attributes:
        time: when the station accepted it, seconds since 1970 in UTC.
        number: of the trigger, from 1; never used again, also after a restart.
        origin: name of the signal or camera that it came from.
        serial: of the part.
        lot: of the part; None takes the lot that is set.
        recipe: name of the model; None takes the recipe that is set.
        view: name of the camera; None asks every camera.
    """

    time: float
    number: int
    origin: str
    serial: str | None = None
    lot: str | None = None
    recipe: str | None = None
    view: str | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """What a station says about one trigger. Every trigger gets exactly one.

    Attributes:
        id: a UUID as text. The same report that arrives twice has the same one.
        trigger: number of the trigger; None for an image that no trigger asked for.
        origin: name of the signal or camera that the trigger came from.
        verdict: on the part: "good", "review", "defect" or "unfit"; "fault" where there is none.
        reason: of "unfit" and "fault", in words; empty otherwise.
        score: anomaly score, where there is one image.
        threshold: decision threshold of the score.
        p_value: conformal p-value of the score, in (0, 1].
        result: number of the stored result.
        serial: of the part.
        lot: of the part.
        recipe: name of the model.
        station: name of the station.
        view: name of the camera; None where the report is about several views, or about none.
        time: of the report, seconds since 1970 in UTC.
        triggered: time of the trigger, seconds since 1970 in UTC.
        strip: of an image of a line-scan camera, which strip: when it began, microseconds since 1970.
        strip_row: number of the image's first row in the strip.
        strip_row_mm: millimetres from one row to the next, where it is known.
        deadline_missed: whether no verdict was there at the deadline; the verdict is "fault" then.
    """

    id: str
    trigger: int | None
    verdict: ReportVerdict
    reason: str = ""
    score: float | None = None
    threshold: float | None = None
    p_value: float | None = None
    result: int | None = None
    serial: str | None = None
    lot: str | None = None
    recipe: str | None = None
    station: str | None = None
    view: str | None = None
    time: float = 0.0
    triggered: float | None = None
    deadline_missed: bool = False
    origin: str | None = None
    strip: int | None = None
    strip_row: int | None = None
    strip_row_mm: float | None = None

    def to_json(self) -> dict[str, Any]:
        """Return it for JSON; a number that is not finite, which JSON lacks, is None."""
        values = dataclasses.asdict(self)
        return {
            name: None if isinstance(value, float) and not math.isfinite(value) else value
            for name, value in values.items()
        }

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Report:
        """Read what `to_json` gave; fields of a later version are left out."""
        known = {field.name for field in dataclasses.fields(cls)}
        return cls(**{name: value for name, value in content.items() if name in known})


@dataclass(frozen=True, slots=True)
class LineState:
    """How the station is, at a heartbeat.

    Attributes:
        ready: whether a trigger would be served now.
        busy: whether a trigger waits for its report.
        fault: why it is not ready, or what has failed since it was last acknowledged; None where nothing has.
        recipe: name of the model that is set.
        lot: that is set.
        counts: reports since the start, by verdict.
        time: seconds since 1970 in UTC.
        alarms: that nobody has acknowledged, each its kind and what it is about.
    """

    ready: bool
    busy: bool
    fault: str | None = None
    recipe: str | None = None
    lot: str | None = None
    counts: Mapping[str, int] = field(default_factory=dict)
    time: float = 0.0
    alarms: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return it for JSON."""
        return {**dataclasses.asdict(self), "counts": dict(self.counts)}


class Commands(Protocol):
    """What a line may ask of a station; any thread may call it, and none waits for an inspection."""

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
        """Ask for an inspection; once this returns, the trigger is on disk and will get its report.

        Args:
            origin: name of the signal.
            serial: of the part.
            lot: of the part; None takes the lot that is set.
            recipe: name of a model; None takes the recipe that is set.
            view: name of a camera; None asks every camera.
            request: identity that the line gave this trigger. The same request from the same signal again is
                the same trigger, as a wire that delivers at least once may repeat it.

        Returns:
            The number of the trigger.

        Raises:
            SignalError: it was not accepted, and gets no report: the station ends, or its disk is at fault.
        """

    def set_lot(self, lot: str | None) -> None:
        """Set the lot of the triggers from here on.

        Raises:
            SignalError: the text is not printable, or too long.
        """

    def set_recipe(self, name: str) -> None:
        """Set the model of the triggers from here on.

        Raises:
            SignalError: there is no such model.
        """

    def acknowledge(self) -> None:
        """Clear the fault that the state shows, as far as its cause is gone."""


class Signal(Protocol):
    """One wire to the line. The station calls `start`, `send` and `show` of a signal from one thread.

    A durable signal may have an attribute `give_up`: a report of that age in seconds that could not be sent
    goes to the dead letters, which a person sends again or discards; so does one that is refused
    (`RefusedError`). Without it the station tries for ever.

    Attributes:
        name: of its table in the station's file.
        durable: whether every report must arrive. If so it comes from an outbox on disk, in order, again
            until `send` returns, also after a restart; the other side tells doubles by the id. Otherwise a
            report that could not be sent is lost, and the log says so.
    """

    name: str
    durable: bool

    def start(self, commands: Commands) -> None:
        """Begin to take commands of the line, in threads of its own.

        It returns at once also where the other side is away: the adapter goes on trying.

        Raises:
            SignalError: it cannot begin at all, such as where its port is in use.
        """

    def send(self, report: Report) -> None:
        """Send a report; return once the other side has it.

        Raises:
            SignalError: the other side cannot be reached, refuses it, or does not confirm it in time.
        """

    def show(self, state: LineState) -> None:
        """Show how the station is: the heartbeat.

        Raises:
            SignalError: the other side cannot be reached.
        """

    def close(self) -> None:
        """End, and let go of the wire; also where `start` was never called."""

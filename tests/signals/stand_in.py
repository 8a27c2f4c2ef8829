"""A station as an adapter sees it: it takes triggers at once and reports when it is told to."""

from __future__ import annotations

import queue
import socket
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field

from excision.signals.signal import Report, ReportVerdict, Signal, SignalError


@dataclass
class StandIn:
    """Keeps what an adapter asked of it."""

    triggers: queue.Queue[dict[str, str | int | None]] = field(default_factory=queue.Queue)
    lots: list[str | None] = field(default_factory=list)
    recipes: list[str] = field(default_factory=list)
    acknowledged: int = 0
    number: int = 0
    refuses: bool = False
    known: tuple[str, ...] = ("parts", "casting")

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
        if self.refuses:
            raise SignalError("the station ends")
        self.number += 1
        asked: dict[str, str | int | None] = {
            "number": self.number,
            "origin": origin,
            "serial": serial,
            "lot": lot,
            "recipe": recipe,
        }
        self.triggers.put({**asked, "view": view, "request": request})
        return self.number

    def set_lot(self, lot: str | None) -> None:
        self.lots.append(lot)

    def set_recipe(self, name: str) -> None:
        if name not in self.known:
            raise SignalError(f"there is no model {name}")
        self.recipes.append(name)

    def acknowledge(self) -> None:
        self.acknowledged += 1


def report(trigger: int | None, verdict: ReportVerdict = "good", result: int | None = 7) -> Report:
    """Make a report on a trigger."""
    return Report(
        str(uuid.uuid4()),
        trigger,
        verdict,
        score=0.25,
        threshold=1.5,
        p_value=0.5,
        result=result,
        serial="S-1",
        lot="L-1",
        recipe="parts",
        station="press 3",
        time=time.time(),
        triggered=time.time() - 0.05,
    )


def keep_sending(signal: Signal, report: Report, seconds: float = 60.0) -> None:
    """Send a report again until it has arrived, as the outbox of a station does."""
    ends = time.monotonic() + seconds
    while True:
        try:
            return signal.send(report)
        except SignalError:
            assert time.monotonic() < ends, "it did not arrive"


def wait_for(condition: Callable[[], object], seconds: float = 60.0) -> None:
    """Wait until something is so."""
    ends = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < ends, "it did not come about"
        time.sleep(0.005)


def free_port() -> int:
    """Give a port that nobody listens at."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])

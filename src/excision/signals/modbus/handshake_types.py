"""What the PLC and the station say to each other in the handshake, and its time-outs."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, IntEnum

VERDICTS = {"good": 1, "review": 2, "defect": 3, "unfit": 4, "fault": 5}
"""Verdicts and their codes in a register; 0 stands for none."""


class Phase(Enum):
    """Where the handshake stands."""

    READY = "ready"
    BUSY = "busy"
    RESULT = "result"
    RELEASE = "release"


class Fault(IntEnum):
    """What went wrong last, as the PLC reads it in a register."""

    NONE = 0
    MISSED_TRIGGER = 1
    RESULT_LATE = 2
    NOT_ACKNOWLEDGED = 3
    NOT_RELEASED = 4
    REFUSED = 5
    PLC_SILENT = 6
    STATION = 7
    INTERRUPTED = 8


class Offer(Enum):
    """What became of a report that was offered to the PLC."""

    SHOWN = "shown"
    SETTLED = "settled"
    LATER = "later"


@dataclass(frozen=True)
class Timing:
    """Time-outs in seconds.

    Args:
        result: from the trigger to the station's report.
        acknowledge: from result valid to the PLC's acknowledgement.
        release: from the acknowledgement until the PLC has lowered trigger and acknowledge.
        hold: that a result stays valid at least, where lowering the trigger acknowledges it.
        by_trigger: True where lowering the trigger acknowledges a result, and there is no signal for it.
    """

    result: float = 2.0
    acknowledge: float = 1.0
    release: float = 1.0
    hold: float = 0.1
    by_trigger: bool = False


@dataclass(frozen=True)
class Inputs:
    """What the PLC says."""

    trigger: bool = False
    acknowledge: bool = False
    reset: bool = False


@dataclass(frozen=True)
class Result:
    """What the PLC is to read.

    Args:
        id: of the report, against repeats.
        verdict: one of VERDICTS.
        number: of the stored result; 0 where there is none.
        trigger: number of the trigger; 0 where there is none.
        score: of the image.
        threshold: that it was compared with.
    """

    id: str
    verdict: str
    number: int = 0
    trigger: int = 0
    score: float = 0.0
    threshold: float = 0.0


@dataclass(frozen=True)
class Outputs:
    """What the station says; `result` is None unless result valid is on."""

    ready: bool
    busy: bool
    result: Result | None
    fault: Fault
    missed: int


@dataclass(frozen=True)
class Step:
    """What a step asks of the adapter.

    Args:
        start: True: the station shall inspect; tell the number by `accepted` or call `refused`.
        delivered: id of the report that the PLC acknowledged, if any.
        missed: True: the PLC triggered while the station was not ready.
    """

    start: bool = False
    delivered: str | None = None
    missed: bool = False

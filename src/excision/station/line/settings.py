"""How a station answers the triggers of its line."""

from __future__ import annotations

from dataclasses import dataclass

from excision.system.duration import Duration


@dataclass(frozen=True, slots=True)
class LineSettings:
    """`[signals]`: what holds for every signal.

    Attributes:
        deadline: after a trigger, at which a report goes out in any case: where there is no verdict yet, a
            fault.
        heartbeat: between two times that the signals show how the station is.
    """

    deadline: Duration = 1.0
    heartbeat: Duration = 1.0

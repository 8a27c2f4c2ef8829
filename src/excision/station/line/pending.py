"""A trigger that waits for its report."""

from __future__ import annotations

from dataclasses import dataclass, field

from excision.signals.signal import Trigger
from excision.station.line.verdict import Answer


@dataclass(eq=False)
class Pending:
    """A trigger that was accepted, and what is known of its part so far.

    Attributes:
        trigger: that was accepted.
        deadline: of its report, by `time.monotonic`.
        views: names of the cameras that are asked.
        answers: of those that have answered.
        reported: whether its report is on its way.
        part: number of the part; None where the station puts no parts together.
    """

    trigger: Trigger
    deadline: float
    views: tuple[str, ...]
    answers: dict[str, Answer] = field(default_factory=dict)
    reported: bool = False
    part: int | None = None

    @property
    def is_complete(self) -> bool:
        """Tell whether every view has answered."""
        return self.answers.keys() >= set(self.views)

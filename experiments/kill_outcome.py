"""What a trial with kill -9 has found, as a table and as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field


@dataclass(frozen=True)
class Outcome:
    """The outcome of one trial.

    Attributes:
        what: was killed.
        kills: how many processes were killed while they ran.
        answered: results that a caller or a folder was given, or steps of a training.
        lost: of those, how many are missing after the last restart.
        duplicates: how many are there twice.
        faults: everything else that is wrong, in words; empty if all is well.
        seconds: duration of the trial.
    """

    what: str
    kills: int
    answered: int
    lost: int
    duplicates: int
    seconds: float
    faults: list[str] = field(default_factory=list)

    @property
    def passed(self) -> bool:
        """Whether nothing was lost, doubled or damaged."""
        return not (self.lost or self.duplicates or self.faults)


def report(outcomes: Iterable[Outcome]) -> str:
    """Return the outcomes as a table in Markdown, and as JSON below it."""
    outcomes = list(outcomes)
    lines = ["| killed | kills | answered | lost | duplicates | other faults | minutes |", "| --- " * 7 + "|"]
    for each in outcomes:
        figures = (each.kills, each.answered, each.lost, each.duplicates, len(each.faults))
        lines.append(f"| {each.what} | {' | '.join(map(str, figures))} | {each.seconds / 60:.1f} |")
    return "\n".join([*lines, "", json.dumps([asdict(each) for each in outcomes], indent=2)])

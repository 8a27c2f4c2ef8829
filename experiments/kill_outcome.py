"""What a trial with kill -9 has found, as a table and as JSON."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path


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


def try_line(
    description: str | None,
    trial: Callable[[Path, Path, int, int, str], tuple[Outcome, Mapping[str, int]]],
    counted: str,
) -> int:
    """Run the command line of a trial of a station with cameras, and return its exit status.

    Args:
        description: of the script, for `--help`.
        trial: takes model, images, kills, seed and deadline; returns its outcome, and numbers by verdict.
        counted: what the numbers count.
    """
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("model", type=Path, help="exported model")
    parser.add_argument("images", type=Path, help="folder of images that the cameras give")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    parser.add_argument("--deadline", default="2 s")
    chosen = parser.parse_args()
    outcome, numbers = trial(chosen.model, chosen.images, chosen.kills, chosen.seed, chosen.deadline)
    print(report([outcome]))
    print(f"\n{counted}: {dict(numbers)}")
    return 0 if outcome.passed else 1

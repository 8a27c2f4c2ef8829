"""What a drift monitor says when it warns."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self, get_args

from excision.inspection.drift.bets import Direction
from excision.inspection.drift.stored import need

SCORE = "score"
"""Name of the statistic of the anomaly scores of parts that were not flagged."""


@dataclass(frozen=True, slots=True)
class DriftWarning:
    """The line is not what it was.

    Attributes:
        part: number of the part after which this was noticed, counted from 1.
        statistic: which one moved: "score", or the name of an image statistic.
        direction: "higher", "lower" or "more scattered".
        since: estimated number of the first part after the change.
        since_label: name of that part, or of one shortly before it.
        before: median of the reference; None where most of its parts were flagged.
        now: median of the newest blocks; None where most of their parts are flagged.
        evidence: so many parts without drift pass, on average, before one false warning as strong as this.
        others: other statistics that alone would give a warning.
    """

    part: int
    statistic: str
    direction: Direction
    since: int
    since_label: str
    before: float | None
    now: float | None
    evidence: float
    others: tuple[str, ...] = ()

    @property
    def words(self) -> str:
        """Say in one sentence which statistic moved, in which direction and since when."""
        what = (
            "the anomaly score of parts that were not flagged" if self.statistic == SCORE else self.statistic
        )
        since = f"since about part {self.since}" + (f" ({self.since_label})" if self.since_label else "")
        values = ""
        if self.before is not None:
            now = "most parts are flagged" if self.now is None else f"it is {self.now:.4g} now"
            values = f": its median was {self.before:.4g}, {now}"
        others = f"; also moved: {', '.join(self.others)}" if self.others else ""
        return f"{what} has been {self.direction} {since}{values}{others}"

    def to_dict(self) -> dict[str, Any]:
        """Return all of it, ready for JSON."""
        return {**dataclasses.asdict(self), "others": list(self.others), "words": self.words}

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Self:
        """Read what `to_dict` gave.

        Raises:
            ResultsError: this is something else.
        """
        names = {field.name for field in dataclasses.fields(cls)}
        values = {name: value for name, value in content.items() if name in names}
        need(values.keys() == names and values["direction"] in get_args(Direction), "warning")
        for name in ("part", "since"):
            need(type(values[name]) is int, name)
        for name in ("statistic", "since_label"):
            need(isinstance(values[name], str), name)
        for name in ("before", "now"):
            need(values[name] is None or isinstance(values[name], float), name)
        need(isinstance(values["evidence"], float) and isinstance(values["others"], list), "warning")
        return cls(**{**values, "others": tuple(map(str, values["others"]))})

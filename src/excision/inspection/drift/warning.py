"""What a drift monitor says when it warns."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self, get_args

from excision.inspection.drift.bets import Direction, Lead
from excision.inspection.drift.statistic import Statistic, shown
from excision.inspection.drift.stored import need
from excision.inspection.drift.wording import BEFORE, compared, list_of, measure_of, plain


@dataclass(frozen=True, slots=True)
class DriftWarning:
    """The line is not what it was.

    Attributes:
        part: number of the part after which this was noticed, counted from 1.
        statistic: which one moved: "score", or the name of an image statistic.
        direction: "higher", "lower" or "more scattered".
        since: estimated number of the first part after the change.
        since_label: name of that part, or of one shortly before it.
        before: median of the reference, in `unit`; None where most of its parts were flagged.
        now: median of the newest blocks, in `unit`; None where most of their parts are flagged.
        evidence: so many parts without drift pass, on average, before one false warning as strong as this.
        others: other statistics that alone would give a warning, the strongest first.
        basis: where the reference is from, such as "in training".
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
    basis: str = BEFORE

    @property
    def unit(self) -> str:
        """Unit of the medians; empty for a plain number."""
        return measure_of(self.statistic).unit

    @property
    def compared(self) -> str:
        """Say how the statistic differs from the reference, such as "12 % lower than in training"."""
        return compared(self.statistic, self.now, self.before, self.basis)

    @property
    def words(self) -> str:
        """Say in one sentence which statistic moved, in which direction and since when."""
        what = measure_of(self.statistic).words
        since = f"since about part {self.since}" + (f" ({self.since_label})" if self.since_label else "")
        values = f": its median is {self.compared}" if self.compared else ""
        others = f"; also moved: {list_of([*self.others])}" if self.others else ""
        return f"{what} has been {self.direction} {since}{values}{others}"

    def to_dict(self) -> dict[str, Any]:
        """Return all of it, ready for JSON."""
        more = {"unit": self.unit, "compared": self.compared, "words": self.words}
        return {**dataclasses.asdict(self), "others": list(self.others), **more}

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Self:
        """Read what `to_dict` gave; in earlier versions the medians were not in plain units.

        Raises:
            ResultsError: this is something else.
        """
        names = {field.name for field in dataclasses.fields(cls)}
        values = {name: value for name, value in content.items() if name in names}
        need(names - values.keys() <= {"basis"} and values.get("direction") in get_args(Direction), "warning")
        for name in ("part", "since"):
            need(type(values[name]) is int, name)
        for name in ("statistic", "since_label"):
            need(isinstance(values[name], str), name)
        for name in ("before", "now"):
            need(values[name] is None or isinstance(values[name], float), name)
        need(isinstance(values.get("basis", ""), str), "basis")
        need(isinstance(values["evidence"], float) and isinstance(values["others"], list), "warning")
        if "basis" not in values:
            for name in ("before", "now"):
                values[name] = plain(values["statistic"], values[name])
        return cls(**{**values, "others": tuple(map(str, values["others"]))})


def warning_of(
    statistic: Statistic, lead: Lead, *, part: int, since_label: str, evidence: float, others: tuple[str, ...]
) -> DriftWarning:
    """Word the warning that a statistic moved.

    Args:
        statistic: that moved most.
        lead: the bet on it that has won most.
        part: number of the part after which it was noticed.
        since_label: name of a part at the beginning of the change.
        evidence: of all statistics.
        others: names of the others that moved.
    """
    name = statistic.name
    return DriftWarning(
        part=part,
        statistic=name,
        direction=lead.direction,
        since=lead.since,
        since_label=since_label,
        before=None if statistic.usual is None else plain(name, shown(statistic.usual[1])),
        now=plain(name, statistic.now),
        evidence=evidence,
        others=others,
        basis=statistic.basis,
    )

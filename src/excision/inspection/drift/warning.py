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


LOGARITHMIC = frozenset(
    {
        *("shadows", "brightness", "highlights", "contrast", "local_contrast", "sharpness", "scale"),
        *("fine_sharpness", "fine_scale", "crispness_0", "crispness_1", "noise", "saturation"),
        *("redness", "blueness"),
    }
)
"""Image statistics that are logarithms to the base 2: a difference of them is a ratio."""


# log2 of anything measured in [0, 1] in steps of 16 bits is nearer to 0.
_FARTHEST = 20.0


def _moved(statistic: str, before: float, now: float | None) -> str:
    if now is None:
        return f": its median was {before:.4g}, most parts are flagged"
    # Other predictors may measure what has the same name otherwise.
    if statistic not in LOGARITHMIC or max(abs(before), abs(now)) > _FARTHEST:
        return f": its median was {before:.4g}, it is {now:.4g} now"
    ratio = 2.0 ** (now - before)
    if ratio >= 2 or ratio <= 0.5:
        return f": its median is {ratio:.2g} times what it was"
    return f": its median is {100 * abs(ratio - 1):.2g} % {'higher' if ratio >= 1 else 'lower'} than before"


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
        values = "" if self.before is None else _moved(self.statistic, self.before, self.now)
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

"""The course of every statistic, with as many points as a chart can show."""

from __future__ import annotations

from bisect import bisect
from collections.abc import Mapping
from typing import Any, Self

from excision.inspection.drift.stored import need, need_count, need_counts, need_list, need_object

MOST_POINTS = 240
MOST_STATISTICS = 64
_LONGEST_LABEL = 500


class History:
    """Values of blocks over time; when there are too many points, each two become one.

    Attributes:
        starts: number of the first part of each point.
        labels: name of that part.
        values: by statistic, one for each point; None where there is none.
    """

    def __init__(self) -> None:
        self.starts: list[int] = []
        self.labels: list[str] = []
        self.values: dict[str, list[float | None]] = {}
        self._stride = 1
        self._blocks = 0

    def add(self, start: int, label: str, values: Mapping[str, float | None]) -> None:
        """Add a block; `label` names its first part."""
        if self._blocks % self._stride == 0:
            if len(self.starts) == MOST_POINTS:
                self._thin_out()
            self.starts.append(start)
            self.labels.append(label[:_LONGEST_LABEL])
            for name in values.keys() | self.values.keys():
                column = self.values.setdefault(name, [None] * (len(self.starts) - 1))
                column.append(values.get(name))
        self._blocks += 1

    def label_of(self, part: int) -> str:
        """Return the name of the part at the last point that is not after the given one."""
        place = bisect(self.starts, part) - 1
        return self.labels[place] if place >= 0 else ""

    def _thin_out(self) -> None:
        # Kept is the first of each two: a mean would hide how widely blocks scatter.
        self._stride *= 2
        self.starts, self.labels = self.starts[::2], self.labels[::2]
        self.values = {name: column[::2] for name, column in self.values.items()}

    def state(self) -> dict[str, Any]:
        """Return what `restored` needs, ready for JSON."""
        return {
            "starts": self.starts,
            "labels": self.labels,
            "values": self.values,
            "stride": self._stride,
            "blocks": self._blocks,
        }

    @classmethod
    def restored(cls, state: Mapping[str, Any]) -> Self:
        """Continue where a state was taken.

        Raises:
            ResultsError: this is no such state.
        """
        history = cls()
        history.starts = need_counts(state, "starts", MOST_POINTS)
        history.labels = need_list(state, "labels", MOST_POINTS)
        need(all(isinstance(label, str) for label in history.labels), "labels")
        need(len(history.labels) == len(history.starts), "labels")
        history.values = need_object(state, "values", MOST_STATISTICS)
        for column in history.values.values():
            need(isinstance(column, list) and len(column) == len(history.starts), "values")
            need(all(value is None or isinstance(value, float) for value in column), "values")
        history._stride, history._blocks = need_count(state, "stride"), need_count(state, "blocks")
        need(history._stride >= 1, "stride")
        return history

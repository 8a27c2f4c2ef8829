"""One statistic in blocks of one length: its ranks, the bets on them, and whether blocks are alike."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any, Self

from excision.inspection.drift.bets import Bets, normal_score
from excision.inspection.drift.ranks import ConformalRanks
from excision.inspection.drift.stored import need, need_count, need_list, need_numbers

# The newest pairs of blocks do not count as dependence: what is about to be reported would hide itself.
_WAIT = 12
_ALIKE, _SURELY_ALIKE = 2.5, 3.5
_FEWEST_PAIRS = 20


class Scale:
    """A statistic in blocks of `factor` base blocks.

    Ranks are bet on once `learning` values are known. Blocks that resemble the ones before them, because a
    lot or a strip is longer than a block, would win bets without any drift. So the lag-1 correlation of the
    normal scores is watched: without dependence the sum of the products of neighbours, over the root of their
    number, is about standard normal.

    Args:
        name: of the statistic and the scale, which selects the random numbers.
        factor: base blocks in a block.
        learning: values needed before the first bet.
    """

    def __init__(self, name: str, factor: int, learning: int) -> None:
        self.factor = factor
        self.learning = learning
        self.ranks = ConformalRanks(name)
        self.bets = Bets()
        self._values: list[float] = []
        self._blocks = self._parts = self._start = 0
        self._scores: list[float] = []
        self._pairs = 0
        self._products = 0.0

    @property
    def are_alike(self) -> bool:
        """Whether neighbouring blocks are alike, so that bets on this statistic and scale mean nothing."""
        return self._likeness > _ALIKE

    @property
    def are_surely_alike(self) -> bool:
        """Whether they are so much alike that other statistics of such blocks are not relied on either."""
        return self._likeness > _SURELY_ALIKE

    @property
    def _likeness(self) -> float:
        return self._products / math.sqrt(self._pairs) if self._pairs >= _FEWEST_PAIRS else 0.0

    @property
    def is_learning(self) -> bool:
        """Whether too few values are known to bet."""
        return self.ranks.seen < self.learning

    def add(self, value: float | None, start: int, parts: int) -> None:
        """Add a base block.

        Args:
            value: of the statistic; None where most parts have none.
            start: number of its first part.
            parts: how many it has.
        """
        if not self._blocks:
            self._start = start
        self._blocks += 1
        self._parts += parts
        if value is not None:
            self._values.append(value)
        if self._blocks == self.factor:
            if 2 * len(self._values) >= self.factor:
                self._count(median(self._values))
            self._values, self._blocks, self._parts = [], 0, 0

    def start_anew(self, keep_likeness: bool) -> None:
        """Forget the reference and, unless it is to be kept, whether blocks are alike."""
        self.ranks = ConformalRanks(self.ranks.name, self.ranks.drawn)
        self.bets = Bets()
        self._values, self._blocks, self._parts = [], 0, 0
        while len(self._scores) > 1:
            self._count_pair()
        self._scores = []
        if not keep_likeness:
            self._pairs, self._products = 0, 0.0

    def forget_evidence(self) -> None:
        """Start the bets anew; the reference stays."""
        self.bets = Bets()
        self._values, self._blocks, self._parts = [], 0, 0

    def _count(self, value: float) -> None:
        learning = self.is_learning
        score = normal_score(self.ranks.place(value))
        if not learning:
            self.bets.bet(score, self._start, self._parts)
        self._scores.append(score)
        if len(self._scores) > _WAIT + 1:
            self._count_pair()

    def _count_pair(self) -> None:
        self._products += self._scores[0] * self._scores[1]
        self._pairs += 1
        del self._scores[0]

    def state(self) -> dict[str, Any]:
        """Return what `restored` needs, ready for JSON."""
        return {
            "name": self.ranks.name,
            "learning": self.learning,
            "ranks": self.ranks.state(),
            "bets": self.bets.state(),
            "values": list(self._values),
            "pending": [self._blocks, self._parts, self._start],
            "scores": list(self._scores),
            "pairs": self._pairs,
            "products": self._products,
        }

    @classmethod
    def restored(cls, factor: int, state: Mapping[str, Any]) -> Self:
        """Continue where a state was taken.

        Raises:
            ResultsError: this is no such state.
        """
        name, ranks, bets = (state.get(key) for key in ("name", "ranks", "bets"))
        need(isinstance(name, str) and isinstance(ranks, dict) and isinstance(bets, dict), "scales")
        assert isinstance(name, str) and isinstance(ranks, dict) and isinstance(bets, dict)
        scale = cls(name, factor, need_count(state, "learning"))
        scale.ranks = ConformalRanks.restored(name, ranks)
        scale.bets = Bets.restored(bets)
        scale._values = need_numbers(state, "values", factor)
        pending = need_list(state, "pending", 3)
        need(len(pending) == 3 and all(type(number) is int and number >= 0 for number in pending), "pending")
        scale._blocks, scale._parts, scale._start = pending
        need(len(scale._values) <= scale._blocks < factor or factor == 1, "pending")
        scale._scores = need_numbers(state, "scores", _WAIT + 1)
        scale._pairs = need_count(state, "pairs")
        (scale._products,) = need_numbers({"products": [state.get("products")]}, "products", 1)
        return scale


def evidence(scales: Sequence[Scale], first: int) -> tuple[float, Scale]:
    """Return the average evidence of the scales that can be relied on, in parts, and the strongest of them.

    Args:
        scales: of one statistic, shortest blocks first; those that are not relied on count as 0.
        first: the shortest that can be relied on as far as the other statistics tell; the longest always is.
    """
    alike = (number + 1 for number, scale in enumerate(scales) if scale.are_alike)
    relied = scales[min(max(first, *alike, 0), len(scales) - 1) :]
    return sum(scale.bets.total for scale in relied) / len(scales), max(relied, key=lambda s: s.bets.total)

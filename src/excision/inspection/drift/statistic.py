"""One statistic of the line, in blocks of every length."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any, Self

from excision.inspection.drift.scale import Scale, evidence
from excision.inspection.drift.stored import need, need_list, need_numbers

FACTORS = (1, 4, 16, 64)
"""Lengths of the blocks that are compared, in base blocks."""

MOSTLY_FLAGGED = 1e300
"""The score of a block of which most parts are flagged: above every other."""

_LEARNING_BLOCKS = 16
_FEWEST_ANCHORS = 5
_RECENT = 5
_MARGIN = 0.5


class Statistic:
    """A statistic: what is usual, what was accepted, and the evidence that it moved.

    Args:
        name: of the statistic.
        learning: base blocks to learn from, where there are too few reference values.
        reference: values of the groups of calibration images.

    Attributes:
        usual: 5 %, 50 % and 95 % point of the reference, fixed once it is learnt; None before.
        accepted: range that an operator accepted as normal; None for none.
    """

    def __init__(self, name: str, learning: int, reference: Sequence[float] = ()) -> None:
        self.name = name
        self.usual: tuple[float, float, float] | None = None
        self.accepted: tuple[float, float] | None = None
        self._recent: list[float] = []
        anchored = len(reference) >= _FEWEST_ANCHORS
        self._learning = learning
        self._scales = [
            Scale(f"{name} {factor}", factor, 0 if anchored and factor == 1 else self._needed(factor))
            for factor in FACTORS
        ]
        for value in reference:
            self._scales[0].ranks.place(value)
        if anchored:
            self._fix_usual()

    @property
    def is_learning(self) -> bool:
        """Whether too little is known for a warning."""
        return self._scales[0].is_learning

    @property
    def now(self) -> float | None:
        """Median of the newest blocks; None where most of their parts are flagged, or there is no block."""
        return shown(median(self._recent)) if self._recent else None

    def first_relied(self, surely: bool) -> int:
        """Return the number of the shortest blocks of which neighbours are not (surely) alike."""
        return max(
            (n + 1 for n, s in enumerate(self._scales) if (s.are_surely_alike if surely else s.are_alike)),
            default=0,
        )

    def evidence(self, first: int) -> tuple[float, Scale]:
        """Return the evidence that the statistic moved, and the block length that shows it most.

        Args:
            first: number of the shortest blocks that can be relied on, as far as the others tell.
        """
        return evidence(self._scales, first)

    def notice(self, value: float) -> None:
        """Note the value of the newest base block, without learning from it."""
        self._recent.append(value)
        del self._recent[:-_RECENT]

    def add(self, value: float, start: int, parts: int) -> None:
        """Learn from a base block that begins at a part and has so many parts, and bet on it."""
        # A range that was accepted counts as one value: only what lies beyond it can be drift.
        low, high = self.accepted or (0.0, 0.0)
        beyond = value if self.accepted is None else value - min(max(value, low), high)
        for scale in self._scales:
            scale.add(beyond, start, parts)
        if self.usual is None and not self.is_learning:
            self._fix_usual()

    def skip(self, start: int, parts: int) -> None:
        """Count a base block in which most parts lack the statistic."""
        for scale in self._scales:
            scale.add(None, start, parts)

    def accept(self) -> None:
        """Take for normal what was so and what is so now, half as wide again on each side."""
        known = [*(self.usual or ()), *self._recent, *(self.accepted or ())]
        if not known:
            return
        low, high = min(known), min(max(known), MOSTLY_FLAGGED)
        margin = 0.0 if self.accepted and low >= self.accepted[0] and high <= self.accepted[1] else _MARGIN
        self.accepted = (low - margin * (high - low), high + margin * (high - low))
        self.restart(keep_accepted=True)

    def restart(self, *, keep_accepted: bool = False) -> None:
        """Learn anew what is normal."""
        if not keep_accepted:
            self.accepted = self.usual = None
        for factor, scale in zip(FACTORS, self._scales, strict=True):
            scale.learning = self._needed(factor)
            scale.start_anew(keep_accepted)

    def forget_evidence(self) -> None:
        """Start the bets anew; what is normal stays."""
        for scale in self._scales:
            scale.forget_evidence()

    def _needed(self, factor: int) -> int:
        return max(_LEARNING_BLOCKS, math.ceil(self._learning / factor))

    def _fix_usual(self) -> None:
        ranks = self._scales[0].ranks
        self.usual = (ranks.quantile(0.05), ranks.quantile(0.5), ranks.quantile(0.95))

    def state(self) -> dict[str, Any]:
        """Return what `restored` needs, ready for JSON."""
        return {
            "usual": None if self.usual is None else list(self.usual),
            "accepted": None if self.accepted is None else list(self.accepted),
            "recent": list(self._recent),
            "scales": [scale.state() for scale in self._scales],
        }

    @classmethod
    def restored(cls, name: str, learning: int, state: Mapping[str, Any]) -> Self:
        """Continue where a state was taken.

        Raises:
            ResultsError: this is no such state.
        """
        statistic = cls(name, learning)
        if state.get("usual") is not None:
            usual = need_numbers(state, "usual", 3)
            need(len(usual) == 3, "usual")
            statistic.usual = (usual[0], usual[1], usual[2])
        if state.get("accepted") is not None:
            accepted = need_numbers(state, "accepted", 2)
            need(len(accepted) == 2 and accepted[0] <= accepted[1], "accepted")
            statistic.accepted = (accepted[0], accepted[1])
        statistic._recent = need_numbers(state, "recent", _RECENT)
        scales = need_list(state, "scales", len(FACTORS))
        need(len(scales) == len(FACTORS) and all(isinstance(scale, dict) for scale in scales), name)
        statistic._scales = [Scale.restored(*pair) for pair in zip(FACTORS, scales, strict=True)]
        return statistic


def shown(value: float | None) -> float | None:
    """Return a value as people see it: None for that of a block of which most parts are flagged."""
    return None if value is None or value > MOSTLY_FLAGGED / 4 else value

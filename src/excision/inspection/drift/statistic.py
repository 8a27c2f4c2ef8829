"""One statistic of the line, in blocks of every length."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any, Self

from excision.inspection.drift.scale import Scale, evidence
from excision.inspection.drift.settings import DriftSettings
from excision.inspection.drift.stored import need, need_count, need_list, need_numbers
from excision.inspection.drift.wording import BEFORE, CALIBRATION, SCORE, TRAINING

FACTORS = (1, 4, 16, 64)
"""Lengths of the blocks that are compared, in base blocks."""

MOSTLY_FLAGGED = 1e300
"""The score of a block of which most parts are flagged: above every other."""

FEWEST_GROUPS = 5
"""Groups of calibration images from which on they serve as a reference."""

_LEARNING_BLOCKS = 16
_RECENT = 5
_MARGIN = 0.5


class Statistic:
    """A statistic: what is usual, what was accepted, and the evidence that it moved.

    Args:
        name: of the statistic.
        learning: base blocks to learn from, where there are too few reference values.

    Attributes:
        usual: 5 %, 50 % and 95 % point of the reference, fixed once it is learnt; None before.
        basis: where the reference is from, in words.
        groups: number of groups of calibration images in it.
        accepted: range that counts as one value; None for none.
        is_watched: whether its evidence counts.
    """

    def __init__(self, name: str, learning: int) -> None:
        self.name = name
        self.usual: tuple[float, float, float] | None = None
        self.basis, self.groups = BEFORE, 0
        self.accepted: tuple[float, float] | None = None
        self.is_watched = True
        self._recent: list[float] = []
        self._learning = learning
        self._scales = [Scale(f"{name} {factor}", factor, self._needed(factor)) for factor in FACTORS]

    @classmethod
    def new(cls, name: str, settings: DriftSettings, reference: Sequence[float]) -> Self:
        """Begin with the values of the groups of calibration images.

        With lots, the range of these groups is accepted, and a statistic of which they are not known is not
        watched before somebody accepts a lot.

        Args:
            name: of the statistic.
            settings: of the monitor.
            reference: a value for each group; those that are not finite are left out.
        """
        statistic = cls(name, _learning(settings))
        known = [float(value) for value in reference if math.isfinite(value)]
        is_known = len(known) >= FEWEST_GROUPS
        statistic.is_watched = is_known or not settings.lots
        ranks = statistic._scales[0].ranks
        for value in known:
            ranks.place(value)
        if is_known:
            statistic._scales[0].learning = 0
            statistic.groups = len(known)
            statistic.basis = CALIBRATION if name == SCORE else TRAINING
            statistic._fix_usual()
        if is_known and settings.lots:
            statistic.accepted = _widened(known)
            statistic._scales[0].start_anew(keep_likeness=False)
            for _ in known:
                statistic._scales[0].ranks.place(0.0)
        return statistic

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
        amount, scale = evidence(self._scales, first)
        return (amount if self.is_watched else 0.0), scale

    def count(self, value: float | None, start: int, parts: int, *, learn: bool) -> None:
        """Count a base block.

        Args:
            value: its median; None where most parts lack the statistic.
            start: number of its first part.
            parts: how many it has.
            learn: whether to learn from it and to bet on it, instead of only noting the value.
        """
        if value is not None:
            self._recent.append(value)
            del self._recent[:-_RECENT]
        if learn and value is not None:
            self._add(value, start, parts)
        elif learn:
            for scale in self._scales:
                scale.add(None, start, parts)

    def _add(self, value: float, start: int, parts: int) -> None:
        # A range that was accepted counts as one value: only what lies beyond it can be drift.
        low, high = self.accepted or (0.0, 0.0)
        beyond = value if self.accepted is None else value - min(max(value, low), high)
        for scale in self._scales:
            scale.add(beyond, start, parts)
        if self.usual is None and not self.is_learning:
            self._fix_usual()

    def accept(self) -> None:
        """Take for normal what was so and what is so now, half as wide again on each side."""
        known = [*(self.usual or ()), *self._recent, *(self.accepted or ())]
        if not known:
            return
        low, high = min(known), max(known)
        if not self.accepted or low < self.accepted[0] or high > self.accepted[1]:
            self.accepted = _widened(known)
        self.is_watched = True
        self.restart(keep_accepted=True)

    def restart(self, *, keep_accepted: bool = False) -> None:
        """Learn anew what is normal."""
        if not keep_accepted:
            self.accepted = self.usual = None
            self.basis, self.groups = BEFORE, 0
            self.is_watched = True
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
            "basis": self.basis,
            "groups": self.groups,
            "is_watched": self.is_watched,
            "usual": None if self.usual is None else list(self.usual),
            "accepted": None if self.accepted is None else list(self.accepted),
            "recent": list(self._recent),
            "scales": [scale.state() for scale in self._scales],
        }

    @classmethod
    def restored(cls, name: str, settings: DriftSettings, state: Mapping[str, Any]) -> Self:
        """Continue where a state was taken; earlier versions did not keep the basis.

        Raises:
            ResultsError: this is no such state.
        """
        statistic = cls(name, _learning(settings))
        statistic.basis, statistic.is_watched = state.get("basis", BEFORE), state.get("is_watched", True)
        need(statistic.basis in (TRAINING, CALIBRATION, BEFORE), "basis")
        need(type(statistic.is_watched) is bool, "is_watched")
        statistic.groups = need_count({"groups": 0, **state}, "groups")
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


def _learning(settings: DriftSettings) -> int:
    return math.ceil(settings.learning / settings.block)


def _widened(values: Sequence[float]) -> tuple[float, float]:
    """Return the range of values, half as wide again on each side."""
    low, high = min(values), min(max(values), MOSTLY_FLAGGED)
    return low - _MARGIN * (high - low), high + _MARGIN * (high - low)


def shown(value: float | None) -> float | None:
    """Return a value as people see it: None for that of a block of which most parts are flagged."""
    return None if value is None or value > MOSTLY_FLAGGED / 4 else value

"""A monitor that tells whether the line is still the line."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any, Self

from excision.errors import SettingsError
from excision.inspection.drift.history import MOST_STATISTICS, History
from excision.inspection.drift.statistic import FACTORS, MOSTLY_FLAGGED, Statistic, shown
from excision.inspection.drift.stored import need, need_count, need_numbers, need_object
from excision.inspection.drift.warning import SCORE, DriftWarning

FORMAT = 1

# A block never cuts a group of images, but no group may fill the memory.
_LONGEST = 10


@dataclass(frozen=True, slots=True)
class DriftSettings:
    """How a drift monitor works.

    Attributes:
        block: parts in a block. Parts within a block may resemble each other; blocks should not.
        parts_per_false_warning: parts that pass on average, or more, until a false warning.
        learning: parts from which a statistic is learnt where there are no values of calibration images.
    """

    block: int = 20
    parts_per_false_warning: int = 100_000
    learning: int = 1000

    def __post_init__(self) -> None:
        if not 1 <= self.block <= 10_000:
            raise SettingsError(
                f"the block of the drift monitor is {self.block}: it must be 1 to 10000 parts"
            )
        if self.parts_per_false_warning < 100:
            raise SettingsError("the drift monitor must allow at least 100 parts per false warning")
        if self.learning < 0:
            raise SettingsError("the drift monitor cannot learn from fewer than 0 parts")


class DriftMonitor:
    """Watches the anomaly scores of parts not flagged, and the image statistics of all parts.

    Parts are put into blocks, and the value of a block is the median of its parts, which a few true defects
    hardly move. Flagged parts do not count for the score; a block with more than half of its parts flagged
    counts as one with a score above every other. So the value is a function of the block alone, and that
    flagged parts are missing from it distorts nothing: the blocks before it lack theirs as well. Each block
    gets a conformal rank among all before it, beginning with the calibration images; bets against these
    ranks are summed (see `Bets`) and averaged over statistics and over blocks of 1, 4, 16 and 64 times the
    length.

    The promise: without drift, at least `parts_per_false_warning` parts pass on average until a false
    warning, all statistics together; within any n parts, a false warning has a probability of at most
    n / `parts_per_false_warning`. Without drift means that blocks are exchangeable with each other and with
    the groups of the calibration images. Where neighbouring blocks are found to be alike, longer ones are
    used; the promise then holds for these.

    After a warning nothing is learnt until it is acknowledged, by `accept`, `mended` or `restart`.

    The same parts give the same state and the same warnings, bit for bit, also across `state` and `restored`.
    Memory and state are bounded.

    Args:
        settings: block length and promise.
        reference: by statistic ("score" for the scores), one value for each group of calibration images:
            the median of the group. Only groups that are independent of each other.

    Attributes:
        settings: as given.
        parts: number of parts so far.
        warning: the warning that nobody has acknowledged yet, or None.
        history: the course of every statistic.
    """

    def __init__(
        self, settings: DriftSettings | None = None, reference: Mapping[str, Sequence[float]] | None = None
    ) -> None:
        self.settings = settings or DriftSettings()
        self.parts = 0
        self.warning: DriftWarning | None = None
        self.history = History()
        self._block: dict[str, list[float]] = {}
        self._start, self._label, self._in_block = 1, "", 0
        self._group: str | None = None
        self._statistics: dict[str, Statistic] = {}
        for name, values in (reference or {}).items():
            known = [float(value) for value in values if math.isfinite(value)]
            self._statistics[name] = Statistic(name, self._learning, known)

    def update(
        self,
        score: float | None,
        image_statistics: Mapping[str, float] | None = None,
        *,
        flagged: bool = False,
        label: str = "",
        group: str | None = None,
    ) -> DriftWarning | None:
        """Count a part; at the end of a block this may give a warning, which stays until it is acknowledged.

        Args:
            score: anomaly score; None or not finite where there is none.
            image_statistics: by name; values that are not finite are left out.
            flagged: whether the verdict is anything but "good".
            label: name of the part.
            group: parts in a row with the same group stay in one block, up to 10 times its length.

        Returns:
            The warning, only when it is new.
        """
        found = None
        full = self._in_block >= self.settings.block
        if full and (group != self._group or self._in_block >= _LONGEST * self.settings.block):
            found = self._close_block()
        self.parts += 1
        if not self._in_block:
            self._start, self._label = self.parts, label
        self._in_block += 1
        self._group = group
        if score is not None and math.isfinite(score) and not flagged:
            self._block.setdefault(SCORE, []).append(float(score))
        for name, value in (image_statistics or {}).items():
            if math.isfinite(value) and (name in self._block or len(self._block) < MOST_STATISTICS):
                self._block.setdefault(name, []).append(float(value))
        if group is None and self._in_block >= self.settings.block:
            found = self._close_block() or found
        return found

    def finish(self) -> DriftWarning | None:
        """Count the last block, if it is full, at the end of a sequence with groups."""
        return self._close_block() if self._in_block >= self.settings.block else None

    @property
    def evidence(self) -> float:
        """Evidence of drift, in parts: a warning is given where it reaches `parts_per_false_warning`."""
        first = self._first_relied
        return sum(found.evidence(first)[0] for found in self._statistics.values()) / max(
            1, len(self._statistics)
        )

    def evidence_of(self, name: str) -> float:
        """Evidence that one statistic moved, in parts: what it alone adds to the evidence."""
        return self._statistics[name].evidence(self._first_relied)[0] / len(self._statistics)

    @property
    def statistics(self) -> tuple[Statistic, ...]:
        """The statistics that are watched, the score first."""
        return tuple(sorted(self._statistics.values(), key=lambda found: (found.name != SCORE, found.name)))

    @property
    def block(self) -> int:
        """Length of the shortest blocks, in parts, of which no statistic finds neighbours alike."""
        first = max((found.first_relied(surely=False) for found in self._statistics.values()), default=0)
        return self.settings.block * FACTORS[min(first, len(FACTORS) - 1)]

    @property
    def is_learning(self) -> bool:
        """Whether no statistic is known well enough to be watched."""
        return all(found.is_learning for found in self._statistics.values())

    def accept(self) -> None:
        """Take what was normal and what is so now, and all between, for normal; the warning ends.

        Each statistic gets the range from its usual values to the newest, half as wide again on each side:
        with each lot that is accepted, the monitor learns how lots differ. What lies beyond is learnt anew.
        """
        self.warning = None
        for found in self._statistics.values():
            found.accept()

    def restart(self) -> None:
        """Learn anew what is normal, as after a new set-up of the line; the warning ends."""
        self.warning = None
        for found in self._statistics.values():
            found.restart()

    def mended(self) -> None:
        """Keep what is normal, because the cause of the warning was removed; the warning ends."""
        self.warning = None
        for found in self._statistics.values():
            found.forget_evidence()

    def rebase(self, name: str, reference: Sequence[float]) -> None:
        """Forget one statistic, which is measured otherwise from now on, and give it another reference."""
        known = [float(value) for value in reference if math.isfinite(value)]
        self._statistics[name] = Statistic(name, self._learning, known)

    @property
    def _learning(self) -> int:
        return math.ceil(self.settings.learning / self.settings.block)

    @property
    def _first_relied(self) -> int:
        return max((found.first_relied(surely=True) for found in self._statistics.values()), default=0)

    def _close_block(self) -> DriftWarning | None:
        values = {name: self._value(name) for name in {SCORE, *self._statistics, *self._block}}
        for name, value in sorted(values.items()):
            if name not in self._statistics and value is not None and len(self._statistics) < MOST_STATISTICS:
                self._statistics[name] = Statistic(name, self._learning)
            if name in self._statistics:
                self._count(self._statistics[name], value)
        course = {name: shown(value) for name, value in values.items() if name in self._statistics}
        self.history.add(self._start, self._label, course)
        self._block, self._in_block = {}, 0
        return self._look()

    def _count(self, statistic: Statistic, value: float | None) -> None:
        if value is not None:
            statistic.notice(value)
        if self.warning is not None:
            return
        if value is None:
            statistic.skip(self._start, self._in_block)
        else:
            statistic.add(value, self._start, self._in_block)

    def _value(self, name: str) -> float | None:
        known = self._block.get(name, [])
        if 2 * len(known) >= self._in_block:
            return median(known)
        return MOSTLY_FLAGGED if name == SCORE else None

    def _look(self) -> DriftWarning | None:
        if self.warning is not None or self.evidence < self.settings.parts_per_false_warning:
            return None
        strongest = max(self.statistics, key=lambda found: self.evidence_of(found.name))
        lead = strongest.evidence(self._first_relied)[1].bets.lead()
        alone = self.settings.parts_per_false_warning
        self.warning = DriftWarning(
            part=self.parts,
            statistic=strongest.name,
            direction=lead.direction,
            since=lead.since,
            since_label=self.history.label_of(lead.since),
            before=None if strongest.usual is None else shown(strongest.usual[1]),
            now=strongest.now,
            evidence=self.evidence,
            others=tuple(
                found.name
                for found in self.statistics
                if found is not strongest and self.evidence_of(found.name) >= alone
            ),
        )
        return self.warning

    def state(self) -> dict[str, Any]:
        """Return everything that `restored` needs to continue bit for bit, ready for JSON."""
        return {
            "format": FORMAT,
            "settings": {name: getattr(self.settings, name) for name in DriftSettings.__slots__},
            "parts": self.parts,
            "warning": None if self.warning is None else self.warning.to_dict(),
            "history": self.history.state(),
            "statistics": {name: found.state() for name, found in self._statistics.items()},
            "block": {name: list(values) for name, values in self._block.items()},
            "in_block": self._in_block,
            "start": self._start,
            "label": self._label,
            "group": self._group,
        }

    @classmethod
    def restored(cls, state: Mapping[str, Any]) -> Self:
        """Continue where a state was taken.

        Raises:
            ResultsError: this is no such state, or one of a later version.
        """
        need(state.get("format") == FORMAT, "format")
        told = need_object(state, "settings", len(DriftSettings.__slots__))
        need(
            set(told) == set(DriftSettings.__slots__) and all(type(v) is int for v in told.values()),
            "settings",
        )
        monitor = cls(DriftSettings(**told))
        warning = state.get("warning")
        monitor.parts, monitor._in_block = need_count(state, "parts"), need_count(state, "in_block")
        monitor.warning = (
            None if warning is None else DriftWarning.from_dict(need_object(state, "warning", 20))
        )
        monitor.history = History.restored(need_object(state, "history", 10))
        stored = need_object(state, "statistics", MOST_STATISTICS)
        for name in stored:
            told = need_object(stored, name, 10)
            monitor._statistics[name] = Statistic.restored(name, monitor._learning, told)
        block = need_object(state, "block", MOST_STATISTICS)
        most = _LONGEST * monitor.settings.block
        monitor._block = {name: need_numbers(block, name, most) for name in block}
        monitor._start, label, group = need_count(state, "start"), state.get("label"), state.get("group")
        need(isinstance(label, str) and (group is None or isinstance(group, str)), "label")
        monitor._label, monitor._group = str(label), group
        return monitor

    def to_json(self) -> str:
        """Return the state as text."""
        return json.dumps(self.state(), allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Continue where `to_json` was called.

        Raises:
            ResultsError: this is no such text.
        """
        try:
            state = json.loads(text)
        except (ValueError, RecursionError):
            state = None
        need(isinstance(state, dict), "JSON")
        assert isinstance(state, dict)
        return cls.restored(state)

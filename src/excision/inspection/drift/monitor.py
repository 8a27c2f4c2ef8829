"""A monitor that tells whether the line is still the line."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Self

from excision.inspection.drift.block import Block
from excision.inspection.drift.history import MOST_STATISTICS, History
from excision.inspection.drift.settings import DriftSettings
from excision.inspection.drift.statistic import FACTORS, Statistic, shown
from excision.inspection.drift.stored import need, need_count, need_object
from excision.inspection.drift.warning import DriftWarning, warning_of
from excision.inspection.drift.wording import SCORE

FORMAT = 1


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
    used; the promise then holds for these. Until they are found to be alike, and with lots that are unlike
    all before, it does not hold; see `DriftSettings.lots`.

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
        self._block = Block(self.settings.block)
        self._statistics: dict[str, Statistic] = {}
        for name, values in (reference or {}).items():
            self.rebase(name, values)

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
            group: parts in a row with the same group stay in one block, up to 10 times its length or 1,000
                parts, whichever is more.

        Returns:
            The warning, only when it is new.
        """
        found = self._close_block() if self._block.ends_before(group) else None
        self.parts += 1
        if not self._block.parts:
            self._block.open(self.parts, label)
        self._block.add(score, image_statistics or {}, flagged=flagged, group=group)
        if group is None and self._block.is_full:
            found = self._close_block() or found
        return found

    def finish(self) -> DriftWarning | None:
        """Count the last block, if it is full, at the end of a sequence with groups."""
        return self._close_block() if self._block.is_full else None

    @property
    def evidence(self) -> float:
        """Evidence of drift, in parts: a warning is given where it reaches `parts_per_false_warning`."""
        return sum(self._evidence().values())

    def evidence_of(self, name: str) -> float:
        """Evidence that one statistic moved, in parts: what it alone adds to the evidence."""
        return self._evidence()[name]

    @property
    def statistics(self) -> tuple[Statistic, ...]:
        """The statistics that are watched, the score first."""
        return tuple(sorted(self._statistics.values(), key=lambda found: (found.name != SCORE, found.name)))

    @property
    def block(self) -> int:
        """Length of the shortest blocks, in parts, of which no statistic finds neighbours alike."""
        first = self._first_of(surely=False)
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
        self._statistics[name] = Statistic.new(name, self.settings, reference)

    def _first_of(self, *, surely: bool) -> int:
        watched = (found for found in self._statistics.values() if found.is_watched)
        return max((found.first_relied(surely) for found in watched), default=0)

    def _evidence(self) -> dict[str, float]:
        """Return what each statistic adds to the evidence, the score first."""
        first = self._first_of(surely=True)
        known = self.statistics
        return {found.name: found.evidence(first)[0] / len(known) for found in known}

    def _close_block(self) -> DriftWarning | None:
        block = self._block
        values = {name: block.value(name) for name in {SCORE, *self._statistics, *block.names}}
        for name, value in sorted(values.items()):
            if name not in self._statistics and value is not None and len(self._statistics) < MOST_STATISTICS:
                self.rebase(name, ())
            if name in self._statistics:
                learn = self.warning is None
                self._statistics[name].count(value, block.start, block.parts, learn=learn)
        course = {name: shown(value) for name, value in values.items() if name in self._statistics}
        self.history.add(block.start, block.label, course)
        self._block = Block(self.settings.block)
        return self._look()

    def _look(self) -> DriftWarning | None:
        alone, evidence = self.settings.parts_per_false_warning, self._evidence()
        total = sum(evidence.values())
        if self.warning is not None or total < alone:
            return None
        strongest = max(evidence, key=lambda name: evidence[name])
        statistic = self._statistics[strongest]
        lead = statistic.evidence(self._first_of(surely=True))[1].bets.lead()
        others = sorted((-value, name) for name, value in evidence.items() if value >= alone)
        self.warning = warning_of(
            statistic,
            lead,
            part=self.parts,
            since_label=self.history.label_of(lead.since),
            evidence=total,
            others=tuple(name for _, name in others if name != strongest),
        )
        return self.warning

    def state(self) -> dict[str, Any]:
        """Return everything that `restored` needs to continue bit for bit, ready for JSON."""
        return {
            "format": FORMAT,
            "settings": self.settings.state(),
            "parts": self.parts,
            "warning": None if self.warning is None else self.warning.to_dict(),
            "history": self.history.state(),
            "statistics": {name: found.state() for name, found in self._statistics.items()},
            **self._block.state(),
        }

    @classmethod
    def restored(cls, state: Mapping[str, Any]) -> Self:
        """Continue where a state was taken.

        Raises:
            ResultsError: this is no such state, or one of a later version.
        """
        need(state.get("format") == FORMAT, "format")
        monitor = cls(DriftSettings.restored(need_object(state, "settings", 10)))
        monitor.parts, warning = need_count(state, "parts"), state.get("warning")
        if warning is not None:
            monitor.warning = DriftWarning.from_dict(need_object(state, "warning", 20))
        monitor.history = History.restored(need_object(state, "history", 10))
        stored = need_object(state, "statistics", MOST_STATISTICS)
        for name in stored:
            told = need_object(stored, name, 10)
            monitor._statistics[name] = Statistic.restored(name, monitor.settings, told)
        monitor._block = Block.restored(monitor.settings.block, state)
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

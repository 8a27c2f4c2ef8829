"""Counts the verdicts of an inspection, and collects what its report shows."""

from __future__ import annotations

import heapq
from collections import Counter
from dataclasses import dataclass, field

from excision.inspection.drift.warning import DriftWarning
from excision.inspection.log import InspectionRecord
from excision.inspection.outcome import FAILURES, exit_status
from excision.predictions import Verdict

EXAMPLES: dict[Verdict, int] = {"defect": 16, "unfit": 8, "review": 8, "good": 8}
"""Images shown in the report of each verdict, in this order."""


@dataclass(frozen=True, slots=True)
class InspectionSummary:
    """The numbers of images of each verdict, and of those that could not be inspected.

    Attributes:
        n_good: images with the verdict "good".
        n_defect: images with the verdict "defect".
        n_failed: images that could not be inspected.
        n_review: images with the verdict "review".
        strongest: names of the images with the highest scores of each verdict, a few of each, for the report.
        failures: (image, reason) of the first images that could not be inspected.
        n_unfit: images with the verdict "unfit".
        drift: warning that the images drift, if it was looked for and found.
        drift_words: how they stand, with the order and what it is worth.
    """

    n_good: int
    n_defect: int
    n_failed: int
    n_review: int = 0
    strongest: tuple[str, ...] = field(default=(), compare=False)
    failures: tuple[tuple[str, str], ...] = field(default=(), compare=False)
    drift: DriftWarning | None = field(default=None, compare=False)
    n_unfit: int = field(default=0, kw_only=True)
    drift_words: str = field(default="", compare=False, kw_only=True)

    @property
    def exit_status(self) -> int:
        """As `excision.inspection.outcome.exit_status`."""
        return exit_status(self.counts)

    @property
    def counts(self) -> dict[Verdict | None, int]:
        """Number of images of each verdict; None is that of images that could not be inspected."""
        return {
            "good": self.n_good,
            "review": self.n_review,
            "defect": self.n_defect,
            "unfit": self.n_unfit,
            None: self.n_failed,
        }


@dataclass
class Tally:
    """Counts the verdicts, and collects the images that the report shows."""

    counts: Counter[Verdict] = field(default_factory=Counter)
    n_failed: int = 0
    failures: list[tuple[str, str]] = field(default_factory=list)
    _strongest: dict[Verdict, list[tuple[float, str]]] = field(default_factory=dict)

    def add(self, line: InspectionRecord) -> None:
        """Count a line, and keep it if it is among the strongest of its verdict."""
        if line.score is None or line.verdict is None:
            self.n_failed += 1
            if len(self.failures) < FAILURES:
                self.failures.append((line.image, line.error or ""))
            return
        self.counts[line.verdict] += 1
        strongest = self._strongest.setdefault(line.verdict, [])
        _keep_largest(strongest, (line.score, line.image), EXAMPLES[line.verdict])

    def summary(self) -> InspectionSummary:
        """Return the counts, with the images that have the highest scores of each verdict."""
        kinds = (self._strongest.get(verdict, []) for verdict in EXAMPLES)
        return InspectionSummary(
            n_good=self.counts["good"],
            n_defect=self.counts["defect"],
            n_failed=self.n_failed,
            n_review=self.counts["review"],
            strongest=tuple(image for kind in kinds for _, image in sorted(kind, reverse=True)),
            failures=tuple(self.failures),
            n_unfit=self.counts["unfit"],
        )


def _keep_largest(heap: list[tuple[float, str]], item: tuple[float, str], most: int) -> None:
    heapq.heappush(heap, item)
    if len(heap) > most:
        heapq.heappop(heap)

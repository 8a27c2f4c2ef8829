"""Results in parts, counted in one pass: by verdict, by group and by score, with the first failures."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, get_args

from excision.cluster.parts import PartRow, read_part
from excision.cluster.plan import Plan
from excision.inspection.outcome import FAILURES
from excision.predictions import Verdict
from excision.storage.ahead import THREADS
from excision.storage.folder import Folder

SUMMARY = "summary.json"

_BINS_OF_THRESHOLD = 20
_BINS = 3 * _BINS_OF_THRESHOLD + 1
"""Bins of the histogram of scores: 20 from 0 to the threshold, up to 3 times the threshold, and one above."""

_MOST_GROUPS = 1000
_AT_ONCE = 256  # parts that the pool is given
_OTHERS = "not inspected"

Counts = Counter[Verdict | None]


@dataclass
class Tally:
    """Counts of results.

    Attributes:
        counts: number of images of each verdict; None is that of images that could not be inspected.
        scores: for each verdict the number of images in each bin of score divided by threshold.
        groups: counts of the first groups; those of images without a group are in none.
        ungrouped: number of images whose group is not among these, as there are too many groups.
        failures: (image, reason) of the first images that could not be inspected.
        threshold: of the model; None if no image has a result.
    """

    counts: Counts = field(default_factory=Counter)
    scores: dict[Verdict, list[int]] = field(default_factory=dict)
    groups: dict[str, Counts] = field(default_factory=dict)
    ungrouped: int = 0
    failures: list[tuple[str, str]] = field(default_factory=list)
    threshold: float | None = None

    def add(self, row: PartRow) -> None:
        """Count one result."""
        record = row.record
        self.counts[record.verdict] += 1
        self.threshold = record.threshold
        if row.group is not None:
            self._add_group(row.group, Counter({record.verdict: 1}))
        if record.verdict is None or record.score is None:
            if len(self.failures) < FAILURES:
                self.failures.append((record.image, record.error or ""))
            return
        share = record.score / record.threshold if record.threshold > 0 else float("inf")
        place = min(max(share, 0.0) * _BINS_OF_THRESHOLD, _BINS - 1)
        self.scores.setdefault(record.verdict, [0] * _BINS)[int(place)] += 1

    def _add_group(self, name: str, counts: Counts) -> None:
        if name in self.groups or len(self.groups) < _MOST_GROUPS:
            self.groups.setdefault(name, Counter()).update(counts)
        else:
            self.ungrouped += counts.total()

    def merge(self, other: Tally) -> None:
        """Add the counts of later results."""
        self.counts.update(other.counts)
        for verdict, numbers in other.scores.items():
            mine = self.scores.setdefault(verdict, [0] * _BINS)
            mine[:] = [first + second for first, second in zip(mine, numbers, strict=True)]
        for name, counts in other.groups.items():
            self._add_group(name, counts)
        self.ungrouped += other.ungrouped
        self.failures += other.failures[: FAILURES - len(self.failures)]
        self.threshold = self.threshold if other.threshold is None else other.threshold

    def to_json(self) -> dict[str, Any]:
        """Give the content of `summary.json`."""
        edges = [number / _BINS_OF_THRESHOLD for number in range(_BINS)]
        return {
            "format": 1,
            "images": self.counts.total(),
            "counts": _named(self.counts),
            "threshold": self.threshold,
            "scores": {"lower_edges_by_threshold": edges, "counts": self.scores},
            "groups": {name: _named(counts) for name, counts in self.groups.items()},
            "images_of_further_groups": self.ungrouped,
            "failures": [{"image": image, "reason": reason} for image, reason in self.failures],
        }


def _named(counts: Counts) -> dict[str, int]:
    return {**{verdict: counts[verdict] for verdict in get_args(Verdict)}, _OTHERS: counts[None]}


def count_parts(folder: Folder, plan: Plan, parts: Iterable[int]) -> Tally:
    """Count the results of parts, one part after another.

    Raises:
        ResultsError: a part is missing or damaged.
    """
    whole, left = Tally(), iter(parts)
    with ThreadPoolExecutor(1 if folder.local is not None else THREADS, "counting") as pool:
        # The pool holds a task for each part that it is given.
        while some := list(islice(left, _AT_ONCE)):
            for tally in pool.map(lambda part: _count_part(folder, plan, part), some):
                whole.merge(tally)
    return whole


def _count_part(folder: Folder, plan: Plan, part: int) -> Tally:
    tally = Tally()
    for row in read_part(folder, plan, part):
        tally.add(row)
    return tally


def write_summary(folder: Folder, tally: Tally) -> None:
    """Write `summary.json`."""
    with folder.writing(SUMMARY) as path:
        path.write_text(json.dumps(tally.to_json(), indent=2) + "\n", "utf-8", errors="backslashreplace")

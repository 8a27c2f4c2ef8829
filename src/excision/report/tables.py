"""The small tables of a report, with the sort keys of their columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from excision.evaluation.intervals import rate_interval
from excision.report.numbers import percent
from excision.visualization.histogram import Histogram

_RATES = (0.0, 0.001, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2)

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Cell:
    """A text, and the number to sort it by if it is not a plain number."""

    text: str
    key: float | None = None


@dataclass(frozen=True, slots=True)
class Table:
    """A table whose columns can be sorted.

    Attributes:
        name: letters and hyphens only; unique in a page.
        caption: what it shows.
        head: names of the columns.
        rows: cells; a cell with a key is aligned at the right, like a number.
        note: a sentence below the table.
    """

    name: str
    caption: str
    head: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    note: str = ""


def kinds_table(kinds: Sequence[tuple[str, int, int]]) -> Table:
    """List the kinds of defect, with the number of their images and of those detected."""
    rows = []
    for kind, images, found in kinds:
        low, high = rate_interval(found, images)
        rows.append(
            [
                Cell(kind),
                Cell(f"{images:,}", images),
                Cell(f"{found:,}", found),
                Cell(f"{images - found:,}", images - found),
                Cell(percent(found / images), found / images),
                Cell(f"{percent(low)} to {percent(high)}", low),
            ]
        )
    head = ["Kind", "Images", "Found", "Missed", "Detection rate", "95 % interval"]
    return Table("kinds-table", "Detection by kind of defect", head, rows)


def thresholds_table(good: FloatArray, defect: FloatArray, threshold: float | None) -> Table:
    """List what other thresholds would have given on these images.

    Args:
        good: (N,) scores of good images, at least one.
        defect: (M,) scores of defective images.
        threshold: the threshold in use, if any.
    """
    ascending = np.sort(good)
    chosen = {float(ascending[len(good) - 1 - int(rate * len(good) + 1e-9)]) for rate in _RATES}
    in_use = {threshold} if threshold is not None else set()
    rows = []
    for value in sorted(chosen | in_use):
        alarms, found = int((good > value).sum()), int((defect > value).sum())
        raised = alarms + found
        name = f"{value:.4g}" + (" (in use)" if value == threshold else "")
        rows.append(
            [
                Cell(name, value),
                Cell(f"{alarms:,} of {len(good):,}", alarms),
                Cell(percent(alarms / len(good)), alarms / len(good)),
                Cell(f"{found:,} of {len(defect):,}", found),
                Cell(*_rate(found, len(defect))),
                Cell(*_rate(found, raised)),
            ]
        )
    head = ["Threshold", "False alarms", "False-alarm rate", "Found", "Detection rate", "Precision"]
    note = (
        "The other thresholds are chosen on these test images. They show what is possible and promise "
        "nothing; only calibration gives a promise."
    )
    return Table("thresholds-table", "What other thresholds would give", head, rows, note)


def histogram_table(histogram: Histogram) -> Table:
    """List the numbers behind a histogram."""
    rows = []
    for number, (low, high) in enumerate(zip(histogram.edges[:-1], histogram.edges[1:], strict=True)):
        counts = [int(values[number]) for values in histogram.counts.values()]
        last = number == len(histogram.edges) - 2 and histogram.beyond
        upper = "and more" if last else f"{high:.4g}"
        if any(counts):
            rows.append([Cell(f"{low:.4g}", low), Cell(upper, high), *(Cell(f"{n:,}", n) for n in counts)])
    head = ["Score above", "up to", *histogram.counts]
    return Table("scores-table", "Numbers behind the histogram", head, rows)


def _rate(part: int, whole: int) -> tuple[str, float | None]:
    return (percent(part / whole), part / whole) if whole else ("n/a", None)

"""Histogram of anomaly scores, in which no bar has scores on both sides of the threshold."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from excision.visualization.svg import BOTTOM, LEFT, RIGHT, TOP, Axis, Chart, Scale, marks, share_marks

_BARS = 28
# A single score far above the others would make all other bars invisible.
_FAR = 3.0

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Histogram:
    """Counts of scores in bars of equal width.

    Attributes:
        edges: (N + 1,) ascending; bar i counts the scores above edges[i] up to and including edges[i + 1],
            and the last bar all scores above its lower edge.
        counts: number of images in each bar, (N,), by name.
        beyond: number of scores in the last bar above its upper edge.
    """

    edges: FloatArray
    counts: Mapping[str, NDArray[np.int64]]
    beyond: int


@dataclass(frozen=True, slots=True)
class HistogramWords:
    """What stands in a drawing.

    Attributes:
        title: of the drawing.
        score: name of the horizontal axis.
        images: name of the vertical axis where it counts images.
        description: for people who do not see it; empty for one in English that is made from the figures.
        number: writes a number as it stands in the drawing, from the way it is written in English.
    """

    title: str = "Anomaly scores"
    score: str = "Anomaly score"
    images: str = "Images"
    description: str = ""
    number: Callable[[str], str] = str


_ENGLISH = HistogramWords()


def count_scores(scores: Mapping[str, FloatArray], threshold: float | None) -> Histogram:
    """Count scores by name; the threshold, if there is one, is an edge.

    Args:
        scores: finite anomaly scores by name, (N,) of any length, not all empty.
        threshold: decision threshold, in the same unit.
    """
    everything = np.concatenate(list(scores.values()))
    limit = max(_FAR * float(np.quantile(everything, 0.98)), threshold or 0.0)
    high = min(float(everything.max()), limit) if limit > 0 else float(everything.max())
    anchor = float(everything.min()) if threshold is None else threshold
    low, high = min(0.0, float(everything.min()), anchor), max(high, anchor)
    # Equal scores still need a bar.
    width = (high - low or abs(high) or 1.0) / _BARS
    first = math.ceil((anchor - low) / width - 1e-9)
    # A bar excludes its lower edge, so the lowest score must lie above the first edge, even after rounding.
    first += anchor - width * first >= everything.min()
    last = max(1, math.ceil((high - anchor) / width - 1e-9))
    edges: FloatArray = anchor + width * np.arange(-first, last + 1, dtype=np.float64)
    counts = {name: _count(values, edges) for name, values in scores.items()}
    return Histogram(edges, counts, int((everything > edges[-1]).sum()))


def _count(values: FloatArray, edges: FloatArray) -> NDArray[np.int64]:
    bars = np.searchsorted(edges, values, side="left") - 1
    counts: NDArray[np.int64] = np.bincount(np.clip(bars, 0, len(edges) - 2), minlength=len(edges) - 1)
    return counts


def draw_histogram(
    histogram: Histogram,
    thresholds: Mapping[str, float],
    kinds: Mapping[str, str],
    *,
    shares: bool,
    words: HistogramWords = _ENGLISH,
) -> Chart:
    """Draw a histogram with the thresholds.

    Args:
        histogram: what to draw.
        thresholds: values by their names in the drawing; the first is the decision threshold.
        kinds: class that colours each name in the histogram: "good", "review", "defect" or "unfit".
        shares: draw the share of the images of each name instead of their number.
        words: that stand in the drawing.
    """
    totals = {name: max(1, int(counts.sum())) for name, counts in histogram.counts.items()}
    heights = {n: c / totals[n] if shares else c.astype(float) for n, c in histogram.counts.items()}
    highest = max(float(values.max()) for values in heights.values()) * 1.05
    chart = Chart("scores", words.title, words.description or _describe(histogram, thresholds))
    x = Scale(float(histogram.edges[0]), float(histogram.edges[-1]), LEFT, RIGHT)
    y = Scale(0, highest, BOTTOM, TOP + 14)
    title = "Share of its kind" if shares else words.images
    levels = share_marks(highest) if shares else [m for m in marks(0, highest) if m[0] == int(m[0])]
    scores = [(value, words.number(label)) for value, label in marks(x.low, x.high)]
    chart.axes(Axis(words.score, x, scores), Axis(title, y, levels))
    for name, values in heights.items():
        if totals[name] and values.any():
            points = _outline(histogram.edges, values, x, y)
            kind = kinds[name]
            fill = chart.hatch(kind) if kind == "defect" else None
            chart.filled(points, f"{kind} area edge", fill)
    _legend(chart, histogram, kinds)
    for number, (name, value) in enumerate(thresholds.items()):
        place = x(value)
        chart.line((place, BOTTOM), (place, TOP + 6), "review-threshold" if number else "threshold")
        left = place > (LEFT + RIGHT) / 2
        line = f"{name} {words.number(f'{value:.4g}')}"
        chart.text(
            (place + (-5 if left else 5), TOP + 18 + 16 * number), line, "halo", "end" if left else "start"
        )
    return chart


def _outline(edges: FloatArray, values: FloatArray, x: Scale, y: Scale) -> list[tuple[float, float]]:
    points = [(x(float(edges[0])), y(0))]
    for left, right, value in zip(edges[:-1], edges[1:], values, strict=True):
        points += [(x(float(left)), y(float(value))), (x(float(right)), y(float(value)))]
    return [*points, (x(float(edges[-1])), y(0))]


def _legend(chart: Chart, histogram: Histogram, kinds: Mapping[str, str]) -> None:
    place = float(LEFT)
    for name, counts in histogram.counts.items():
        fill = f"url(#{chart.name}-defect)" if kinds[name] == "defect" and counts.any() else None
        corners = [(place, 12.0), (place + 16, 12.0), (place + 16, 24.0), (place, 24.0)]
        chart.filled(corners, f"{kinds[name]} area edge", fill)
        words = f"{name} ({int(counts.sum())})"
        chart.text((place + 22, 23), words)
        place += 22 + 8 * len(words) + 14


def _describe(histogram: Histogram, thresholds: Mapping[str, float]) -> str:
    groups = ", ".join(f"{int(counts.sum())} {name}" for name, counts in histogram.counts.items())
    lines = "; ".join(f"{name} {value:.4g}" for name, value in thresholds.items())
    beyond = f" {histogram.beyond} larger scores are in the last bar." if histogram.beyond else ""
    return f"Histogram of the scores of {groups} images. {lines or 'No threshold'}.{beyond}"

"""The curves and bar charts of an evaluation, as SVG."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from excision.evaluation.intervals import rate_interval
from excision.method.calibration.words import at_most
from excision.ops.spread import evenly_spread
from excision.visualization.svg import (
    BOTTOM,
    LEFT,
    RIGHT,
    TOP,
    WIDTH,
    Axis,
    Chart,
    Point,
    Scale,
    marks,
    share_marks,
    shorten,
)

# Blue and vermilion of Okabe and Ito (2008), which colour-blind readers can tell apart; hatching and dashes
# distinguish them in a grey print.
GOOD_COLOUR = "#0072B2"
DEFECT_COLOUR = "#D55E00"

# More points than this cannot be distinguished on a screen.
_POINTS = 400
_KINDS = 30

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Curve:
    """Points (N,) of a curve, the area under it, and the point of the threshold, if known."""

    x: FloatArray
    y: FloatArray
    area: float
    working_point: Point | None


def roc_chart(curve: Curve) -> Chart:
    """Draw detection rate over false-alarm rate, with the diagonal of chance."""
    reached = _at_threshold(curve, "false-alarm rate", "detection rate")
    described = f"ROC curve; image AUROC {curve.area:.3f}. {reached}"
    chart = Chart("roc", "ROC curve", described)
    x, y = _unit_plot(chart, "False-alarm rate", "Detection rate")
    chart.line((x(0), y(0)), (x(1), y(1)), "chance")
    chart.text((x(0.62), y(0.55)), "chance", "mark halo")
    points = _thinned(list(zip(curve.x.tolist(), curve.y.tolist(), strict=True)))
    chart.path(((x(a), y(b)) for a, b in points), "good curve")
    _legend(chart, [("good curve", f"image AUROC {curve.area:.3f}")], curve.working_point)
    _mark_point(chart, x, y, curve.working_point)
    return chart


def precision_recall_chart(curve: Curve, prevalence: float) -> Chart:
    """Draw precision over detection rate; chance level is the share of defective images."""
    described = (
        f"Precision-recall curve; image AP {curve.area:.3f}; chance gives {prevalence:.3f}. "
        f"{_at_threshold(curve, 'detection rate', 'precision')}"
    )
    chart = Chart("precision-recall", "Precision-recall curve", described)
    x, y = _unit_plot(chart, "Detection rate (recall)", "Precision")
    chart.line((x(0), y(prevalence)), (x(1), y(prevalence)), "chance")
    chart.text((x(0.02), y(prevalence) + (15 if prevalence > 0.9 else -5)), "chance", "mark halo")
    points = _thinned(list(zip(curve.x.tolist(), curve.y.tolist(), strict=True)))
    chart.path(((x(a), y(b)) for a, b in _steps(points, before=True)), "good curve")
    _legend(chart, [("good curve", f"image AP {curve.area:.3f}")], curve.working_point)
    _mark_point(chart, x, y, curve.working_point)
    return chart


def rates_chart(
    good: FloatArray, defect: FloatArray, threshold: float | None, promised_rate: float | None
) -> Chart:
    """Draw the false-alarm rate and the share of missed defects over the threshold.

    Args:
        good: (N,) scores of good images, at least one.
        defect: (M,) scores of defective images; their curve is left out if there are none.
        threshold: decision threshold; None draws no line.
        promised_rate: promised false-alarm rate of the calibration; None draws no line.
    """
    chart = Chart("rates", "Error rates over the threshold", _describe_rates(good, defect, threshold))
    everything = np.concatenate([good, defect, [threshold] if threshold is not None else []])
    # Just above the highest good score the false-alarm rate becomes 0; beyond it only misses change.
    high = max(float(np.quantile(everything, 0.98)), float(good.max()), threshold or 0.0) * 1.05
    low = min(0.0, float(everything.min()))
    x = Scale(low, high if high > low else low + 1, LEFT, RIGHT)
    y = Scale(0, 1, BOTTOM, TOP)
    chart.axes(Axis("Threshold (anomaly score)", x, marks(x.low, x.high)), Axis("Rate", y, share_marks()))
    entries = [("good curve", "false alarms")]
    if defect.size:
        entries.append(("defect curve dashed", "missed defects"))
        missed = [(a, 1 - b) for a, b in _above(defect, x.low, x.high)]
        chart.path(((x(a), y(b)) for a, b in _steps(missed, before=False)), "defect curve dashed")
    chart.path(((x(a), y(b)) for a, b in _steps(_above(good, x.low, x.high), before=False)), "good curve")
    if promised_rate is not None:
        chart.line((x.start, y(promised_rate)), (x.end, y(promised_rate)), "chance")
        chart.text((x.end, y(promised_rate) - 5), f"promised {at_most(promised_rate)}", "mark halo", "end")
    if threshold is not None:
        left = x(threshold) > (LEFT + RIGHT) / 2
        chart.line((x(threshold), BOTTOM), (x(threshold), TOP), "threshold")
        place = (x(threshold) + (-5 if left else 5), TOP + 14)
        chart.text(place, f"threshold {threshold:.4g}", "halo", "end" if left else "start")
    _legend(chart, entries, None)
    return chart


def kinds_chart(kinds: Sequence[tuple[str, int, int]]) -> Chart:
    """Draw the detection rate of each kind of defect, with its 95 % interval.

    Args:
        kinds: kind, number of images, number detected; at least one kind.
    """
    shown = kinds[:_KINDS]
    more = f" {len(kinds) - len(shown)} more kinds are in the table." if len(kinds) > len(shown) else ""
    told = "; ".join(f"{kind}: {found} of {images}" for kind, images, found in shown)
    chart = Chart("kinds", "Detection by kind of defect", f"Found, {told}.{more}", 62 + 28 * len(shown))
    scale = Scale(0, 1, 140, WIDTH - 92)
    bottom = 14 + 28 * len(shown)
    for value, words in share_marks():
        chart.line((scale(value), 10), (scale(value), bottom), "grid")
        chart.text((scale(value), bottom + 18), words, "mark", "middle")
    chart.text(
        ((scale.start + scale.end) / 2, bottom + 38), "Detection rate, with its 95 % interval", "", "middle"
    )
    for number, (kind, images, found) in enumerate(shown):
        middle = 26 + 28 * number
        low, high = rate_interval(found, images)
        chart.text((scale.start - 10, middle + 4), shorten(kind, 18), "", "end")
        chart.box((scale.start, middle - 8), (scale.end - scale.start, 16), "track")
        chart.box((scale.start, middle - 8), (scale(found / images) - scale.start, 16), "bar")
        for start, end in (
            ((scale(low), middle), (scale(high), middle)),
            ((scale(low), middle - 5), (scale(low), middle + 5)),
            ((scale(high), middle - 5), (scale(high), middle + 5)),
        ):
            chart.line((float(start[0]), float(start[1])), (float(end[0]), float(end[1])), "whisker")
        chart.text((scale.end + 10, middle + 4), f"{found} of {images}", "mark")
    return chart


def _unit_plot(chart: Chart, x_title: str, y_title: str) -> tuple[Scale, Scale]:
    x, y = Scale(0, 1, LEFT, RIGHT), Scale(0, 1, BOTTOM, TOP)
    chart.axes(Axis(x_title, x, share_marks()), Axis(y_title, y, share_marks()))
    return x, y


def _mark_point(chart: Chart, x: Scale, y: Scale, point: Point | None) -> None:
    if point is not None:
        a, b = x(point[0]), y(point[1])
        chart.path([(a, b - 7), (a + 7, b), (a, b + 7), (a - 7, b)], "point", closed=True)


def _legend(chart: Chart, entries: Sequence[tuple[str, str]], point: Point | None) -> None:
    place = float(LEFT)
    for kind, words in entries:
        chart.line((place, 18), (place + 24, 18), kind)
        chart.text((place + 31, 22), words)
        place += 31 + 7.5 * len(words) + 16
    if point is not None:
        chart.path([(place + 7, 11), (place + 14, 18), (place + 7, 25), (place, 18)], "point", closed=True)
        chart.text((place + 21, 22), "at the threshold")


def _at_threshold(curve: Curve, x: str, y: str) -> str:
    if curve.working_point is None:
        return "No point for the threshold."
    a, b = curve.working_point
    return f"At the threshold: {x} {a:.3f}, {y} {b:.3f}."


def _describe_rates(good: FloatArray, defect: FloatArray, threshold: float | None) -> str:
    start = "False-alarm rate and share of missed defects for every threshold."
    if threshold is None:
        return start
    missed = f" and {(defect <= threshold).mean():.3f} of the defects are missed" if defect.size else ""
    alarms = (good > threshold).mean()
    return f"{start} At {threshold:.4g}, {alarms:.3f} of the good images raise an alarm{missed}."


def _above(scores: FloatArray, low: float, high: float) -> list[Point]:
    """Give the share of scores above each score from `low` to `high`, ascending."""
    ascending = np.sort(scores)
    values = np.unique(ascending)
    shares = 1 - np.searchsorted(ascending, values, side="right") / len(ascending)
    points = [p for p in zip(values.tolist(), shares.tolist(), strict=True) if p[0] <= high]
    inside = _thinned([(low, 1.0), *points])
    return [*inside, (high, inside[-1][1])]


def _steps(points: Sequence[Point], *, before: bool) -> list[Point]:
    """Make a staircase of points: the height changes before each horizontal step, or after it."""
    stairs = [points[0]]
    for (x0, y0), (x1, y1) in pairwise(points):
        stairs += [(x0, y1) if before else (x1, y0), (x1, y1)]
    return stairs


def _thinned(points: list[Point]) -> list[Point]:
    """Leave out points on the line between their neighbours, then thin out the others, but keep the ends."""
    kept = [
        point
        for place, point in enumerate(points)
        if place in (0, len(points) - 1) or not _between(points[place - 1], point, points[place + 1])
    ]
    return [kept[place] for place in evenly_spread(len(kept), _POINTS)]


def _between(a: Point, b: Point, c: Point) -> bool:
    return a[0] == b[0] == c[0] or a[1] == b[1] == c[1]

"""Charts of the pages as SVG; everything that colours them is a class, since the pages forbid styles."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime
from functools import partial
from html import escape
from itertools import groupby
from typing import Literal

from excision.method.calibration import Calibration
from excision.station.pages.numbers import figure, written
from excision.station.pages.strings import Words
from excision.station.store.records import StoredResult
from excision.visualization.svg import Scale, marks

_LEFT, _TOP, _BELOW, _AFTER = 56, 14, 38, 12
_SIZES = {"wide": (960, 260), "narrow": (440, 260)}

# How far above the threshold a score may stand, as a multiple of it, before the rest is squeezed.
_FAR = 3.0

# As drawn in a square of 24 by 24 pixels around its middle.
SHAPES = {
    "good": "M0-8.5a8.5 8.5 0 1 0 0 17a8.5 8.5 0 1 0 0-17Z",
    "review": "M0-11L11 0L0 11L-11 0Z",
    "defect": "M0-10L11 9.5H-11Z",
    "unfit": "M-8.5-8.5H8.5V8.5H-8.5Z",
    "failed": "M-9-6.5L-6.5-9L0-2.5L6.5-9L9-6.5L2.5 0L9 6.5L6.5 9L0 2.5L-6.5 9L-9 6.5L-2.5 0Z",
}
"""The shape of each verdict, which stands beside its colour and its word."""


def score_chart(results: Sequence[StoredResult], t: Words, size: Literal["wide", "narrow"] = "wide") -> str:
    """Draw anomaly scores in the order of inspection, with the thresholds that were in force.

    Args:
        results: oldest first; what could not be inspected stands at the foot of the chart, and what lies far
            above the threshold at its top.
        t: words.
        size: for a screen or for a phone.
    """
    scored = [result.score for result in results if result.score is not None]
    if not results:
        return ""
    width, height = _SIZES[size]
    limits = [result.threshold for result in results if math.isfinite(result.threshold)] or [0.0]
    highest = 1.08 * max([*limits, *(min(score, _FAR * max(limits)) for score in scored)])
    lowest = min([0.0, *scored])
    x = Scale(-0.5, len(results) - 0.5, _LEFT, width - _AFTER)
    y = Scale(lowest, highest if highest > lowest else lowest + 1, height - _BELOW, _TOP)
    parts = [*_levels(x, y, t.language), *_times(results, x, y), *_thresholds(results, x, y)]
    parts += [_point(result, x(number), y, t.language) for number, result in enumerate(results)]
    name = f"scores-{size}"
    return (
        f'<svg class="chart {size}" role="img" viewBox="0 0 {width} {height}" '
        f'aria-labelledby="{name}-title {name}-desc">'
        f'<title id="{name}-title">{escape(t("chart.scores"))}</title>'
        f'<desc id="{name}-desc">{escape(_describe(results, t))}</desc>{"".join(parts)}</svg>'
    )


def histogram(calibration: Calibration, thresholds: dict[str, float], t: Words) -> str:
    """Draw the scores of the held-out good images with the thresholds, by the words to write there."""
    import numpy as np

    from excision.visualization.histogram import HistogramWords, count_scores, draw_histogram

    name = t("models.held_out")
    first = next(iter(thresholds.values()))
    counted = count_scores({name: np.array(calibration.scores, dtype=np.float64)}, first)
    lines = "; ".join(f"{line} {figure(value, t.language)}" for line, value in thresholds.items())
    words = HistogramWords(
        t("chart.title"),
        t("chart.axis"),
        t("chart.images"),
        t("chart.histogram", n=len(calibration.scores), lines=lines),
        partial(written, language=t.language),
    )
    return draw_histogram(counted, thresholds, {name: "good"}, shares=False, words=words).inline()


def _levels(x: Scale, y: Scale, language: str) -> list[str]:
    parts = []
    for value, words in marks(y.low, y.high, 5):
        place = y(value)
        parts.append(f'<path class="grid" d="M{_LEFT} {place:.1f}H{x.end}"/>')
        parts.append(_text(_LEFT - 8, place + 5, written(words, language), "mark", "end"))
    return parts


def _times(results: Sequence[StoredResult], x: Scale, y: Scale) -> list[str]:
    places = sorted({round(share * (len(results) - 1)) for share in (0, 0.5, 1)})
    parts = []
    for place in places:
        clock = datetime.fromtimestamp(results[place].time).astimezone().strftime("%H:%M:%S")
        anchor = "start" if place == 0 and len(results) > 1 else "middle"
        anchor = "end" if place == len(results) - 1 and len(results) > 1 else anchor
        parts.append(_text(x(place), y.start + 25, clock, "mark", anchor))
    return parts


def _thresholds(results: Sequence[StoredResult], x: Scale, y: Scale) -> list[str]:
    parts = []
    for kind, values in (
        ("threshold", [result.threshold for result in results]),
        ("review-threshold", [result.review_threshold for result in results]),
    ):
        # A threshold may have changed on the way: one stretch for each value.
        for value, stretch in groupby(range(len(results)), key=values.__getitem__):
            places = list(stretch)
            if value is not None and math.isfinite(value):
                start, end = x(places[0] - 0.5), x(places[-1] + 0.5)
                parts.append(f'<path class="{kind}" d="M{start:.1f} {y(value):.1f}H{end:.1f}"/>')
    return parts


def _point(result: StoredResult, place: float, y: Scale, language: str) -> str:
    verdict = result.verdict or "failed"
    height = y.start if result.score is None else y(result.score)
    said = escape(f"{result.source}: {figure(result.score, language)}")
    return (
        f'<g transform="translate({place:.1f} {height:.1f})"><path class="point {verdict}" '
        f'd="{SHAPES[verdict]}"><title>{said}</title></path></g>'
    )


def _describe(results: Sequence[StoredResult], t: Words) -> str:
    scores = [result.score for result in results if result.score is not None]
    alarms = sum(result.verdict == "defect" for result in results)
    return t(
        "chart.describe",
        count=len(results),
        low=figure(min(scores, default=None), t.language),
        high=figure(max(scores, default=None), t.language),
        threshold=figure(results[-1].threshold, t.language),
        alarms=alarms,
    )


def _text(x: float, y: float, words: str, kind: str, anchor: str) -> str:
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(words)}</text>'

"""The curves of a capability study as SVG: probability of detection over size, by kind."""

from __future__ import annotations

import math
from collections.abc import Sequence

from excision.capability.curve import Bin, Curve
from excision.capability.kinds import HABITS, NAMES
from excision.visualization.svg import BOTTOM, LEFT, RIGHT, TOP, Axis, Chart, Point, Scale, share_marks

_LEVELS = 4
"""Contrasts that are told apart by line style; further ones repeat."""


def pod_chart(curves: Sequence[Curve], rate: float, mm_per_pixel: float | None) -> Chart:
    """Draw the probability of detection of one kind over its size, a curve for each contrast.

    Args:
        curves: of one kind, at least one.
        rate: wanted probability of detection, drawn as a line.
        mm_per_pixel: for an axis in millimetres; None for pixels.
    """
    unit, factor = ("mm", mm_per_pixel) if mm_per_pixel else ("px", 1.0)
    kind = curves[0].kind
    chart = Chart(f"pod-{kind}", NAMES[kind].capitalize(), _described(curves, unit, factor))
    low = min(curve.smallest for curve in curves) * factor
    high = max(curve.largest for curve in curves) * factor
    log = Scale(math.log(low), math.log(max(high, 1.01 * low)), LEFT, RIGHT)
    y = Scale(0, 1, BOTTOM, TOP)
    what = "Length" if HABITS[kind].line else "Diameter"
    ticks = [(math.log(value), f"{value:g}") for value in log_marks(low, high)]
    chart.axes(Axis(f"{what} in {unit}", log, ticks), Axis("Probability of detection", y, share_marks()))
    chart.line((LEFT, y(rate)), (RIGHT, y(rate)), "chance")

    def place(size: float, share: float) -> Point:
        return log(math.log(size * factor)), y(share)

    for level, curve in enumerate(curves):
        name = f"level-{level % _LEVELS}"
        edge = [place(a, b) for a, b in zip(curve.size, curve.upper, strict=True)]
        edge += [place(a, b) for a, b in zip(reversed(curve.size), reversed(curve.lower), strict=True)]
        if curve.fits:
            chart.filled(edge, f"{name} band", None)
    for level, curve in enumerate(curves):
        name = f"level-{level % _LEVELS}"
        if curve.fits:
            chart.path([place(a, b) for a, b in zip(curve.size, curve.pod, strict=True)], f"{name} curve")
        for one in curve.bins:
            _observed(chart, place(math.sqrt(one.low * one.high), one.hits / one.number), name)
    _legend(chart, curves)
    return chart


def _observed(chart: Chart, at: Point, name: str) -> None:
    x, y = at
    points = [
        (x + 3.6 * math.cos(turn * math.pi / 6), y + 3.6 * math.sin(turn * math.pi / 6)) for turn in range(12)
    ]
    chart.path(points, f"{name} dot", closed=True)


def _legend(chart: Chart, curves: Sequence[Curve]) -> None:
    place = float(LEFT)
    chart.text((place, 22), "contrast")
    place += 66
    for level, curve in enumerate(curves):
        words = f"{100 * curve.contrast:.3g} %"
        chart.line((place, 18), (place + 26, 18), f"level-{level % _LEVELS} curve")
        chart.text((place + 32, 22), words)
        place += 32 + 7.5 * len(words) + 14


def _described(curves: Sequence[Curve], unit: str, factor: float) -> str:
    told = [
        f"contrast {100 * curve.contrast:.3g} %: {curve.hits} of {curve.drawings} found, "
        f"a90 {words(curve.a90.value, curve.a90.relation, unit, factor)}, "
        f"a90/95 {words(curve.a90_95.value, curve.a90_95.relation, unit, factor)}"
        for curve in curves
    ]
    return f"Probability of detection over size with its 90 % band. {'; '.join(told)}."


def words(value: float | None, relation: str, unit: str, factor: float) -> str:
    """Give a size with its unit: "12.3 px", "≤ 3 px", "> 120 px" if not reached there, or a dash."""
    if value is None or relation == "?":
        return "\N{EN DASH}"
    size = f"{value * factor:.3g} {unit}"
    return {"=": size, "<=": f"\N{LESS-THAN OR EQUAL TO} {size}", ">": f"> {size}"}[relation]


def log_marks(low: float, high: float) -> list[float]:
    """Give round values between two sizes for a logarithmic axis: 1, 2 and 5 times powers of ten."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    values = [factor * 10.0**power for power in range(first, last + 1) for factor in (1, 2, 5)]
    return [float(f"{value:.6g}") for value in values if low * 0.999 <= value <= high * 1.001]


def interval(one: Bin) -> str:
    """Give the interval of a rate in per cent."""
    return f"{100 * one.lower:.0f} to {100 * one.upper:.0f} %"

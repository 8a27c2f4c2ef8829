"""Control charts and Pareto charts of the page Quality, as SVG."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Literal

from excision.station.pages.numbers import NONE, figure, percent, written
from excision.station.pages.strings import Words
from excision.station.quality.counts import Bar, Group
from excision.station.quality.spc import AverageChart, ProportionChart
from excision.visualization.svg import Scale, marks

Size = Literal["wide", "narrow"]

_SIZES = {"wide": (960, 280), "narrow": (440, 280)}
_LEFT, _TOP, _BELOW, _AFTER = 62, 16, 40, 14
_SHOWN = 12  # bars


def proportion_chart(groups: Sequence[Group], chart: ProportionChart, t: Words, size: Size) -> str:
    """Draw a p-chart: shares of rejects with their centre and limits; points that break a rule are marked."""
    shares = [point.share for point in chart.points if point.share is not None]
    if not shares or chart.centre is None:
        return ""
    x, y = _scales(
        len(groups),
        0.0,
        max(*shares, *(point.upper for point in chart.points if point.share is not None)),
        size,
    )
    parts = [*_levels(x, y, t.language, " %"), *_names(groups, x, y)]
    for edge in ("upper", "lower"):
        places = [
            None if p.share is None else (x(n), y(getattr(p, edge))) for n, p in enumerate(chart.points)
        ]
        parts.append(_steps(places, x, len(groups)))
    parts.append(f'<path class="centre" d="M{x.start:.1f} {y(chart.centre):.1f}H{x.end:.1f}"/>')
    parts.append(
        _course([None if p.share is None else (x(n), y(p.share)) for n, p in enumerate(chart.points)])
    )
    for number, (group, point) in enumerate(zip(groups, chart.points, strict=True)):
        if point.share is not None:
            rules = ", ".join(map(str, point.rules))
            said = f"{group.name}: {group.rejects} / {group.inspected} = {percent(point.share, t.language)}"
            said += f" ({t('quality.rule')} {rules})" if rules else ""
            parts.append(_point(x(number), y(point.share), bool(point.rules), said))
    flagged = sum(bool(point.rules) for point in chart.points)
    centre = written(f"{100 * chart.centre:.3g}", t.language)
    words = t("quality.p_describe", count=len(shares), centre=centre, flagged=flagged)
    return _svg(f"p-{size}", size, t("quality.p_title"), words, parts)


def average_chart(groups: Sequence[Group], chart: AverageChart, t: Words, size: Size) -> str:
    """Draw an EWMA chart of mean scores: the average with its limits, and each mean as a small mark."""
    if chart.centre is None:
        return ""
    values = [point.value for point in chart.points if point.value is not None]
    low = min(*values, *(point.lower for point in chart.points))
    high = max(*values, *(point.upper for point in chart.points))
    x, y = _scales(len(groups), low, high, size)
    parts = [*_levels(x, y, t.language), *_names(groups, x, y)]
    for edge in ("upper", "lower"):
        parts.append(
            _steps([(x(n), y(getattr(p, edge))) for n, p in enumerate(chart.points)], x, len(groups))
        )
    parts.append(f'<path class="centre" d="M{x.start:.1f} {y(chart.centre):.1f}H{x.end:.1f}"/>')
    for number, point in enumerate(chart.points):
        if point.value is not None:
            parts.append(f'<circle class="mean" cx="{x(number):.1f}" cy="{y(point.value):.1f}" r="2.5"/>')
    parts.append(
        _course([None if p.value is None else (x(n), y(p.average)) for n, p in enumerate(chart.points)])
    )
    for number, (group, point) in enumerate(zip(groups, chart.points, strict=True)):
        if point.value is not None:
            average, mean = (figure(value, t.language) for value in (point.average, point.value))
            said = f"{group.name}: {average} ({t('quality.mean')} {mean})"
            parts.append(_point(x(number), y(point.average), point.out, said))
    out = sum(point.out for point in chart.points)
    words = t(
        "quality.ewma_describe", count=len(values), centre=figure(chart.centre, t.language), flagged=out
    )
    return _svg(f"ewma-{size}", size, t("quality.ewma_title"), words, parts)


def pareto_chart(name: str, title: str, bars: Sequence[Bar], t: Words) -> str:
    """Draw bars from the largest to the smallest, with what they make together in per cent."""
    if not bars:
        return ""
    shown, width, row = bars[:_SHOWN], 480, 30
    height = row * len(shown) + 8
    longest = shown[0].count
    parts = []
    for place, bar in enumerate(shown):
        top = 4 + row * place
        words = bar.name or t("quality.no_class")
        words = words if len(words) <= 22 else words[:21] + "…"
        length = max(2.0, 170 * bar.count / longest)
        parts.append(f'<text x="180" y="{top + 19}" text-anchor="end">{escape(words)}</text>')
        parts.append(f'<rect class="bar" x="190" y="{top + 3}" width="{length:.1f}" height="{row - 8}"/>')
        said = f"{bar.count} · {100 * bar.share:.0f} %"
        parts.append(f'<text class="mark" x="{190 + length + 8:.1f}" y="{top + 19}">{said}</text>')
    words = "; ".join(f"{bar.name or t('quality.no_class')}: {bar.count}" for bar in shown)
    head = (
        f'<svg class="chart pareto" role="img" viewBox="0 0 {width} {height}" '
        f'aria-labelledby="{name}-title {name}-desc">'
    )
    return (
        f'{head}<title id="{name}-title">{escape(title)}</title>'
        f'<desc id="{name}-desc">{escape(words)}</desc>{"".join(parts)}</svg>'
    )


def _scales(count: int, low: float, high: float, size: Size) -> tuple[Scale, Scale]:
    width, height = _SIZES[size]
    room = 0.06 * (high - low) or 0.01 * abs(high) or 1.0
    x = Scale(-0.5, max(count, 1) - 0.5, _LEFT, width - _AFTER)
    y = Scale(low if low == 0 else low - room, high + room, height - _BELOW, _TOP)
    return x, y


def _levels(x: Scale, y: Scale, language: str, unit: str = "") -> list[str]:
    parts, factor = [], 100.0 if unit else 1.0
    for value, words in marks(factor * y.low, factor * y.high, 5):
        place = y(value / factor)
        parts.append(f'<path class="grid" d="M{x.start:.1f} {place:.1f}H{x.end:.1f}"/>')
        said = f"{written(words, language)}{unit}"
        parts.append(
            f'<text class="mark" x="{x.start - 8:.1f}" y="{place + 5:.1f}" text-anchor="end">{said}</text>'
        )
    return parts


def _names(groups: Sequence[Group], x: Scale, y: Scale) -> list[str]:
    last, parts = len(groups) - 1, []
    for place in sorted({0, last}):
        anchor = "middle" if last == 0 else "start" if place == 0 else "end"
        words = groups[place].name[:24]
        at = x.start if anchor == "start" else x.end if anchor == "end" else x(place)
        parts.append(_text(at, y.start + 25, words, anchor))
    return parts


def _text(x: float, y: float, words: str, anchor: str) -> str:
    return f'<text class="mark" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(words)}</text>'


def _steps(places: Sequence[tuple[float, float] | None], x: Scale, count: int) -> str:
    """Draw a limit that may differ from point to point."""
    half, path = (x.end - x.start) / count / 2, ""
    for place in places:
        if place is not None:
            path += f"M{place[0] - half:.1f} {place[1]:.1f}H{place[0] + half:.1f}"
    return f'<path class="limit" d="{path}"/>'


def _course(places: Sequence[tuple[float, float] | None]) -> str:
    known = [place for place in places if place is not None]
    path = "L".join(f"{across:.1f} {down:.1f}" for across, down in known)
    return f'<path class="course" d="M{path}"/>' if path else ""


def _point(x: float, y: float, flagged: bool, said: str) -> str:
    # Never by its colour alone: a point that breaks a rule has another shape.
    shape = "M0-10L11 9.5H-11Z" if flagged else "M0-8.5a8.5 8.5 0 1 0 0 17a8.5 8.5 0 1 0 0-17Z"
    kind = "defect" if flagged else "good"
    return (
        f'<g transform="translate({x:.1f} {y:.1f})"><path class="point {kind}" d="{shape}">'
        f"<title>{escape(said or NONE)}</title></path></g>"
    )


def _svg(name: str, size: Size, title: str, words: str, parts: Sequence[str]) -> str:
    width, height = _SIZES[size]
    return (
        f'<svg class="chart {size}" role="img" viewBox="0 0 {width} {height}" '
        f'aria-labelledby="{name}-title {name}-desc"><title id="{name}-title">{escape(title)}</title>'
        f'<desc id="{name}-desc">{escape(words)}</desc>{"".join(parts)}</svg>'
    )

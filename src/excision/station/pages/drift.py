"""Drift on the live page: a banner where a model warns, and the course of every statistic."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import Any, get_args

from fastapi import APIRouter, HTTPException, Request, Response
from fastapi.responses import RedirectResponse

from excision.inspection.drift.wording import SCORE, measure_of
from excision.method.fitness.words import place_of
from excision.station.api.writing import writing_of
from excision.station.drift import Decision
from excision.station.pages.numbers import in_language, written
from excision.station.pages.sentences import translated
from excision.station.pages.strings import Words
from excision.station.pages.web import PageRoute, small_form, station_of, who_of, words_of
from excision.station.station import Station
from excision.visualization.svg import Scale, marks

router = APIRouter(route_class=PageRoute, include_in_schema=False)

_WIDTH, _HEIGHT, _LEFT, _TOP, _BELOW = 320, 126, 48, 8, 106
_FAR = 10.0
_FEWEST_POINTS = 2
_MOST_NAMED, _FEWEST_SHOWN = 5, 8


Course = tuple[str, str, str, bool]


@dataclass(frozen=True, slots=True)
class Panel:
    """How one model stands.

    Attributes:
        model: its name.
        standing: in words.
        promise: in words.
        warning: what the banner says; None without a warning.
        since: number of the result at which the change began, as far as known.
        undo: whether a decision can be undone.
        charts: of each statistic that moved or is easy to understand: its name in words, how it stands, the
            drawing, and whether it moved.
        folded: the same of the others.
    """

    model: str
    standing: str
    promise: str
    warning: str | None
    since: int | None
    undo: bool
    charts: list[Course]
    folded: list[Course]


def panels_of(station: Station, t: Words) -> list[Panel]:
    """Give the standing of every model in use."""
    versions = {name: station.models.current(name).weights_id for name in station.models.names}
    return [_panel(name, station.drift.standing(name, weights), t) for name, weights in versions.items()]


@router.post("/drift/{name}")
async def decide(request: Request, name: str) -> Response:
    """Note what a person decides about a warning."""
    form, t, station = await small_form(request), words_of(request), station_of(request)
    if name not in station.models.names:
        raise HTTPException(404, f"there is no model {name[:64]!r}")
    decision = next((known for known in get_args(Decision) if known == form.get("decision")), None)
    if form.get("confirmed") != "yes" or decision is None:
        raise HTTPException(422, t("threshold.unconfirmed"))
    who, weights = who_of(request, form), station.models.current(name).weights_id
    await writing_of(request).do(station.drift.decide, name, weights, decision, who)
    return RedirectResponse("/#drift", 303)


def _panel(model: str, found: dict[str, Any], t: Words) -> Panel:
    warning = found["warning"]
    moved = set() if warning is None else {warning["statistic"], *warning["others"]}
    known = [s for s in found["statistics"] if sum(v is not None for v in s["values"]) >= _FEWEST_POINTS]
    known.sort(key=lambda s: (s["name"] not in moved, s["name"] != SCORE, place_of(s["name"])))
    charts = [(_name(s["name"], t), _stands(s, t), _draw(s, found, t), s["name"] in moved) for s in known]
    shown = max(_FEWEST_SHOWN, len(moved))
    if warning is not None:
        standing = t("drift.moved")
    elif found["learning"]:
        standing = t("drift.learning", parts=found["parts"])
    else:
        standing = t("drift.none", parts=found["parts"])
    return Panel(
        model=model,
        standing=standing,
        promise=found["promise"],
        warning=_words(warning, t),
        since=_result_of(warning),
        undo=bool(found["undo"]),
        charts=charts[:shown],
        folded=charts[shown:],
    )


def _words(warning: dict[str, Any] | None, t: Words) -> str | None:
    if warning is None:
        return None
    others = [_name(name, t) for name in warning["others"][:_MOST_NAMED]]
    more = len(warning["others"]) - len(others)
    direction = t(f"drift.{warning['direction'].replace(' ', '_')}")
    parts = warning["part"] - warning["since"] + 1
    sentences = [
        t("drift.words", statistic=_name(warning["statistic"], t), direction=direction, parts=parts),
        *(
            [t("drift.compared", compared=translated(warning["compared"], t.language))]
            if warning["compared"]
            else []
        ),
        *([t("drift.others", names=", ".join(others))] if others else []),
        *([t("drift.more", n=more)] if more else []),
    ]
    return " ".join(sentences)


def _result_of(warning: dict[str, Any] | None) -> int | None:
    """Give the number of the result in the label of a part: "#5233 part.png"."""
    number = "" if warning is None else warning["since_label"].partition(" ")[0].removeprefix("#")
    return int(number) if number.isdecimal() else None


def _name(statistic: str, t: Words) -> str:
    known, words = f"drift.statistic.{statistic}", measure_of(statistic).words
    if known in t:
        return t(known)
    words = translated(words, t.language)
    return words[:1].upper() + words[1:]


def _stands(statistic: dict[str, Any], t: Words) -> str:
    if statistic["learning"]:
        return t("drift.being_learnt")
    if statistic["now"] is None or statistic["usual"] is None:
        return ""
    measure = measure_of(statistic["name"])
    low, _, high = statistic["usual"]
    now, low, high = (
        translated(text, t.language)
        for text in (measure.written(statistic["now"]), f"{low:.3g}", measure.written(high))
    )
    sentences = [t("drift.range", now=now, low=low, high=high)]
    # Where a share is compared, both values are told above.
    if measure.is_ratio:
        sentences.append(t("drift.compared", compared=translated(statistic["compared"], t.language)))
    if not statistic["watched"]:
        sentences.append(t("drift.unwatched"))
    return " ".join(sentences)


def _draw(statistic: dict[str, Any], found: dict[str, Any], t: Words) -> str:
    """Draw medians of blocks over parts, with the range of the reference and the time of the change."""
    points = [(p, v) for p, v in zip(statistic["parts"], statistic["values"], strict=True) if v is not None]
    usual, warning = statistic["usual"], found["warning"]
    low, high = min(v for _, v in points), max(v for _, v in points)
    if usual is not None and usual[2] > usual[0]:
        reach = _FAR * (usual[2] - usual[0])
        low, high = max(min(low, usual[0]), usual[0] - reach), min(max(high, usual[2]), usual[2] + reach)
    margin = 0.05 * (high - low) or 0.05 * max(abs(high), 1.0)
    lowest = 0.0 if low >= 0 else low - margin  # none of these is less than nothing
    x = Scale(1, max(found["parts"], 2), _LEFT, _WIDTH)
    y = Scale(max(low - margin, lowest), high + margin, _BELOW, _TOP)
    parts = [_axes(x, y, t.language)]
    if usual is not None:
        height = max(y(usual[0]) - y(usual[2]), 1.0)
        parts.append(
            f'<rect class="usual" x="{_LEFT}" y="{y(usual[2]):.1f}" width="{_WIDTH - _LEFT}" '
            f'height="{height:.1f}"/>'
        )
    course = "L".join(f"{x(part):.1f} {y(value):.1f}" for part, value in points)
    parts.append(f'<path class="course" d="M{course}"/>')
    if warning is not None and statistic["name"] in (warning["statistic"], *warning["others"]):
        parts.append(f'<path class="threshold" d="M{x(warning["since"]):.1f} {_TOP}V{_BELOW}"/>')
    words = t("drift.describe", statistic=_name(statistic["name"], t), points=len(points))
    return (
        f'<svg class="chart drifting" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" '
        f'aria-label="{escape(words)}">{"".join(parts)}</svg>'
    )


def _axes(x: Scale, y: Scale, language: str) -> str:
    """Draw values at the left, in the unit that the caption names, and numbers of parts below."""
    values = "".join(
        f'<text x="{_LEFT - 5}" y="{y(value) + 4:.1f}" text-anchor="end">{written(label, language)}</text>'
        for value, label in marks(y.low, y.high, 3)
    )
    numbers = "".join(
        f'<text x="{place:.0f}" y="{_HEIGHT - 3}" text-anchor="{anchor}">{number}</text>'
        for place, anchor, number in (
            (_LEFT, "start", in_language(f"{x.low:,.0f}", language)),
            (_WIDTH, "end", in_language(f"{x.high:,.0f}", language)),
        )
    )
    return f'<path class="axis" d="M{_LEFT} {_TOP}V{_BELOW}H{_WIDTH}"/>{values}{numbers}'

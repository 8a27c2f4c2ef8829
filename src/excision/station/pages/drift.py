"""Drift on the live page: a banner where a model warns, and the course of every statistic."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import Any, get_args

from fastapi import APIRouter, HTTPException, Request, Response
from fastapi.responses import RedirectResponse

from excision.station.api.writing import writing_of
from excision.station.drift import Decision
from excision.station.pages.strings import Words
from excision.station.pages.web import PageRoute, figure, small_form, station_of, words_of
from excision.station.station import Station
from excision.visualization.svg import Scale

router = APIRouter(route_class=PageRoute, include_in_schema=False)

_WIDTH, _HEIGHT, _TOP, _BELOW = 320, 104, 10, 94
_FAR = 10.0
_FEWEST_POINTS = 2


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
        charts: of each statistic: its name in words, how it stands, the drawing, and whether it moved.
    """

    model: str
    standing: str
    promise: str
    warning: str | None
    since: int | None
    undo: bool
    charts: list[tuple[str, str, str, bool]]


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
    who, weights = form.get("who", "").strip()[:200], station.models.current(name).weights_id
    await writing_of(request).do(station.drift.decide, name, weights, decision, who)
    return RedirectResponse("/#drift", 303)


def _panel(model: str, found: dict[str, Any], t: Words) -> Panel:
    warning = found["warning"]
    moved = set() if warning is None else {warning["statistic"], *warning["others"]}
    charts = [
        (_name(s["name"], t), _stands(s, t), _draw(s, found, t), s["name"] in moved)
        for s in found["statistics"]
        if sum(value is not None for value in s["values"]) >= _FEWEST_POINTS
    ]
    if warning is not None:
        standing = t("drift.moved")
    elif found["learning"]:
        standing = t("drift.learning", parts=found["parts"])
    else:
        standing = t("drift.none", parts=found["parts"])
    many, block = found["parts_per_false_warning"], found["block"]
    promise = t("drift.promise", many=f"{many:,}", within="1,000", chance=f"{1e5 / many:.2g} %", block=block)
    return Panel(
        model, standing, promise, _words(warning, t), _result_of(warning), bool(found["undo"]), charts
    )


def _words(warning: dict[str, Any] | None, t: Words) -> str | None:
    if warning is None:
        return None
    others = ", ".join(_name(name, t) for name in warning["others"])
    return t(
        "drift.words",
        statistic=_name(warning["statistic"], t),
        direction=t(f"drift.{warning['direction'].replace(' ', '_')}"),
        before=figure(warning["before"]),
        now=t("drift.flagged") if warning["now"] is None else figure(warning["now"]),
        parts=warning["part"] - warning["since"] + 1,
    ) + (" " + t("drift.others", names=others) if others else "")


def _result_of(warning: dict[str, Any] | None) -> int | None:
    """Give the number of the result in the label of a part: "#5233 part.png"."""
    number = "" if warning is None else warning["since_label"].partition(" ")[0].removeprefix("#")
    return int(number) if number.isdecimal() else None


def _name(statistic: str, t: Words) -> str:
    known = f"drift.statistic.{statistic}"
    words = statistic.replace("_", " ")
    return t(known) if known in t else words[:1].upper() + words[1:]


def _stands(statistic: dict[str, Any], t: Words) -> str:
    if statistic["learning"]:
        return t("drift.being_learnt")
    if statistic["now"] is None or statistic["usual"] is None:
        return ""
    low, _, high = statistic["usual"]
    return t("drift.range", now=figure(statistic["now"]), low=figure(low), high=figure(high))


def _draw(statistic: dict[str, Any], found: dict[str, Any], t: Words) -> str:
    """Draw medians of blocks over parts, with the range of the reference and the time of the change."""
    points = [(p, v) for p, v in zip(statistic["parts"], statistic["values"], strict=True) if v is not None]
    usual, warning = statistic["usual"], found["warning"]
    low, high = min(v for _, v in points), max(v for _, v in points)
    if usual is not None:
        reach = _FAR * max(usual[2] - usual[0], 1e-9 * abs(usual[1]))
        low, high = max(min(low, usual[0]), usual[0] - reach), min(max(high, usual[2]), usual[2] + reach)
    margin = 0.05 * (high - low) or 0.05 * max(abs(high), 1.0)
    x = Scale(1, max(found["parts"], 2), 0, _WIDTH)
    y = Scale(low - margin, high + margin, _BELOW, _TOP)
    parts = []
    if usual is not None:
        height = max(y(usual[0]) - y(usual[2]), 1.0)
        parts.append(
            f'<rect class="usual" x="0" y="{y(usual[2]):.1f}" width="{_WIDTH}" height="{height:.1f}"/>'
        )
    course = "L".join(f"{x(part):.1f} {y(value):.1f}" for part, value in points)
    parts.append(f'<path class="course" d="M{course}"/>')
    if warning is not None and statistic["name"] in (warning["statistic"], *warning["others"]):
        parts.append(f'<path class="threshold" d="M{x(warning["since"]):.1f} 0V{_HEIGHT}"/>')
    words = t("drift.describe", statistic=_name(statistic["name"], t), points=len(points))
    return (
        f'<svg class="chart drifting" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" '
        f'aria-label="{escape(words)}">{"".join(parts)}</svg>'
    )

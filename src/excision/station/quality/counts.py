"""What was inspected in spans of time and in lots, from the counts that the store keeps by the hour."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from excision.station.quality.shifts import Span
from excision.station.store.counting import Statement

UNJUDGED = ("unfit", "failed")
"""Verdicts of images that no threshold judges."""

MOST_GROUPS = 200
"""Spans or lots in one chart."""


class Counted(Protocol):
    """Where results are counted: the store of a station, or of a hub."""

    def rows(self, statement: str, values: Sequence[Any] = ()) -> Sequence[Any]:
        """Give the rows that a statement asks for, each with its values by name."""


@dataclass(frozen=True, slots=True)
class Group:
    """What was inspected in a span of time, or of a lot.

    Attributes:
        name: of the shift, the day, the hour or the lot.
        start: of the span, or time of the first result; seconds since 1970 in UTC.
        end: of the span, or time of the last result.
        counts: images by verdict, "failed" for none.
        scores: by the weights of the model: how many images were judged, and the sum of their scores.
    """

    name: str
    start: float
    end: float
    counts: dict[str, int] = field(default_factory=dict)
    scores: dict[str, tuple[int, float]] = field(default_factory=dict)

    @property
    def inspected(self) -> int:
        """Give the number of images that a threshold judged."""
        return sum(images for verdict, images in self.counts.items() if verdict not in UNJUDGED)

    @property
    def rejects(self) -> int:
        """Give the number of images that are defects."""
        return self.counts.get("defect", 0)

    def mean(self, weights: str) -> float | None:
        """Give the mean score by a model with these weights; None where it judged nothing."""
        images, total = self.scores.get(weights, (0, 0.0))
        return total / images if images else None


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar of a Pareto chart.

    Attributes:
        name: of the class, the shift or the lot; empty for defects of which nobody said the class.
        count: of defects.
        share: of all, with the bars before it, 0 to 1.
    """

    name: str
    count: int
    share: float


def groups_of_spans(
    store: Counted, spans: Sequence[Span], model: str, view: str = "", station: str = ""
) -> list[Group]:
    """Count the results of a model in spans of time.

    Whole hours come from the counts by the hour, and the rest from the results themselves.

    Args:
        store: of the station, or of a hub.
        spans: in order.
        model: name.
        view: camera or side of the part; empty for all.
        station: name of a station of a hub; empty for all.
    """
    found = []
    for span in spans:
        statement, values = _of_span(span, _scope(model, view, station))
        found.append(_group(span.name, span.start, span.end, store.rows(statement, values)))
    return found


def groups_of_lots(
    store: Counted,
    model: str,
    view: str = "",
    since: float | None = None,
    count: int = MOST_GROUPS,
    station: str = "",
) -> list[Group]:
    """Count the results of a model in the lots that had results last, in the order of their first results.

    Args:
        store: of the station.
        model: name.
        view: camera or side of the part; empty for all.
        since: only lots with a result from this time on.
        count: of lots at most.
        station: name of a station of a hub; empty for all.
    """
    names = _latest_lots(store, _scope(model, view, station), since, count)
    if not names:
        return []
    places = ", ".join("?" * len(names))
    scope, values = _scope(model, view, station)
    rows = store.rows(
        "SELECT lot, verdict, '' AS weights, sum(images) AS images, 0.0 AS scores, min(first) AS first, "
        f"max(last) AS last FROM lots WHERE lot IN ({places}) AND {scope} "
        "GROUP BY lot, verdict",
        [*names, *values],
    )
    by_lot: dict[str, list[Any]] = {}
    for row in rows:
        by_lot.setdefault(row["lot"], []).append(row)
    found = [
        _group(lot, min(row["first"] for row in rows), max(row["last"] for row in rows), rows)
        for lot, rows in by_lot.items()
    ]
    return sorted(found, key=lambda group: group.start)


def defects_by_class(
    store: Counted,
    model: str,
    view: str = "",
    lot: str = "",
    since: float | None = None,
    until: float | None = None,
    station: str = "",
) -> dict[str, int]:
    """Count the defects that people labelled with a class, by the class."""
    conditions, values = ["defect_class IS NOT NULL", "model = ?"], list[Any]([model])
    for condition, value in (
        ("coalesce(view, '') = ?", view),
        ("lot = ?", lot),
        ("time >= ?", since),
        ("time < ?", until),
        ("station = ?", station),
    ):
        if value not in (None, ""):
            conditions.append(condition)
            values.append(value)
    where = " AND ".join(conditions)
    rows = store.rows(
        f"SELECT defect_class, count(*) AS images FROM results INDEXED BY results_by_defect_class "
        f"WHERE {where} GROUP BY 1",
        values,
    )
    return {row["defect_class"]: row["images"] for row in rows}


def pareto(counts: dict[str, int]) -> list[Bar]:
    """Give bars from the largest to the smallest, with the share of all that they make together."""
    total, so_far, bars = sum(counts.values()), 0, []
    for name, count in sorted(counts.items(), key=lambda item: (-item[1], item[0] == "", item[0])):
        if count:
            so_far += count
            bars.append(Bar(name, count, so_far / total))
    return bars


def _group(name: str, start: float, end: float, rows: Sequence[Any]) -> Group:
    group = Group(name, start, end)
    for row in rows:
        # A sum is a decimal number in PostgreSQL.
        verdict, images = row["verdict"], int(row["images"])
        if not images:
            continue
        group.counts[verdict] = group.counts.get(verdict, 0) + images
        if verdict not in UNJUDGED:
            known, total = group.scores.get(row["weights"], (0, 0.0))
            group.scores[row["weights"]] = (known + images, total + float(row["scores"]))
    return group


def _scope(model: str, view: str, station: str) -> Statement:
    """Give the condition on counts, with its values; the tables of a station have no column for its name."""
    others = {"view = ?": view, "station = ?": station}
    asked = {"model = ?": model, **{condition: value for condition, value in others.items() if value}}
    return " AND ".join(asked), list(asked.values())


def _of_span(span: Span, scope: Statement) -> Statement:
    condition, known = scope
    of_results = condition.replace("view", "coalesce(view, '')")
    first, last = math.ceil(span.start / 3600), math.floor(span.end / 3600)
    edges = [(span.start, span.end)]
    parts, values = list[str](), list[Any]()
    if first < last:
        parts.append(
            f"SELECT verdict, weights, images, scores FROM tally WHERE hour >= ? AND hour < ? AND {condition}"
        )
        values += [first, last, *known]
        edges = [(span.start, 3600.0 * first), (3600.0 * last, span.end)]
    for since, until in edges:
        if since < until:
            parts.append(
                "SELECT coalesce(verdict, 'failed') AS verdict, "
                "substr(model_version, 1, instr(model_version || '.', '.') - 1) AS weights, 1 AS images, "
                "coalesce(CASE WHEN abs(score) < 1e15 THEN score END, 0.0) AS scores "
                "FROM results INDEXED BY results_by_time "
                f"WHERE time >= ? AND time < ? AND {of_results}"
            )
            values += [since, until, *known]
    together = " UNION ALL ".join(parts)
    return (
        "SELECT verdict, weights, sum(images) AS images, sum(scores) AS scores "
        f"FROM ({together}) AS parts GROUP BY 1, 2",
        values,
    )


def _latest_lots(store: Counted, scope: Statement, since: float | None, count: int) -> list[str]:
    """Give the names of lots, those with the latest results first; each page of the index is read once."""
    condition, values = scope
    names: dict[str, None] = {}
    place: tuple[float, str] = (1e300, "")
    while len(names) < count:
        rows = store.rows(
            f"SELECT last, lot, images > 0 AND {condition} AS meant FROM lots INDEXED BY lots_by_last "
            "WHERE last <= ? AND (last, lot) < (?, ?) AND last >= ? ORDER BY last DESC, lot DESC LIMIT 500",
            [*values, place[0], *place, -1e300 if since is None else since],
        )
        names |= dict.fromkeys(row["lot"] for row in rows if row["meant"])
        if len(rows) < 500:
            break
        place = rows[-1]["last"], rows[-1]["lot"]
    return list(names)[:count]

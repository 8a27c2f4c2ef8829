"""How results are counted and found among a million: from counts by the hour, and from one wide index."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

from excision.station.store.query import VERDICTS, Query

_FILTER = "results INDEXED BY results_filter"

_OF_FEW = ("serial", "part", "lot", "defect_class")
"""What only some results have: each has an index of its own, from the fewest results to the most."""

Statement = tuple[str, list[Any]]
"""SQL and its values."""

_FAR = 2**40  # hours


def source_of(query: Query) -> str:
    """Give the table, read from the index that answers a query with the fewest rows.

    The one for any query holds every column that most results have, in the order of their numbers.
    """
    return next(
        (f"results INDEXED BY results_by_{name}" for name in _OF_FEW if getattr(query, name) is not None),
        _FILTER,
    )


def tally(query: Query) -> Statement:
    """Count results by verdict ("failed" for none) and by what a person said last ("" for nobody).

    Rows of (verdict, truth, images). A query that the counts by the hour can answer reads these, and the
    results of the hours that it cuts; any other reads the index.
    """
    if not is_tallied(query):
        return _grouped(source_of(query), query)
    first, last = _hours(query)
    if first >= last:
        return _of_times(query, query.since, query.until)
    parts = [_of_hours(query, first, last)]
    if query.since is not None:
        parts.append(_of_times(query, query.since, 3600.0 * first))
    if query.until is not None:
        parts.append(_of_times(query, 3600.0 * last, query.until))
    together = " UNION ALL ".join(statement for statement, _ in parts)
    values = [value for _, values in parts for value in values]
    return f"SELECT verdict, truth, sum(images) FROM ({together}) AS parts GROUP BY 1, 2", values


def numbers(query: Query, newest: bool, beyond: int | None, count: int) -> Statement:
    """Find the numbers of results.

    Args:
        query: which.
        newest: True for the newest first, False for the oldest first.
        beyond: only numbers below this one, or above it for the oldest first; None for any.
        count: how many at most.
    """
    condition, values = query.where()
    if beyond is not None:
        condition += f" AND id {'<' if newest else '>'} ?"
        values.append(beyond)
    order = "DESC" if newest else "ASC"
    source = "results" if query == Query() else source_of(query)
    return f"SELECT id FROM {source} WHERE {condition} ORDER BY id {order} LIMIT ?", [*values, count]


def above(query: Query, levels: list[float]) -> Statement:
    """Count scores above levels: rows of (truth or None, images, images above each level).

    Images that were unfit are left out: no threshold judges them.
    """
    condition, values = query.where()
    sums = "".join(", count(*) FILTER (WHERE score > ?)" for _ in levels)
    statement = (
        f"SELECT truth, count(*){sums} FROM {source_of(query)} "
        f"WHERE score IS NOT NULL AND verdict != 'unfit' AND {condition} GROUP BY 1"
    )
    return statement, [*levels, *values]


def is_tallied(query: Query) -> bool:
    """Tell whether the counts by the hour answer a query."""
    others = ("lowest", "highest", "source", "recipe", *_OF_FEW)
    return all(getattr(query, name) is None for name in others)


def verdicts(query: Query) -> Statement:
    """Count results by verdict in one look at the index: one row in the order of `VERDICTS`."""
    condition, values = query.where()
    meant = [f"verdict = '{verdict}'" if verdict != "failed" else "verdict IS NULL" for verdict in VERDICTS]
    sums = ", ".join(f"count(*) FILTER (WHERE {each})" for each in meant)
    statement = f"SELECT {sums} FROM {source_of(query)} WHERE {condition}"
    return statement, values


def _hours(query: Query) -> tuple[int, int]:
    """Give the whole hours of a query, from the first to before the last."""
    first = -_FAR if query.since is None else math.ceil(max(query.since, -3600.0 * _FAR) / 3600)
    last = _FAR if query.until is None else math.floor(min(query.until, 3600.0 * _FAR) / 3600)
    if query.since is not None and 3600.0 * first < query.since:
        first += 1
    if query.until is not None and 3600.0 * last > query.until:
        last -= 1
    return first, last


def _of_hours(query: Query, first: int, last: int) -> Statement:
    conditions, values = ["hour >= ?", "hour < ?"], list[Any]((first, last))
    for condition, value in _tallied(query):
        if value is not None:
            conditions.append(condition)
            values.append(value)
    if query.verdict is not None:
        conditions.append("verdict = ?")
        values.append(query.verdict)
    if query.labelled is not None:
        conditions.append("truth != ''" if query.labelled else "truth = ''")
    where = " AND ".join(conditions)
    return f"SELECT verdict, truth, sum(images) AS images FROM tally WHERE {where} GROUP BY 1, 2", values


def _tallied(query: Query) -> tuple[tuple[str, str | None], ...]:
    return ("model = ?", query.model), ("station = ?", query.station), ("view = ?", query.view)


def _of_times(query: Query, since: float | None, until: float | None) -> Statement:
    return _grouped("results INDEXED BY results_by_time", replace(query, since=since, until=until))


def _grouped(source: str, query: Query) -> Statement:
    condition, values = query.where()
    return (
        "SELECT coalesce(verdict, 'failed') AS verdict, coalesce(truth, '') AS truth, count(*) AS images "
        f"FROM {source} WHERE {condition} GROUP BY 1, 2",
        values,
    )

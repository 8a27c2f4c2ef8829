"""Counts of spans and lots are those of a plain look at every row."""

from __future__ import annotations

import datetime
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from excision.station.quality.counts import (
    Bar,
    defects_by_class,
    groups_of_lots,
    groups_of_spans,
    pareto,
)
from excision.station.quality.shifts import Span
from excision.station.store.records import Label
from excision.station.store.store import Store
from tests.station.test_store import FAILED, GOOD

TIMES = st.integers(0, 40).map(lambda quarter: 900.0 * quarter) | st.floats(0, 36_000)
ROWS = st.tuples(
    TIMES,
    st.sampled_from(["a", "b"]),
    st.sampled_from(["1", "1.thr", "2"]),
    st.sampled_from([None, "top"]),
    st.sampled_from(["good", "review", "defect", "unfit", None]),
    st.sampled_from([None, "L1", "L2"]),
    st.floats(0, 9) | st.just(float("inf")),
    st.sampled_from([None, "scratch", ""]),
)
DAY = datetime.date(2026, 1, 1)


def filled(store: Store, rows: list[tuple[Any, ...]]) -> None:
    for place, (time, model, version, view, verdict, lot, score, said) in enumerate(rows):
        blank = FAILED if verdict is None else replace(GOOD, verdict=verdict, score=score)
        unfit = ("dark",) if verdict == "unfit" else ()
        known = {
            "time": time,
            "model": model,
            "model_version": version,
            "view": view,
            "lot": lot,
            "unfit": unfit,
        }
        (number,) = store.add([replace(blank, source=f"{place}.png", **known)])
        if said is not None and number is not None:
            store.label(number, Label("defect", "Ada", "", 1.0, said or None))


@settings(max_examples=40)
@given(st.lists(ROWS, max_size=14), st.lists(TIMES, min_size=2, max_size=5), st.sampled_from(["", "top"]))
def test_counts_are_those_of_a_plain_look(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[Any, ...]], edges: list[float], view: str
) -> None:
    store = Store(tmp_path_factory.mktemp("store") / "results.sqlite")
    filled(store, rows)
    mine = [row for row in rows if row[1] == "a" and view in ("", row[3] or "")]
    spans = [Span("", a, b, DAY) for a, b in zip(sorted(edges)[:-1], sorted(edges)[1:], strict=True) if a < b]
    for span, group in zip(spans, groups_of_spans(store, spans, "a", view), strict=True):
        inside = [row for row in mine if span.start <= row[0] < span.end]
        assert group.counts == Counter(row[4] or "failed" for row in inside)
        judged = [row for row in inside if row[4] in ("good", "review", "defect")]
        assert (group.inspected, group.rejects) == (len(judged), sum(row[4] == "defect" for row in judged))
        for weights in ("1", "2"):
            scores = [row[6] if row[6] < 1e15 else 0.0 for row in judged if row[2][0] == weights]
            mean = group.mean(weights)
            assert mean == (pytest.approx(sum(scores) / len(scores)) if scores else None)
    by_lot = {group.name: group.counts for group in groups_of_lots(store, "a", view)}
    lots = {row[5] for row in mine if row[5]}
    assert by_lot == {lot: Counter(row[4] or "failed" for row in mine if row[5] == lot) for lot in lots}
    said = Counter(row[7] for row in mine if row[7] and 900 <= row[0] < 20_000)
    assert defects_by_class(store, "a", view, "", 900, 20_000) == said
    store.close()


def test_the_latest_lots_come_in_the_order_of_their_beginning(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    store = Store(tmp_path_factory.mktemp("store") / "results.sqlite")
    store.add(
        [
            replace(GOOD, source=f"{place}.png", time=float(place), lot=f"L{place // 3}", verdict="good")
            for place in range(2400)
        ]
    )
    found = groups_of_lots(store, "parts", count=50)
    assert [group.name for group in found] == [f"L{place}" for place in range(750, 800)]
    assert {group.inspected for group in found} == {3}
    assert [group.name for group in groups_of_lots(store, "parts", since=2397.0)] == ["L799"]
    store.close()


def test_pareto_goes_from_the_largest_to_the_smallest() -> None:
    bars = pareto({"a": 1, "b": 6, "": 3, "none": 0})
    assert bars == [Bar("b", 6, 0.6), Bar("", 3, 0.9), Bar("a", 1, 1.0)]
    assert pareto({}) == pareto({"a": 0}) == []

from __future__ import annotations

import sqlite3
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from excision.errors import ResultsError
from excision.station.store.query import Query
from excision.station.store.records import Label, StoredResult
from excision.station.store.store import Store

GOOD = StoredResult(
    time=100.0,
    source="in/a.png",
    model="parts",
    model_version="1",
    threshold=1.0,
    score=0.5,
    verdict="good",
    defect_area_share=0.0,
    boxes=((1, 2, 3, 4), (5, 6, 7, 8)),
    seconds={"decode": 0.01, "model": 0.02},
    width=20,
    height=10,
    file_size=7,
    file_mtime_ns=8,
)
FAILED = replace(GOOD, source="in/b.png", score=None, verdict=None, error="in/b.png: truncated", boxes=())


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "station" / "results.sqlite")


def test_what_was_added_comes_back(store: Store) -> None:
    numbers = store.add([GOOD, FAILED])
    assert numbers == [1, 2]
    assert store.get(1) == replace(GOOD, id=1)
    assert Store(store.path).get(2) == replace(FAILED, id=2)
    assert store.get(3) is None


def test_an_unfit_result_says_why(store: Store) -> None:
    reasons = ("3 times darker than any training image", "out of focus")
    unfit = replace(GOOD, verdict="unfit", unfit=reasons, p_value=1 / 81, score=5.0)
    store.add([unfit, replace(GOOD, source="in/c.png", p_value=0.25)])
    assert store.get(1) == replace(unfit, id=1)
    assert [found.id for found in store.walk(Query(verdict="unfit"))] == [1]
    assert store.count(Query()) == {"good": 1, "review": 0, "defect": 0, "unfit": 1, "failed": 0}
    # No threshold judges it, so it is in no forecast.
    assert store.above(Query(), [1.0]) == {None: [1, 0]}
    with pytest.raises(sqlite3.IntegrityError):
        store.add([replace(unfit, source="in/d.png", unfit=())])


def test_a_file_is_kept_once_until_it_changes(store: Store) -> None:
    assert store.add([GOOD, GOOD]) == [1, None]
    assert store.has_file("in/a.png", 7, 8)
    assert not store.has_file("in/a.png", 7, 9)
    (again,) = store.add([replace(GOOD, file_mtime_ns=9)])
    assert again is not None


def test_uploads_of_one_name_are_all_kept(store: Store) -> None:
    upload = replace(GOOD, file_size=None, file_mtime_ns=None)
    assert store.add([upload, upload]) == [1, 2]


def test_a_name_that_is_no_text_is_kept(store: Store) -> None:
    odd = "in/\udcff.png"
    store.add([replace(GOOD, source=odd)])
    assert store.has_file(odd, 7, 8)
    assert store.get(1).source == "in/\\xff.png"  # type: ignore[union-attr]  # it was just added


scores = st.lists(st.floats(0, 10), min_size=1, max_size=30)


@settings(max_examples=40)
@given(scores, st.floats(0, 10), st.floats(0, 10))
def test_queries_agree_with_a_filter_in_python(
    tmp_path_factory: pytest.TempPathFactory, values: list[float], low: float, high: float
) -> None:
    store = Store(tmp_path_factory.mktemp("store") / "results.sqlite")
    results = [
        replace(
            GOOD,
            time=float(place),
            file_size=place,
            score=score,
            verdict="defect" if score > 1 else "good",
            source=f"in/{place}.png",
        )
        for place, score in enumerate(values)
    ]
    store.add(results)
    query = Query(since=low, until=high, lowest=low / 2, verdict="defect")
    expected = [r.source for r in results if low <= r.time < high and r.score >= low / 2 and r.score > 1]  # type: ignore[operator]  # every score is set
    assert [r.source for r in store.walk(query)] == expected
    assert [r.source for r in store.newest(query, 100)] == expected[::-1]
    assert store.count(query) == {"good": 0, "review": 0, "defect": len(expected), "unfit": 0, "failed": 0}
    store.close()


def test_pages_go_on_where_the_last_one_ended(store: Store) -> None:
    store.add([replace(GOOD, file_size=size) for size in range(10)])
    first = store.newest(Query(), 4)
    second = store.newest(Query(), 4, before=first[-1].id)
    assert [result.id for result in first + second] == [10, 9, 8, 7, 6, 5, 4, 3]


def test_the_last_mark_counts_and_the_first_stays(store: Store) -> None:
    store.add([GOOD, FAILED])
    store.label(1, Label("defect", "Ada", "scratch", 1.0))
    store.label(1, Label("good", "Bo", "only dust", 2.0))
    assert [label.who for label in store.labels(1)] == ["Ada", "Bo"]
    assert list(map(tuple, store.labelled_scores(Query()))) == [(0.5, "good")]
    assert [result.id for result in store.newest(Query(labelled=True), 9)] == [1]
    assert [result.id for result in store.newest(Query(labelled=False), 9)] == [2]
    with pytest.raises(ResultsError, match="no result 9"):
        store.label(9, Label("good", "Bo", "", 3.0))


def test_history_is_newest_first(store: Store) -> None:
    store.note("parts", "threshold", {"from": 1.0, "to": 2.0}, who="Ada")
    store.note("parts", "loaded", {"version": "2"})
    store.note("others", "loaded", {})
    assert [event["what"] for event in store.history("parts")] == ["loaded", "threshold"]
    assert store.history("parts")[1]["details"] == {"from": 1.0, "to": 2.0}


def test_threads_write_beside_each_other(store: Store) -> None:
    def write(thread: int) -> None:
        for place in range(20):
            store.add([replace(GOOD, source=f"{thread}/{place}")])

    threads = [threading.Thread(target=write, args=(thread,)) for thread in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({result.source for result in store.walk(Query())}) == 160


def test_a_verdict_or_an_error_and_never_both(store: Store) -> None:
    with pytest.raises(sqlite3.IntegrityError):
        store.add([GOOD, replace(FAILED, error=None)])
    assert store.count(Query()) == {"good": 0, "review": 0, "defect": 0, "unfit": 0, "failed": 0}


def test_another_file_and_a_later_version_are_refused(tmp_path: Path) -> None:
    (tmp_path / "no.sqlite").write_text("no results at all, but long enough to be looked at " * 20)
    with pytest.raises(ResultsError, match=r"no\.sqlite: this is no file of results"):
        Store(tmp_path / "no.sqlite")
    with sqlite3.connect(tmp_path / "later.sqlite") as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(ResultsError, match=r"later\.sqlite: written by a later version"):
        Store(tmp_path / "later.sqlite")

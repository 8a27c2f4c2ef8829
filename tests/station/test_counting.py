"""Counts kept by the hour, and counts from the index, are those of a plain look at every row."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from excision.errors import ResultsError
from excision.station.store.migrations import VERSION
from excision.station.store.query import VERDICTS as ASKED
from excision.station.store.query import Query
from excision.station.store.records import Label, Truth
from excision.station.store.store import Store
from tests.station.test_migrations import VERSION_1, shape
from tests.station.test_store import FAILED, GOOD

TIMES = st.one_of(
    st.floats(-8000, 20000),
    st.sampled_from([0.0, 3600.0, 7200.0, -3600.0, 3599.9999999999995, 1.7e9, 1_700_002_799.9999998]),
)
VERDICTS = st.sampled_from(["good", "review", "defect", "unfit", None])
NUMBERS = st.integers(1, 12)
TRUTHS: st.SearchStrategy[Truth] = st.sampled_from(["good", "defect"])
CHANGES = st.one_of(
    st.tuples(st.just("add"), TIMES, VERDICTS, st.sampled_from(["a", "b"]), st.floats(0, 4)),
    st.tuples(st.just("label"), NUMBERS, TRUTHS),
    st.tuples(st.just("unlabel"), NUMBERS),
    st.tuples(st.just("relabel"), NUMBERS, TRUTHS),
    st.tuples(st.just("delete"), NUMBERS),
    st.tuples(st.just("correct"), NUMBERS, TIMES, VERDICTS),
)
QUERIES = st.builds(
    Query,
    since=st.none() | TIMES,
    until=st.none() | TIMES,
    verdict=st.none() | st.sampled_from(ASKED),
    model=st.none() | st.sampled_from(["a", "b", "c"]),
    labelled=st.none() | st.booleans(),
    lowest=st.none() | st.floats(0, 4),
    source=st.none() | st.sampled_from(["1", "x"]),
)


@dataclass
class Row:
    time: float
    verdict: str | None
    model: str
    score: float | None
    source: str
    labels: list[Truth]


@dataclass
class Model:
    """The results as Python holds them: what a person did to the file, and a plain look at it."""

    path: Path
    rows: dict[int, Row]

    def do(self, store: Store, change: tuple[Any, ...]) -> None:
        what, *values = change
        if what == "add":
            moment, verdict, model, score = values
            blank = FAILED if verdict is None else replace(GOOD, verdict=verdict, score=score)
            if verdict == "unfit":
                blank = replace(blank, unfit=("dark",))
            # As many as there are would meet one that is left where an earlier one was deleted.
            place = max(self.rows, default=0) + 1
            source = f"in/{place}"
            (number,) = store.add([replace(blank, time=moment, model=model, source=source, file_size=place)])
            assert number is not None
            self.rows[number] = Row(moment, verdict, model, None if verdict is None else score, source, [])
            return
        number = values[0]
        if number not in self.rows:
            return
        row = self.rows[number]
        with closing(sqlite3.connect(self.path, isolation_level=None)) as other:
            if what == "label":
                store.label(number, Label(values[1], "Ada", "", 1.0))
                row.labels.append(values[1])
            elif what == "unlabel" and row.labels:
                other.execute(
                    "DELETE FROM labels WHERE id = (SELECT max(id) FROM labels WHERE result = ?)", [number]
                )
                row.labels.pop()
            elif what == "relabel" and row.labels:
                other.execute("UPDATE labels SET truth = ? WHERE result = ?", [values[1], number])
                row.labels = [values[1]] * len(row.labels)
            elif what == "delete" and not row.labels:
                other.execute("DELETE FROM results WHERE id = ?", [number])
                self.rows[number].source = ""
                del self.rows[number]
            elif what == "correct" and (values[2] is None) == (row.verdict is None):
                unfit = '["dark"]' if values[2] == "unfit" else "[]"
                other.execute(
                    "UPDATE results SET time = ?, verdict = ?, unfit = ? WHERE id = ?",
                    [*values[1:], unfit, number],
                )
                row.time, row.verdict = values[1:]

    def found(self, query: Query) -> Iterator[tuple[int, Row]]:
        for number, row in self.rows.items():
            said = row.labels[-1] if row.labels else None
            if (
                (query.since is None or row.time >= query.since)
                and (query.until is None or row.time < query.until)
                and query.verdict in (None, row.verdict or "failed")
                and query.model in (None, row.model)
                and query.labelled in (None, said is not None)
                and (query.lowest is None or (row.score is not None and row.score >= query.lowest))
                and (query.source is None or query.source in row.source)
            ):
                yield number, row


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(CHANGES, max_size=14), st.lists(QUERIES, min_size=1, max_size=6))
def test_counts_are_those_of_a_plain_look(
    tmp_path_factory: pytest.TempPathFactory, changes: list[tuple[Any, ...]], queries: list[Query]
) -> None:
    path = tmp_path_factory.mktemp("store") / "results.sqlite"
    store, model = Store(path), Model(path, {})
    for change in changes:
        model.do(store, change)
    for query in [Query(), *queries]:
        found = list(model.found(query))
        expected = Counter(
            (row.verdict or "failed", row.labels[-1] if row.labels else None) for _, row in found
        )
        assert store.tally(query) == dict(expected)
        ids = sorted(number for number, _ in found)
        assert [result.id for result in store.newest(query, 99)] == ids[::-1]
        assert [result.id for result in store.walk(query)] == ids
        counted = Counter(row.verdict or "failed" for _, row in found)
        assert store.count(query) == {v: counted[v] for v in ASKED}
        above = store.above(query, [1.0, 2.0])
        for truth in {truth for _, truth in expected}:
            scores = [
                r.score
                for _, r in found
                if r.score is not None
                and r.verdict != "unfit"
                and (r.labels[-1] if r.labels else None) == truth
            ]
            levels = [len(scores), sum(s > 1.0 for s in scores), sum(s > 2.0 for s in scores)]
            assert above.get(truth, [0, 0, 0]) == levels
    store.close()


def old_file(path: Path, rows: int) -> None:
    """Make a file of version 1 with many results."""
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.executescript(VERSION_1)
        connection.executemany(
            "INSERT INTO results (time, source, model, model_version, score, threshold, verdict, boxes, "
            "seconds) VALUES (?, ?, ?, '1', 0.5, 1.0, ?, '[]', '{}')",
            ((60.0 * n, f"{n}.png", "ab"[n % 2], ("good", "defect")[n % 7 == 0]) for n in range(rows)),
        )
        connection.executemany(
            "INSERT INTO marks (result, time, who, truth, note) VALUES (?, 1, '', ?, '')",
            ((n % rows + 1, ("good", "defect")[n % 3 == 0]) for n in range(0, 2 * rows, 5)),
        )
        connection.execute("PRAGMA user_version = 1")


# What made a file of version 2 of one of version 1, to the letter.
TO_VERSION_2 = """
DROP INDEX marks_by_result;
ALTER TABLE marks RENAME TO labels;
CREATE INDEX labels_by_result ON labels (result, id);
CREATE VIEW marks AS SELECT * FROM labels;
PRAGMA user_version = 2;
"""


# What made a file of version 3 of one of version 2, to the letter.
TO_VERSION_3 = Path(__file__).with_name("version_3.sql").read_text("utf-8")


@pytest.mark.parametrize("version", [1, 2, 3])
def test_an_old_file_is_counted_when_it_is_opened(tmp_path: Path, version: int) -> None:
    path = tmp_path / "results.sqlite"
    old_file(path, 3000)
    with closing(sqlite3.connect(path)) as connection:
        for script in (TO_VERSION_2, TO_VERSION_3)[: version - 1]:
            connection.executescript(script)
        assert connection.execute("PRAGMA user_version").fetchone() == (version,)
    store = Store(path)
    with closing(sqlite3.connect(path)) as connection:
        expected = {(verdict, truth or None): count for verdict, truth, count in connection.execute(SLOW)}
    assert store.tally(Query()) == expected
    assert shape(path) == shape(new_file(tmp_path))
    store.close()


def test_numbers_are_never_given_again_after_a_migration(tmp_path: Path) -> None:
    path = tmp_path / "results.sqlite"
    old_file(path, 20)
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(TO_VERSION_2 + TO_VERSION_3)
        connection.execute("DELETE FROM labels WHERE result > 15")
        connection.execute("DELETE FROM results WHERE id > 15")
        connection.commit()
    store = Store(path)
    assert store.add([GOOD]) == [21]
    assert store.add([replace(GOOD, source="in/c.png", verdict="unfit", unfit=("dark",))]) == [22]
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        expected = {(verdict, truth or None): count for verdict, truth, count in connection.execute(SLOW)}
    assert store.tally(Query()) == expected
    with pytest.raises(ResultsError, match="there is no result 99"):
        # References are looked after again.
        store.label(99, Label("good", "", "", 1.0))
    store.close()


def new_file(folder: Path) -> Path:
    Store(folder / "new.sqlite").close()
    return folder / "new.sqlite"


SLOW = """
SELECT
    verdict,
    coalesce((SELECT truth FROM labels WHERE result = results.id ORDER BY id DESC LIMIT 1), ''),
    count(*)
FROM results GROUP BY 1, 2 ORDER BY 1, 2
"""


def test_a_migration_that_is_killed_changes_nothing_and_the_next_one_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "results.sqlite"
    old_file(path, 60_000)
    interrupted = 0
    for seconds in (0.02, 0.1, 0.2):
        # Of its own processor time: then a signal ends it at once, however busy the machine is.
        script = (
            "import signal; from pathlib import Path; from excision.station.store.store import Store; "
            f"signal.setitimer(signal.ITIMER_PROF, {seconds}); Store(Path({str(path)!r}))"
        )
        done = subprocess.run([sys.executable, "-c", script], check=False, env=os.environ, timeout=300)
        assert done.returncode in (0, -signal.SIGPROF)
        with closing(sqlite3.connect(path)) as connection:
            version = connection.execute("PRAGMA user_version").fetchone()[0]
            tables = {row[0] for row in connection.execute("SELECT name FROM sqlite_schema")}
            assert version in (1, VERSION)
            assert ("tally" in tables) == (version == VERSION)
            assert "results_next" not in tables
            interrupted += version == 1
    assert interrupted
    store = Store(path)
    with closing(sqlite3.connect(path)) as connection:
        expected = {(verdict, truth or None): count for verdict, truth, count in connection.execute(SLOW)}
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert store.tally(Query()) == expected
    store.close()

"""Files of results of the first release: they open, and nothing in them is lost."""

from __future__ import annotations

import json
import sqlite3
import threading
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from excision.inspection.fingerprint import fingerprint
from excision.runtime import Inspector
from excision.station.models.registry import ModelRegistry
from excision.station.store.migrations import VERSION
from excision.station.store.query import Query
from excision.station.store.records import STORED, Label, Withdrawal
from excision.station.store.store import Store

FORMAT_1 = Path(__file__).parents[1] / "compatibility" / "format_1"

VERSION_6 = Path(__file__).with_name("version_6.sql").read_text("utf-8")
"""A file of version 6, as `iterdump` gave it, with results and a label that were removed."""

# As the first release made its tables, to the letter.
VERSION_1 = """
CREATE TABLE results (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    time REAL NOT NULL,
    source TEXT NOT NULL,
    file_size INTEGER,
    file_mtime_ns INTEGER,
    image TEXT,
    width INTEGER,
    height INTEGER,
    model TEXT NOT NULL,
    model_version TEXT NOT NULL,
    score REAL,
    threshold REAL NOT NULL,
    review_threshold REAL,
    verdict TEXT CHECK (verdict IN ('good', 'review', 'defect')),
    defect_area_share REAL,
    boxes TEXT NOT NULL,
    seconds TEXT NOT NULL,
    error TEXT,
    CHECK ((verdict IS NULL) = (error IS NOT NULL)),
    UNIQUE (source, file_size, file_mtime_ns)
);
CREATE INDEX results_by_time ON results (time);
CREATE INDEX results_by_verdict ON results (verdict, time);
CREATE INDEX results_by_score ON results (score);
CREATE TABLE marks (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    result INTEGER NOT NULL REFERENCES results (id),
    time REAL NOT NULL,
    who TEXT NOT NULL,
    truth TEXT NOT NULL CHECK (truth IN ('good', 'defect')),
    note TEXT NOT NULL
);
CREATE INDEX marks_by_result ON marks (result, id);
CREATE TABLE events (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    time REAL NOT NULL,
    who TEXT NOT NULL,
    model TEXT NOT NULL,
    what TEXT NOT NULL,
    details TEXT NOT NULL
);
"""


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A file of version 1: two results, three labels of which one was removed, and a change of thresholds."""
    path = tmp_path / "results.sqlite"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.executescript(VERSION_1)
        for source in ("a.png", "b.png"):
            connection.execute(
                "INSERT INTO results (time, source, model, model_version, score, threshold, verdict, boxes, "
                "seconds) VALUES (1.5, ?, 'exported', '1', 0.5, 1.0, 'good', '[[1, 2, 3, 4]]', '{}')",
                (source,),
            )
        for who, truth in (("Ada", "defect"), ("Bo", "good"), ("Cy", "good")):
            connection.execute(
                "INSERT INTO marks (result, time, who, truth, note) VALUES (1, 2.0, ?, ?, 'dust')",
                (who, truth),
            )
        connection.execute("DELETE FROM marks WHERE who = 'Cy'")
        details = {"base": fingerprint(FORMAT_1 / "exported"), "threshold": 3.0, "review_threshold": 2.0}
        connection.execute(
            "INSERT INTO events (time, who, model, what, details) "
            "VALUES (1, '', 'exported', 'thresholds', ?)",
            (json.dumps(details),),
        )
        connection.execute("PRAGMA user_version = 1")
    return path


def test_results_and_labels_of_the_first_release_are_kept(old: Path) -> None:
    store = Store(old)
    assert [(result.id, result.source, result.boxes) for result in store.walk(Query())] == [
        (1, "a.png", ((1, 2, 3, 4),)),
        (2, "b.png", ((1, 2, 3, 4),)),
    ]
    assert store.labels(1) == [Label("defect", "Ada", "dust", 2.0), Label("good", "Bo", "dust", 2.0)]
    assert [result.id for result in store.newest(Query(labelled=True), 9)] == [1]
    store.label(2, Label("defect", "Di", "", 3.0))
    assert store.labels(2) == [Label("defect", "Di", "", 3.0)]
    with closing(sqlite3.connect(old)) as connection:
        numbers = [row[0] for row in connection.execute("SELECT id FROM labels ORDER BY id")]
        # A number is never given twice, not even after its label was removed.
        assert numbers == [1, 2, 4]
        # A query from before still finds the labels.
        assert connection.execute("SELECT count(*) FROM marks").fetchone() == (3,)
        assert connection.execute("PRAGMA user_version").fetchone() == (VERSION,)
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def shape(path: Path) -> set[tuple[str, str, str]]:
    """Give every table, index and view with its statement, however it was spaced and quoted."""
    with closing(sqlite3.connect(path)) as connection:
        found = connection.execute("SELECT type, name, sql FROM sqlite_schema WHERE sql IS NOT NULL")
        return {(kind, name, "".join(sql.replace('"', "").split())) for kind, name, sql in found}


def test_a_migrated_file_has_the_tables_of_a_new_one(old: Path, tmp_path: Path) -> None:
    Store(old).close()
    Store(tmp_path / "new.sqlite").close()
    assert shape(old) == shape(tmp_path / "new.sqlite")


def test_columns_are_the_fields_of_a_result(tmp_path: Path) -> None:
    Store(tmp_path / "new.sqlite").close()
    with closing(sqlite3.connect(tmp_path / "new.sqlite")) as connection:
        columns = {row[1] for row in connection.execute("PRAGMA table_info(results)")}
    assert columns == {"id", "truth", "defect_class", *STORED}


def test_a_file_of_version_6_is_brought_up_to_date(tmp_path: Path) -> None:
    path = tmp_path / "results.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(VERSION_6)
    store = Store(path)
    results = list(store.walk(Query()))
    assert [result.id for result in results] == [1, 2, 3, 4]
    assert {(result.serial, result.part) for result in results} == {(None, None)}
    assert results[0].image_statistics == {"brightness": 0.5}
    assert store.labels(2) == [
        Label("good", "Ada", "dust", 1772442001.0),
        Label("defect", "Bo", "", 1772442002.0),
    ]
    assert store.tally(Query()) == {
        ("good", "good"): 1,
        ("defect", "defect"): 1,
        ("failed", None): 1,
        ("unfit", None): 1,
    }
    store.withdraw(2, 2, Withdrawal("Bo", "the wrong part", 1772442009.0))
    assert store.tally(Query(verdict="defect")) == {("defect", "good"): 1}
    assert store.labels(2)[1].withdrawn == Withdrawal("Bo", "the wrong part", 1772442009.0)
    # A number that was given once is never given again.
    assert store.labels(2)[1].id == 2
    store.label(3, Label("defect", "Di", "", 1.0, "scratch"))
    assert store.labels(3)[0].id == 6
    assert store.add([replace(results[0], source="new.png", serial="A-1", lot="7", view="top", part=3)]) == [
        6
    ]
    assert [found.id for found in store.walk(Query(serial="A-1", view="top"))] == [6]
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        # A query from before version 2 still finds the labels, and no withdrawal.
        assert connection.execute("SELECT count(*) FROM marks").fetchone() == (4,)
        weights = {row[0] for row in connection.execute("SELECT weights FROM tally")}
    # The thresholds, which stand behind the dot, change no scores.
    assert weights == {"3f9c1a7d52be"}
    store.close()
    Store(tmp_path / "new.sqlite").close()
    assert shape(path) == shape(tmp_path / "new.sqlite")


def test_many_may_open_an_old_file_at_once(old: Path) -> None:
    failed: list[Exception] = []

    def open_it() -> None:
        try:
            assert len(Store(old).labels(1)) == 2
        except Exception as error:
            failed.append(error)

    threads = [threading.Thread(target=open_it) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []


def test_thresholds_that_a_person_set_in_the_first_release_still_hold(old: Path) -> None:
    models = ModelRegistry({"exported": FORMAT_1 / "exported"}, Store(old))
    version = models.current("exported")
    assert (version.threshold, version.review_threshold) == (3.0, 2.0)
    assert isinstance(version.predictor, Inspector)
    details = Store(old).history("exported")[0]["details"]
    assert details["weights_id"] == version.weights_id == fingerprint(FORMAT_1 / "exported")

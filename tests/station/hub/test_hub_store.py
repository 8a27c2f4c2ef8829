"""The hub answers what a station's own store answers, row by row and count by count."""

from __future__ import annotations

import itertools
import re
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from excision.errors import ResultsError, SettingsError
from excision.station.hub.database import Database
from excision.station.hub.schema import STEPS
from excision.station.hub.store import HubStore
from excision.station.store.query import VERDICTS, Kind, Query
from excision.station.store.records import Label, StoredResult
from tests.station.hub.comparing import wrong_counts
from tests.station.hub.conftest import BeginLine, Hub, Line, result

START = 1_000_000_000.0


@pytest.fixture(scope="module")
def read(hub: Hub) -> Any:
    database = Database(hub.database)
    yield HubStore(database)
    database.close()


def filled(line: Line, seed: int) -> None:
    """Results of two models over days, of every verdict, some before a whole hour and some after."""
    with closing(line.store()) as store:
        for place, (verdict, model) in enumerate(itertools.product(VERDICTS, ("a", "b"))):
            kind: dict[str, Any] = {"model": model, "verdict": None if verdict == "failed" else verdict}
            kind |= {"error": "unreadable", "score": None} if verdict == "failed" else {"score": place / 4}
            kind |= {"unfit": ("dark",)} if verdict == "unfit" else {}
            kind |= {
                "serial": f"A-{place}",
                "lot": "7" if place % 3 else "8",
                "recipe": "r",
                "part": 1 + place,
            }
            kind |= {"view": ("top", None, "side")[place % 3], "station": line.name}
            times = [START + 1700.0 * place + 86_400.0 * day for day in range(3)]
            numbers = store.add([result(seed + place, **kind, time=moment) for moment in times])
            assert numbers[1] is not None
            store.label(numbers[1], _label(place))


def _label(place: int) -> Label:
    if place % 2:
        return Label("good", "Ada", "", START)
    return Label("defect", "Ada", "", START, "scratch" if place % 4 else None)


def queries() -> list[Query]:
    verdicts: tuple[Kind | None, ...] = (None, "defect", "failed")
    times = [(None, None), (START + 100, None), (None, START + 7200), (START + 3600, START + 86_400)]
    return [
        Query(since, until, verdict, lowest, None, source, model, labelled)
        for (since, until), verdict, lowest, source, model, labelled in itertools.product(
            times, verdicts, (None, 0.7), (None, "part_1"), (None, "b"), (None, True)
        )
    ] + [
        Query(since, serial=serial, lot=lot, recipe=recipe, view=view, part=part, defect_class=said)
        for since, serial, lot, recipe, view, part, said in itertools.product(
            (None, START + 100),
            (None, "A-1"),
            (None, "7"),
            (None, "r"),
            (None, "top", ""),
            (None, 3),
            (None, "scratch"),
        )
    ]


def bare(result: StoredResult) -> tuple[Any, ...]:
    return tuple(getattr(result, name) for name in StoredResult.__dataclass_fields__ if name != "id")


def test_each_query_finds_the_same(begin_line: BeginLine, read: HubStore) -> None:
    lines = [begin_line(), begin_line()]
    for seed, line in enumerate(lines):
        filled(line, 100 * seed)
        line.send()
    line = lines[0]
    with closing(line.store()) as store:
        for query in queries():
            there = replace(query, station=line.name)
            assert read.count(there) == store.count(query), query
            assert read.tally(there) == store.tally(query), query
            mine = sorted(store.walk(query), key=lambda found: (found.time, found.id))
            assert list(map(bare, read.walk(there))) == list(map(bare, mine)), query
            backwards = [found.number for found in read.newest(there, 99)]
            assert backwards == [found.id for found in reversed(mine)], query
    both = read.count(Query(model="b"))
    assert both == dict.fromkeys(VERDICTS, 6), "of both stations"


def test_pages_follow_on_one_another(begin_line: BeginLine, read: HubStore) -> None:
    """Ten results of one moment: none is left out, and none is shown twice."""
    line = begin_line()
    numbers = line.inspect(10, time=START)
    line.send()
    query, before, found = Query(station=line.name), None, list[int]()
    while page := read.newest(query, 3, before):
        found += [result.number for result in page]
        before = page[-1].id
    assert found == numbers[::-1]
    first, second = read.oldest(query, 2)
    assert [result.id for result in read.oldest(query, 1, first.id)] == [second.id]
    found_again = read.get(second.id)
    assert found_again == second
    assert found_again is not None
    assert (found_again.station, found_again.number) == (line.name, numbers[1])
    assert read.get(2**62) is None


def test_removing_results_and_stations_keeps_the_counts(
    begin_line: BeginLine, hub: Hub, read: HubStore
) -> None:
    line = begin_line()
    numbers = line.inspect(6, time=START, verdict="good")
    line.label(numbers[0])
    line.send()
    query = Query(station=line.name)
    hub.change("DELETE FROM results WHERE station = %s AND number <= %s", line.name, numbers[2])
    assert sum(read.count(query).values()) == 3
    hub.change("DELETE FROM stations WHERE name = %s", line.name)
    assert sum(read.count(query).values()) == 0
    assert hub.ask("SELECT count(*) FROM labels WHERE station = %s", line.name) == [(0,)]


def test_the_statements_of_the_document_run_as_they_are(hub: Hub, begin_line: BeginLine) -> None:
    """As an administrator types them: with no schema chosen."""
    import psycopg

    line = begin_line("front")
    line.inspect(3, time=1e9)
    line.inspect(2)
    line.send()
    document = (Path(__file__).parents[3] / "docs" / "station" / "hub.md").read_text()
    statements = re.findall(r"```sql\n(.*?)```", document, re.DOTALL)
    assert len(statements) == 3
    with psycopg.connect(hub.database) as connection:
        for statement in statements:
            connection.execute(statement.encode())
    assert hub.ask("SELECT count(*) FROM results WHERE station = 'front'") == [(2,)]
    assert hub.ask("SELECT identity FROM stations WHERE name = 'front'") == [(None,)]
    assert wrong_counts(hub.database) == []


def test_the_tables_of_version_1_are_brought_up_to_date(database: str) -> None:
    import psycopg

    with psycopg.connect(database) as connection:
        connection.execute("CREATE SCHEMA excision")
        connection.execute("SET search_path = excision")
        connection.execute("CREATE TABLE schema_version (version integer NOT NULL)")
        connection.execute(STEPS[1].encode())
        connection.execute("INSERT INTO schema_version VALUES (1)")
        connection.execute("INSERT INTO stations VALUES ('a', 'x', '', '', '', 1, 1, 0, 0)")
        connection.execute(
            "INSERT INTO results (station, number, fingerprint, received, time, source, model, "
            "model_version, score, threshold, verdict, boxes, seconds, unfit, image_statistics) "
            "SELECT 'a', n, n, 1, 3600 * n, 'x', 'm', '1', 0.5, 1, 'good', '[]', '{}', '[]', '{}' "
            "FROM generate_series(1, 3) AS n"
        )
        connection.execute(
            "INSERT INTO labels (station, number, fingerprint, result, time, who, truth, note) "
            "VALUES ('a', 1, '1', 2, 1, 'Ada', 'defect', '')"
        )
    opened = Database(database)
    read = HubStore(opened)
    assert read.tally(Query(view="")) == {("good", None): 2, ("good", "defect"): 1}
    assert read.labels(2) == [Label("defect", "Ada", "", 1.0)]
    assert [result.serial for result in read.walk(Query())] == [None] * 3
    with psycopg.connect(database, options="-c search_path=excision") as connection:
        connection.execute("DELETE FROM results WHERE number = 1")
    assert wrong_counts(database) == []
    opened.close()


def test_tables_are_made_once_and_never_by_an_older_version(database: str) -> None:
    for _ in range(2):
        Database(database).close()
    import psycopg

    with psycopg.connect(database) as connection:
        connection.execute("INSERT INTO excision.schema_version VALUES (99)")
    with pytest.raises(ResultsError, match="later version"):
        Database(database)


@pytest.mark.parametrize(
    "address", ["postgresql://ada:hush@127.0.0.1:9/x", "nonsense", "postgresql://[", "port=x"]
)
def test_a_database_that_cannot_be_reached_is_said_without_its_password(address: str) -> None:
    with pytest.raises(SettingsError, match="--database") as caught:
        Database(address)
    assert "hush" not in str(caught.value)
    assert "\n" not in str(caught.value)

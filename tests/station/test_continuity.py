"""A file of results that is overwritten in place, as `cp` does it, while it is in use."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from excision.errors import ReplacedError, StoreError
from excision.station.store.query import Query
from excision.station.store.store import Store
from tests.station.conftest import Start
from tests.station.test_faults import send, until
from tests.station.test_store import GOOD


def fill(store: Store, numbers: range) -> None:
    store.add([replace(GOOD, source=f"in/{number}.png") for number in numbers])


def copy(path: Path, to: Path) -> None:
    with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(to)) as target:
        source.backup(target)


def overwrite(path: Path, content: Path) -> None:
    with content.open("rb") as source, path.open("r+b") as target:
        target.truncate()
        shutil.copyfileobj(source, target)


def checkpoint(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0] == 0


@pytest.mark.parametrize("later", [0, 1], ids=["all in the file", "the last ones in the log"])
def test_an_earlier_copy_is_noticed(tmp_path: Path, later: int) -> None:
    path = tmp_path / "results.sqlite"
    store = Store(path)
    fill(store, range(10))
    copy(path, tmp_path / "earlier")
    fill(store, range(10, 1000))
    checkpoint(path)
    store.look()
    if later:
        fill(store, range(1000, 1001))
    overwrite(path, tmp_path / "earlier")
    with pytest.raises(ReplacedError, match="overwritten while it was in use"):
        store.look()
    with pytest.raises(ReplacedError, match="overwritten while it was in use"):
        fill(store, range(2000, 2001))


@pytest.mark.parametrize("content", ["nothing", "other tables"])
def test_a_file_that_is_something_else_is_noticed(tmp_path: Path, content: str) -> None:
    path, other = tmp_path / "results.sqlite", tmp_path / "other"
    store = Store(path)
    fill(store, range(10))
    checkpoint(path)
    with closing(sqlite3.connect(other)) as connection:
        if content == "other tables":
            connection.execute("CREATE TABLE others (id)")
    overwrite(path, other)
    with pytest.raises(StoreError, match=r"overwritten while it was in use|damaged"):
        fill(store, range(10, 11))
    assert store.fault


def test_a_file_that_sqlite_made_smaller_is_the_same(tmp_path: Path) -> None:
    path = tmp_path / "results.sqlite"
    store = Store(path)
    fill(store, range(2000))
    checkpoint(path)
    store.look()
    before = path.stat().st_size
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("DELETE FROM results WHERE id > 10")
        connection.execute("VACUUM")
    store.look()
    checkpoint(path)
    assert path.stat().st_size < before
    store.look()
    fill(store, range(2000, 2010))
    assert store.count(Query())["good"] == 20
    assert store.newest(Query(), 1)[0].id == 2010


def test_a_service_stores_nothing_more(start: Start, pictures: list[Path], tmp_path: Path) -> None:
    service, image = start("--workers", 1), pictures[0].read_bytes()
    path = service.data / "results.sqlite"
    copy(path, tmp_path / "earlier")
    assert send(service, image, "before")[0] == 200
    checkpoint(path)
    overwrite(path, tmp_path / "earlier")
    until(lambda: service.json("GET", "/healthz")[0] == 503)
    status, told = send(service, image, "lost")
    assert status == 503
    assert "overwritten" in told["detail"]
    assert "overwritten" in service.json("GET", "/readyz")[1]["cause"]

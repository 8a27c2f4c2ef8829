"""One PostgreSQL for all tests of hubs, and hubs in processes of their own."""

from __future__ import annotations

import itertools
import random
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pytest

from excision.station.outbox.sender import Sender
from excision.station.outbox.settings import OutboxSettings, OutboxState
from excision.station.store.records import Label, StoredResult
from excision.station.store.store import Store
from tests.cli.conftest import environment
from tests.nursery import INSPECTING, Program
from tests.station.conftest import START, Service, end
from tests.station.hub.postgres import FOLDERS, Postgres, running

COUNT = itertools.count(1)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    if not FOLDERS:
        pytest.skip("PostgreSQL is not installed")
    with running() as found:
        yield found


@pytest.fixture
def database(postgres: Postgres) -> str:
    """The address of an empty database."""
    return postgres.create(f"test_{next(COUNT)}")


def begin_hub(database: str, *options: object, port: int = 0) -> Service:
    """Start a hub, with its database in the environment, where no other user sees it."""
    words = ["serve", "--hub", "--port", port, *options]
    process = Program(
        ["-m", "excision", *words],
        INSPECTING,
        stdout=subprocess.PIPE,
        text=True,
        env={**environment(), "EXCISION_DATABASE": database},
    )
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line.startswith("Serving"):
        process.stdout.close()
        pytest.fail(f"the hub ended with status {process.wait(START)}")
    return Service(process, int(line.rsplit(":", 1)[1]), Path())


def begin_watch(model: object, folder: Path, out: Path, *options: object) -> Service:
    """Start a watcher."""
    words = ["watch", model, folder, "--out", out, "--settle", 0.1, *options]
    process = Program(
        ["-m", "excision", *words], INSPECTING, stdout=subprocess.PIPE, text=True, env=environment()
    )
    return Service(process, 0, out)


StartHub = Callable[..., Service]


@pytest.fixture
def start_hub(database: str) -> Iterator[StartHub]:
    """Start hubs; what still runs at the end is killed."""
    started: list[Service] = []

    def go(*options: object, port: int = 0) -> Service:
        started.append(begin_hub(database, *options, port=port))
        return started[-1]

    yield go
    for hub in started:
        end(hub)


@dataclass
class Hub:
    """A hub that the tests of a file share; each test has stations of its own names."""

    service: Service
    database: str

    def ask(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """Look into the database."""
        import psycopg

        with psycopg.connect(self.database, options="-c search_path=excision") as connection:
            return connection.execute(statement.encode(), values).fetchall()

    def change(self, statement: str, *values: object) -> None:
        """Change the database, as an administrator might."""
        import psycopg

        with psycopg.connect(self.database, options="-c search_path=excision") as connection:
            connection.execute(statement.encode(), values)


@pytest.fixture(scope="module")
def hub(postgres: Postgres) -> Iterator[Hub]:
    database = postgres.create(f"shared_{next(COUNT)}")
    service = begin_hub(database)
    yield Hub(service, database)
    end(service)


@dataclass
class Line:
    """A station without a model: its database, and what sends it."""

    name: str
    data: Path
    settings: OutboxSettings
    shifts: dict[str, Any] | None = None

    def store(self) -> Store:
        return Store(self.data / "results.sqlite")

    def inspect(self, count: int, **fields: Any) -> list[int]:
        """Keep so many results, as if images had been inspected, and give their numbers."""
        with closing(self.store()) as store:
            results = [result(next(COUNT), **fields) for _ in range(count)]
            return [number for number in store.add(results) if number is not None]

    def label(
        self, number: int, truth: Literal["good", "defect"] = "defect", defect_class: str | None = None
    ) -> None:
        with closing(self.store()) as store:
            store.label(number, Label(truth, "Ada", "", time.time(), defect_class))

    def send(
        self, until: Callable[[OutboxState], bool] | None = None, patience: float = 120.0
    ) -> OutboxState:
        """Run the sender until nothing waits, or until its state is as asked for."""
        with closing(self.store()) as store, closing(Sender(store, self.settings, self.shifts)) as sender:
            end = time.monotonic() + patience
            while time.monotonic() < end:
                state = sender.state()
                if until(state) if until else state.agreed and not state.total and not state.trouble:
                    return state
                time.sleep(0.02)
            pytest.fail(f"the sender did not get there: {sender.state()}")


def result(seed: int, **fields: Any) -> StoredResult:
    """Give a result like those of a line; each seed gives another."""
    chance = random.Random(seed)
    known: dict[str, Any] = {
        "time": time.time() + seed * 1e-3,
        "source": f"part_{seed}.png",
        "model": "parts",
        "model_version": "3f9c1a7d52be",
        "threshold": 1.0,
        "score": chance.uniform(0.0, 2.0),
        "boxes": ((1, 2, 3, 4),),
        "seconds": {"model": chance.random()},
        "image_statistics": {"sharpness": chance.random()},
    }
    known["verdict"] = "defect" if known["score"] > 1 else "good"
    return StoredResult(**{**known, **fields})


def make_line(hub: Hub, data: Path, name: str, **settings: Any) -> Line:
    """Make a station that sends to a hub, in small batches and with little patience."""
    known = {"url": hub.service.url, "station": name, "rows": 7, "first": 0.05, "longest": 0.2}
    data.mkdir(parents=True, exist_ok=True)
    return Line(name, data, OutboxSettings(**{**known, **settings}))


@pytest.fixture
def begin_line(hub: Hub, tmp_path: Path) -> Callable[..., Line]:
    """Make stations that send to the shared hub."""

    def make(name: str = "", folder: Path | None = None, **settings: Any) -> Line:
        name = name or f"line {next(COUNT)}"
        return make_line(hub, folder or tmp_path / name, name, **settings)

    return make


BeginLine = Callable[..., Line]

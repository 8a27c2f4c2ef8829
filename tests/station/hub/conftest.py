"""One PostgreSQL for all tests of hubs, and hubs in processes of their own."""

from __future__ import annotations

import itertools
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.cli.conftest import environment
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
    process = subprocess.Popen(
        [sys.executable, "-m", "excision", *map(str, words)],
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
    process = subprocess.Popen(
        [sys.executable, "-m", "excision", *map(str, words)],
        stdout=subprocess.PIPE,
        text=True,
        env=environment(),
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

"""A PostgreSQL of its own on a free port of the loopback, which ends with the block."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

FOLDERS = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)

USER = "postgres"  # the database refuses to run as root


@dataclass(frozen=True)
class Postgres:
    """A cluster that runs."""

    programs: Path
    data: Path
    port: int

    def address(self, database: str = "postgres") -> str:
        return f"postgresql://{USER}@127.0.0.1:{self.port}/{database}"

    def create(self, database: str, options: str = "") -> str:
        """Make a database, and give its address."""
        import psycopg

        with psycopg.connect(self.address(), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {database} {options}".encode())
        return self.address(database)

    def start(self) -> None:
        # Nothing reaches the disk for good: no test cuts the power, and a kill of the server loses nothing.
        settings = f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories='' -c fsync=off"
        self._control("start", "-o", settings, "-l", str(self.data / "log"))

    def stop(self, mode: str = "fast") -> None:
        self._control("stop", "-m", mode)

    def _control(self, *words: str) -> None:
        as_user(self.programs / "pg_ctl", "-D", self.data, "-w", *words)


def as_user(*words: object) -> None:
    before = ["runuser", "-u", USER, "--"] if os.getuid() == 0 else []
    subprocess.run([*before, *map(str, words)], check=True, stdout=subprocess.DEVNULL, cwd="/", timeout=60)


@contextmanager
def running() -> Iterator[Postgres]:
    """Start a cluster.

    Raises:
        FileNotFoundError: PostgreSQL is not installed.
    """
    if not FOLDERS:
        raise FileNotFoundError("PostgreSQL is not installed")
    folder = Path(tempfile.mkdtemp(prefix="excision-postgres-"))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    found = Postgres(FOLDERS[0], folder / "data", port)
    try:
        if os.getuid() == 0:
            shutil.chown(folder, USER, USER)
        # A locale that the environment names need not be installed.
        options = ("-A", "trust", "-U", USER, "-E", "UTF8", "--locale=C", "-N")
        as_user(found.programs / "initdb", "-D", found.data, *options)
        found.start()
        try:
            yield found
        finally:
            found.stop("immediate")
    finally:
        shutil.rmtree(folder, ignore_errors=True)

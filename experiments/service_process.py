"""A service of its own for a benchmark to ask: started, asked, watched and stopped."""

from __future__ import annotations

import http.client
import os
import re
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_STATUS_MEMORY = re.compile(r"VmRSS:\s+(\d+) kB")


@dataclass(frozen=True)
class Service:
    """A running service.

    Attributes:
        process: it runs in.
        port: it listens at.
        data: its folder.
    """

    process: subprocess.Popen[str]
    port: int
    data: Path

    def connection(self) -> http.client.HTTPConnection:
        """Open a connection."""
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)

    def processor_time(self) -> float:
        """Give the seconds of processor time that it has spent."""
        words = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")

    def memory(self) -> int:
        """Give the resident memory in bytes."""
        found = _STATUS_MEMORY.search(Path(f"/proc/{self.process.pid}/status").read_text())
        assert found is not None
        return 1024 * int(found[1])


@contextmanager
def serving(
    model: Path, data: Path, *options: object, name: str = "bench", before: Sequence[str] = ()
) -> Iterator[Service]:
    """Start a service of a model under a name, and stop it at the end, unless it is dead by then.

    What stands before the command limits it, such as `sh -c 'ulimit ...'`.
    """
    command = [
        *before,
        sys.executable,
        "-m",
        "excision",
        "serve",
        f"{name}={model}",
        "--data",
        data,
        "--port",
        0,
        *options,
    ]
    process = subprocess.Popen(list(map(str, command)), stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        raise SystemExit("the service did not start")
    try:
        yield Service(process, int(line.rsplit(":", 1)[1]), data)
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        process.wait()
        process.stdout.close()


def ask(connection: http.client.HTTPConnection, image: bytes, source: str) -> tuple[int, bytes]:
    """Have an image inspected; gives status and body."""
    connection.request("POST", f"/v1/inspect?source={source}", image)
    response = connection.getresponse()
    return response.status, response.read()


def ask_together(
    connection: http.client.HTTPConnection, images: list[bytes], source: str
) -> tuple[int, bytes]:
    """Have images inspected by one request, a form with files; gives status and body."""
    head = '--edge\r\nContent-Disposition: form-data; name="image"; filename="{}-{}"\r\n\r\n'
    parts = [head.format(source, place).encode() + image for place, image in enumerate(images)]
    body = b"\r\n".join([*parts, b"--edge--\r\n"])
    connection.request("POST", "/v1/inspect", body, {"Content-Type": "multipart/form-data; boundary=edge"})
    response = connection.getresponse()
    return response.status, response.read()


def kept_images(data: Path) -> set[str | None]:
    """Give where the images of all stored results are kept, relative to the service's folder; None if not."""
    with sqlite3.connect(data / "results.sqlite") as connection:
        return {row[0] for row in connection.execute("SELECT image FROM results")}


def sources(data: Path) -> list[str]:
    """Give the sources of all stored results, by a look of one's own at the file."""
    with sqlite3.connect(data / "results.sqlite") as connection:
        return [row[0] for row in connection.execute("SELECT source FROM results")]

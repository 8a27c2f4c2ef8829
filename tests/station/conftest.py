"""Services in processes of their own, on real ports, with a real tiny model."""

from __future__ import annotations

import contextlib
import dataclasses
import http.client
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from excision.runtime.verification import Proof
from excision.station.client import Client
from excision.station.store.store import Store
from tests.cli.conftest import environment
from tests.cli.conftest import parts as parts  # noqa: PLC0414  a fixture of the command line, used here too
from tests.export.conftest import exports as exports  # noqa: PLC0414  as above
from tests.export.conftest import run as run  # noqa: PLC0414  as above
from tests.nursery import INSPECTING, Program
from tests.nursery import run as run_program

START = 120.0


@dataclass
class Service:
    """A running service."""

    process: subprocess.Popen[str]
    port: int
    data: Path

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def client(self) -> Client:
        return Client(self.url)

    def ask(
        self, method: str, path: str, body: bytes | None = None, /, **headers: str
    ) -> tuple[int, http.client.HTTPMessage, bytes]:
        """Send a request; underscores in the names of headers stand for dashes."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=START)
        try:
            shown = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, path, body, shown)
            response = connection.getresponse()
            return response.status, response.headers, response.read()
        finally:
            connection.close()

    def json(self, method: str, path: str, content: Any = None, **headers: str) -> tuple[int, Any]:
        body = None if content is None else json.dumps(content).encode()
        status, _, answer = self.ask(method, path, body, Content_Type="application/json", **headers)
        return status, json.loads(answer)

    def json_of(self, method: str, path: str, body: bytes) -> tuple[int, Any]:
        """Send bytes, and give the status and the answer, which is JSON."""
        status, _, answer = self.ask(method, path, body)
        return status, json.loads(answer)

    def stop(self, signal: int) -> int:
        self.process.send_signal(signal)
        return self.process.wait(START)


Start = Callable[..., Service]

UNFIT = ("3 times darker than any training image", "out of focus")


def keep_unfit(service: Service, number: int, source: str = "dark.png") -> int:
    """Keep a copy of a result as one of an unfit image, and give its number."""
    store = Store(service.data / "results.sqlite")
    known = store.get(number)
    assert known is not None
    (kept,) = store.add([dataclasses.replace(known, source=source, verdict="unfit", unfit=UNFIT)])
    store.close()
    assert kept is not None
    return kept


def begin(
    model: object | None,
    data: Path,
    *options: object,
    program: str = "excision",
    files: int | None = None,
    log: Path | None = None,
    port: int = 0,
    **variables: str,
) -> Service:
    """Start a service: of a module, with so many open files at most, and its errors in a file.

    Without a model, the file of the station among the options has to name one.
    """
    words = ["serve", *([] if model is None else [model]), *options, "--data", data, "--port", port]
    begun = ["-m", program, *map(str, words)]
    with contextlib.ExitStack() as open_files:
        streams: dict[str, Any] = {
            "stdout": subprocess.PIPE,
            "stderr": None if log is None else open_files.enter_context(log.open("wb")),
            "text": True,
            "env": {**environment(), **variables},
        }
        process: subprocess.Popen[str]
        if files is None:
            process = Program(begun, INSPECTING, **streams)
        else:
            limited = ["sh", "-c", f'ulimit -n {files} && exec "$@"', "sh"]
            process = subprocess.Popen([*limited, sys.executable, *begun], **streams)
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line.startswith("Serving"):
        process.stdout.close()
        pytest.fail(f"the service ended with status {process.wait(START)}")
    return Service(process, int(line.rsplit(":", 1)[1]), data)


def serve(*words: object) -> subprocess.CompletedProcess[str]:
    """Run `excision serve`, which is to be refused, to its end."""
    done = run_program(["-m", "excision", "serve", *words], INSPECTING, env=environment())
    assert "Traceback" not in done.stderr, done.stderr
    return done


def end(service: Service) -> None:
    if service.process.poll() is None:
        service.process.kill()
    service.process.wait(START)
    assert service.process.stdout is not None
    service.process.stdout.close()


@pytest.fixture(scope="session")
def line(
    run: Path, parts: Path, tmp_path_factory: pytest.TempPathFactory, export_once: Callable[..., Proof]
) -> Path:
    """An exported model; tests must not change the folder."""
    folder = tmp_path_factory.mktemp("line") / "fabric"
    export_once(run, parts, folder, to="onnx")
    return folder


@pytest.fixture
def start(line: Path, tmp_path: Path) -> Iterator[Start]:
    """Start services, each with options of its own; what still runs at the end is killed."""
    started: list[Service] = []

    def go(*options: object, model: object = line, data: Path = tmp_path / "station", **more: Any) -> Service:
        started.append(begin(model, data, *options, **more))
        return started[-1]

    yield go
    for service in started:
        end(service)


@pytest.fixture(scope="module")
def service(line: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service that the tests of a file share."""
    found = begin(line, tmp_path_factory.mktemp("shared") / "station", "--max-bytes", 2**20)
    yield found
    end(found)


@pytest.fixture(scope="session")
def pictures(parts: Path) -> list[Path]:
    """Image files, good ones and defective ones, that differ in every byte of their pixels."""
    found = sorted((parts / "test").rglob("*.png"))
    assert len({path.read_bytes() for path in found}) == len(found)
    return found


def noise(seed: int, size: tuple[int, int] = (64, 64)) -> bytes:
    """Give a PNG that is like no other."""
    import io

    stream = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 256, size, dtype=np.uint8)
    Image.fromarray(pixels).save(stream, format="PNG")
    return stream.getvalue()


def form(*parts: tuple[str, str | None, bytes], boundary: str = "b") -> tuple[bytes, str]:
    """Give a form and its content type; of each part (name, file name or None, content)."""
    body = b""
    for name, file_name, content in parts:
        shown = f'; filename="{file_name}"' if file_name is not None else ""
        head = f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"{shown}\r\n\r\n'
        body += head.encode() + content + b"\r\n"
    return body + f"--{boundary}--\r\n".encode(), f"multipart/form-data; boundary={boundary}"


def files_of(data: Path) -> set[str]:
    """Give every file of uploads in a station's folder, relative to it."""
    found = [path for name in ("images", "incoming") for path in (data / name).rglob("*")]
    return {os.path.relpath(path, data) for path in found if path.is_file()}

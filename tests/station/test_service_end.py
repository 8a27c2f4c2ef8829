"""Overload, a stop and a kill: what is accepted is answered, and what is answered is on disk exactly once."""

from __future__ import annotations

import http.client
import json
import signal
import socket
import sqlite3
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from excision.errors import BusyError
from excision.station.client import Client
from tests.station.conftest import Service, Start, files_of, form, serve


def rows(data: Path, column: str) -> list[str]:
    """Look into the file of results without the project's own code."""
    with sqlite3.connect(data / "results.sqlite") as store:
        assert store.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        return [row[0] for row in store.execute(f"SELECT {column} FROM results ORDER BY id")]


def together(count: int, work: Callable[[int], None]) -> None:
    with ThreadPoolExecutor(count) as pool:
        list(pool.map(work, range(count)))


def test_overload_is_refused_and_nothing_accepted_is_lost(start: Start, pictures: list[Path]) -> None:
    service = start("--queue", 2, "--workers", 1)
    image = pictures[0].read_bytes()
    statuses: Counter[int] = Counter()
    accepted: list[str] = []

    def client(_: int) -> None:
        for _ in range(15):
            source = uuid.uuid4().hex
            status, headers, body = service.ask("POST", f"/v1/inspect?source={source}", image)
            statuses[status] += 1
            if status == 200:
                accepted.append(source)
            else:
                assert headers["Retry-After"].isdigit()
                assert list(json.loads(body)) == ["detail"]

    together(8, client)
    assert set(statuses) == {200, 503}
    assert sorted(accepted) == sorted(rows(service.data, "source"))
    assert len(files_of(service.data)) == len(accepted)


def test_more_images_than_there_are_places_are_taken_as_a_whole_or_not(
    start: Start, pictures: list[Path]
) -> None:
    service = start("--queue", 3)
    parts = [("image", f"{number}.png", pictures[0].read_bytes()) for number in range(4)]
    body, kind = form(*parts)
    status, _, answer = service.ask("POST", "/v1/inspect", body, Content_Type=kind)
    assert status == 413
    assert "3 images at most" in json.loads(answer)["detail"]
    body, kind = form(*parts[:3])
    assert service.ask("POST", "/v1/inspect", body, Content_Type=kind)[0] == 200
    assert len(rows(service.data, "id")) == 3


def test_the_client_waits_for_room(start: Start, pictures: list[Path]) -> None:
    service = start("--queue", 1, "--workers", 1)
    together(4, lambda number: _inspect(service, pictures[number]))
    assert len(rows(service.data, "id")) == 4


def test_an_impatient_client_gives_up(pictures: list[Path]) -> None:
    """Against a server of the standard library that is always busy, and says for how long."""
    from http.server import BaseHTTPRequestHandler, HTTPServer

    asked: list[float] = []

    class Busy(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            asked.append(time.monotonic())
            self.send_response(503)
            self.send_header("Retry-After", "1")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the library's name
            pass

    with HTTPServer(("127.0.0.1", 0), Busy) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with pytest.raises(BusyError):
            Client(f"http://127.0.0.1:{server.server_port}", patience=1.9).inspect(pictures[0])
        server.shutdown()
    assert len(asked) == 2
    assert asked[1] - asked[0] >= 1


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_a_stop_answers_what_is_accepted(
    start: Start, pictures: list[Path], number: signal.Signals, status: int
) -> None:
    service = start("--workers", 1)
    body, kind = form(*[("image", f"{place}.png", pictures[0].read_bytes()) for place in range(30)])
    answers: list[int] = []

    def client() -> None:
        while True:
            try:
                answers.append(service.ask("POST", "/v1/inspect", body, Content_Type=kind)[0])
            except (OSError, http.client.HTTPException):
                return  # the station takes nothing more

    threads = [threading.Thread(target=client) for _ in range(2)]
    for thread in threads:
        thread.start()
    _until(lambda: _unanswered(service) > 0)
    assert service.stop(number) == status
    for thread in threads:
        thread.join()
    assert set(answers) == {200}
    assert len(rows(service.data, "id")) == len(files_of(service.data)) == 30 * len(answers)


def test_a_client_that_leaves_does_not_lose_its_image(start: Start, pictures: list[Path]) -> None:
    service = start()
    image = pictures[0].read_bytes()
    with socket.create_connection(("127.0.0.1", service.port)) as wire:
        head = "POST /v1/inspect?source=left HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        wire.sendall(f"{head}Content-Length: {len(image)}\r\n\r\n".encode() + image)
        # Gone once the image is accepted: before that, nothing was promised.
        _until(lambda: b"left" in service.ask("GET", "/v1/results")[2] or _unanswered(service) > 0)
    _until(lambda: b"left" in service.ask("GET", "/v1/results")[2])
    assert rows(service.data, "source") == ["left"]
    service.stop(signal.SIGTERM)
    assert rows(service.data, "source") == ["left"]


def test_a_client_that_leaves_in_the_middle_leaves_nothing(start: Start, pictures: list[Path]) -> None:
    service = start()
    # A small image is held in memory until it is whole, a large one is in a file.
    image = pictures[0].read_bytes() + bytes(4 * 2**20)
    with socket.create_connection(("127.0.0.1", service.port)) as wire:
        head = f"POST /v1/inspect HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {2 * len(image)}\r\n\r\n"
        wire.sendall(head.encode() + image)
        _until(lambda: bool(files_of(service.data)))
    _until(lambda: not files_of(service.data))
    assert rows(service.data, "id") == []


def test_kills_lose_no_answered_result(start: Start, pictures: list[Path]) -> None:
    image = pictures[0].read_bytes()
    answered: list[str] = []
    for pause in (0.1, 0.3, 0.6):
        service = start()
        before = len(answered)
        threads = [
            threading.Thread(target=_ask_until_dead, args=(service, image, answered)) for _ in range(6)
        ]
        for thread in threads:
            thread.start()
        _until(lambda before=before: len(answered) > before)  # type: ignore[misc]  # mypy infers no type here
        time.sleep(pause)
        service.process.kill()
        for thread in threads:
            thread.join()
    service = start()
    stored = rows(service.data, "source")
    assert len(set(stored)) == len(stored)
    assert set(answered) <= set(stored)
    assert files_of(service.data) == set(rows(service.data, "image")), (
        "no leftovers, and no result without its image"
    )
    client = service.client
    for found in client.results():
        assert client.view(found.id, "image") == image


def test_leftovers_of_a_kill_are_set_aside_at_the_start(start: Start, pictures: list[Path]) -> None:
    service = start()
    kept = service.client.inspect(pictures[0])
    assert service.stop(signal.SIGTERM) == 0
    (image,) = files_of(service.data)
    (service.data / "incoming" / "half").write_bytes(b"half an upload")
    (service.data / image).with_name("orphan.png").write_bytes(b"settled, and killed before its row")
    service = start()
    assert files_of(service.data) == {image}
    aside = {
        path.name: path.read_bytes() for path in (service.data / "quarantine").rglob("*") if path.is_file()
    }
    assert aside == {
        "half": b"half an upload",
        "orphan.png": b"settled, and killed before its row",
    }
    assert service.json("GET", "/readyz")[1]["quarantined"] == 2
    assert service.client.view(kept.id, "image") == pictures[0].read_bytes()


def test_one_service_for_each_folder(start: Start, line: Path) -> None:
    service = start()
    done = serve(line, "--data", service.data, "--port", 0)
    assert done.returncode == 2
    assert "another service runs here already" in done.stderr
    assert service.json("GET", "/healthz")[0] == 200


def _ask_until_dead(service: Service, image: bytes, answered: list[str]) -> None:
    while True:
        source = uuid.uuid4().hex
        try:
            status, _, _ = service.ask("POST", f"/v1/inspect?source={source}", image)
        except (OSError, http.client.HTTPException):
            return
        if status == 200:
            answered.append(source)


def _unanswered(service: Service) -> int:
    number: int = service.json("GET", "/healthz")[1]["unanswered"]
    return number


def _until(condition: Callable[[], bool], limit: float = 60.0) -> None:
    """Wait for something that has to come; the limit only keeps a failure from waiting forever."""
    end = time.monotonic() + limit
    while not condition():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.01)


def _inspect(service: Service, path: Path) -> None:
    assert service.client.inspect(path).verdict is not None

"""Two services behind nginx, as the document sets them up: no image is lost or doubled, whatever dies."""

from __future__ import annotations

import http.client
import itertools
import json
import re
import signal
import sqlite3
import ssl
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.station.conftest import Service, begin, end, noise
from tests.station.nginx import free_port, needs_nginx, nginx

pytestmark = needs_nginx

DOCUMENT = Path(__file__).parents[2] / "docs" / "serving.md"
KEY = "a key for the tests"
CLIENTS, AFTER_A_KILL = 6, 60


@dataclass
class Pair:
    """Two services, and the port and certificate of their proxy."""

    services: list[Service]
    port: int
    certificate: Path

    def inspect(self, image: bytes, source: str, key: str = KEY) -> tuple[int, str, bytes]:
        """Send an image; gives the status, the service that answered, and the answer."""
        context = ssl.create_default_context(cafile=str(self.certificate))
        connection = http.client.HTTPSConnection("127.0.0.1", self.port, timeout=120, context=context)
        try:
            connection.request("POST", f"/v1/inspect?source={source}", image, {"X-API-Key": key})
            answer = connection.getresponse()
            return answer.status, answer.headers["X-Station"] or "", answer.read()
        finally:
            connection.close()

    def stored(self) -> Counter[str]:
        """Count the results of each source in both databases."""
        found: Counter[str] = Counter()
        for service in self.services:
            database = sqlite3.connect(f"file:{service.data / 'results.sqlite'}?mode=ro", uri=True)
            found.update(source for (source,) in database.execute("SELECT source FROM results"))
            database.close()
        return found


@pytest.fixture
def pair(line: Path, tmp_path: Path) -> Iterator[Pair]:
    (tmp_path / "key.txt").write_text(KEY)
    (tmp_path / "key.txt").chmod(0o600)
    options = ["--api-key-file", tmp_path / "key.txt", "--behind-proxy", "127.0.0.1", "--workers", 2]
    services = [begin(line, tmp_path / name, *options) for name in "ab"]
    shown = re.findall(r"```nginx\n(.*?)```", DOCUMENT.read_text("utf-8"), re.DOTALL)
    (found,) = [each for each in shown if "upstream stations" in each]
    port = free_port()
    for written, used in (
        ("127.0.0.1:8001", f"127.0.0.1:{services[0].port}"),
        ("127.0.0.1:8002", f"127.0.0.1:{services[1].port}"),
        ("listen 443", f"listen {port}"),
    ):
        assert found.count(written) == 1
        found = found.replace(written, used)
    try:
        with nginx(tmp_path, found, port) as certificate:
            yield Pair(services, port, certificate)
    finally:
        for service in services:
            end(service)


def test_a_killed_service_loses_and_doubles_nothing(pair: Pair) -> None:
    image, numbers = noise(0), itertools.count()
    answered: dict[str, tuple[str, float]] = {}
    refused: dict[str, int] = {}
    killed = threading.Event()

    def client() -> None:
        while (number := next(numbers)) < 40 + AFTER_A_KILL:
            source = f"image-{number}"
            status, station, answer = pair.inspect(image, source)
            if status == 200:
                answered[source] = station, json.loads(answer)["results"][0]["score"]
            else:
                refused[source] = status
            if len(answered) >= 40 and not killed.is_set():
                killed.set()
                pair.services[0].process.send_signal(signal.SIGKILL)

    with ThreadPoolExecutor(CLIENTS) as pool:
        for done in [pool.submit(client) for _ in range(CLIENTS)]:
            done.result()
    assert killed.is_set()
    by_station = Counter(station for station, _ in answered.values())
    assert set(by_station) == {f"127.0.0.1:{service.port}" for service in pair.services}
    assert len({score for _, score in answered.values()}) == 1  # the same image
    # At most what each client had under way, and nothing that came later.
    assert len(answered) + len(refused) == 40 + AFTER_A_KILL and len(refused) <= CLIENTS
    assert set(refused.values()) <= {502, 504}
    stored = pair.stored()
    assert set(stored.values()) == {1}
    assert set(answered) <= set(stored) <= set(answered) | set(refused)


def test_the_proxy_passes_images_alone_and_only_with_the_key(pair: Pair) -> None:
    assert pair.inspect(noise(1), "a", key="wrong")[0] == 401
    context = ssl.create_default_context(cafile=str(pair.certificate))
    for path in ("/", "/review", "/v1/results", "/metrics"):
        connection = http.client.HTTPSConnection("127.0.0.1", pair.port, timeout=120, context=context)
        connection.request("GET", path, headers={"X-API-Key": KEY})
        assert connection.getresponse().status == 404
        connection.close()

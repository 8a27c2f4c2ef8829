"""Connections that do nothing, too little, too much or nonsense: others are answered all the same."""

from __future__ import annotations

import contextlib
import json
import os
import re
import resource
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from excision.station.api.limits import ConnectionLimits
from tests.station.conftest import Service, Start, begin, end

GET = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n"
POST = b"POST /v1/inspect HTTP/1.1\r\nHost: localhost\r\n"
LABEL = b"POST /v1/results/1/labels HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"


@pytest.fixture(scope="module")
def hasty(line: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service that loses its patience after a second."""
    found = begin(line, tmp_path_factory.mktemp("hasty") / "station", program="tests.station.hasty")
    yield found
    end(found)


def wire_to(service: Service, content: bytes = b"", timeout: float = 120.0) -> socket.socket:
    wire = socket.create_connection(("127.0.0.1", service.port), timeout=timeout)
    with contextlib.suppress(OSError):
        wire.sendall(content)
    return wire


def heard(wire: socket.socket) -> bytes:
    """Read all until the service closes the connection."""
    content = b""
    with contextlib.suppress(ConnectionResetError):
        while part := wire.recv(65536):
            content += part
    return content


def said(service: Service, content: bytes) -> tuple[list[int], bytes]:
    """Send bytes; gives the statuses of the answers, and all that was answered until the connection ended."""
    with wire_to(service, content) as wire:
        answer = heard(wire)
    return statuses(answer), answer


def statuses(answer: bytes) -> list[int]:
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3}) ", answer)]


SOON = ConnectionLimits().header_seconds
"""Answered within it, nobody has waited for the silent, each of whom is heard as long."""

CLOSE = b"Connection: close\r\n"

REFUSED = {
    "no HTTP": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(256)), 400),
    "random": (bytes((7 * place) % 256 for place in range(3000)) + b"\r\n\r\n", 400),
    "HTTP/0.9": (b"GET /healthz\r\n\r\n", 400),
    "HTTP/2 preface": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
    "HTTP/2.0": (b"GET /healthz HTTP/2.0\r\nHost: localhost\r\n\r\n", 400),
    "HTTP/3.1": (b"GET /healthz HTTP/3.1\r\nHost: localhost\r\n\r\n", 400),
    "no host": (b"GET /healthz HTTP/1.1\r\n\r\n", 400),
    "two hosts": (GET + b"Host: localhost\r\n\r\n", 400),
    "NUL in a header": (GET + b"X: a\0b\r\n\r\n", 400),
    "NUL in the address": (b"GET /a\0b HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
    "bytes in the address": (b"GET /\xff\xfe HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
    "space in a name": (GET + b"X y: 1\r\n\r\n", 400),
    "space before the colon": (GET + b"Content-Length : 3\r\n\r\nabc", 400),
    "folded line": (GET + b"X: a\r\n b\r\n\r\n", None),
    "length and chunks": (LABEL + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    "two lengths": (LABEL + b"Content-Length: 3\r\nContent-Length: 4\r\n\r\nabc", 400),
    "negative length": (LABEL + b"Content-Length: -1\r\n\r\n", 400),
    "length of letters": (LABEL + b"Content-Length: 0x10\r\n\r\n", 400),
    "length beyond 64 bits": (LABEL + b"Content-Length: 99999999999999999999999\r\n\r\n", 400),
    "unknown coding": (LABEL + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 400),
    "no chunks": (LABEL + b"Transfer-Encoding: identity\r\n\r\n", 400),
    "CONNECT": (b"CONNECT example.org:443 HTTP/1.1\r\nHost: example.org:443\r\n\r\n", 405),
    "asterisk": (b"OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
    "another host": (b"GET http://evil.example/healthz HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
    "no such method": (b"BREW /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
    "long address": (b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n", 414),
    "endless address": (b"GET /" + b"a" * 2_000_000, 414),
    "long header": (GET + b"X: " + b"a" * 40_000 + b"\r\n\r\n", 431),
    "endless header": (GET + b"X: " + b"a" * 2_000_000, 431),
    "long name": (GET + b"X" * 40_000, 431),
    "many lines": (GET + b"X: y\r\n" * 101 + b"\r\n", 431),
    "many small lines": (GET + b"a:\r\n" * 200_000, 431),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_is_no_proper_request_is_refused_at_once(hasty: Service, kind: str) -> None:
    content, status = REFUSED[kind]
    found, answer = said(hasty, content)
    if status is None:
        assert found[0] < 500
        return
    assert found == [status], answer
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"connection: close" in head.lower()
    assert b"x-content-type-options: nosniff" in head.lower()
    assert list(json.loads(body)) == ["detail"]


CHUNKED = LABEL + b"Transfer-Encoding: chunked\r\n\r\n"

BROKEN_BODIES = {
    "size of letters": CHUNKED + b"zz\r\nabc\r\n0\r\n\r\n",
    "negative size": CHUNKED + b"-1\r\nabc\r\n0\r\n\r\n",
    "size beyond 64 bits": CHUNKED + b"fffffffffffffffff\r\nabc",
    "chunk without its end": CHUNKED + b"3\r\nabcdef\r\n0\r\n\r\n",
    "endless extension": CHUNKED + b"3;" + b"x" * 2_000_000,
    "endless trailer": CHUNKED + b"2\r\n{}\r\n0\r\n" + b"X: y\r\n" * 200_000,
    "long trailer": CHUNKED + b"2\r\n{}\r\n0\r\nX: " + b"y" * 2_000_000,
}


@pytest.mark.parametrize("kind", BROKEN_BODIES)
def test_broken_bodies_are_refused(hasty: Service, kind: str) -> None:
    found, _ = said(hasty, BROKEN_BODIES[kind])
    assert len(found) == 1
    assert 400 <= found[0] < 500


ANSWERED = {
    "HTTP/1.0": (b"GET /healthz HTTP/1.0\r\n\r\n", [403]),  # it names no host
    "HTTP/1.0 with a host": (b"GET /healthz HTTP/1.0\r\nHost: localhost\r\n\r\n", [200]),
    "absolute": (b"GET http://localhost/healthz HTTP/1.1\r\nHost: localhost\r\n" + CLOSE + b"\r\n", [200]),
    "absolute, no path": (b"GET http://localhost HTTP/1.1\r\nHost: localhost\r\n" + CLOSE + b"\r\n", [200]),
    "absolute, query": (b"GET http://localhost?a=/ HTTP/1.1\r\nHost: localhost\r\n" + CLOSE + b"\r\n", [200]),
    "pipeline": (GET + b"\r\n" + GET + b"\r\n" + GET + CLOSE + b"\r\n", [200, 200, 200]),
    "pipeline with a wrong end": (GET + b"\r\n" + GET + b"\r\nnonsense\r\n\r\n", [200, 200, 400]),
    "long pipeline": ((GET + b"\r\n") * 5000, None),
    "other protocol": (
        GET + b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n",
        [200],
    ),
    "other protocol, and more": (
        GET + b"Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n" + GET + CLOSE + b"\r\n",
        [200, 200],
    ),
    "other protocol with a body": (
        LABEL + b"Connection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: 2\r\n\r\n{}" + GET + CLOSE + b"\r\n",
        [422, 200],
    ),
    "empty lines first": (b"\r\n\r\n" + GET + CLOSE + b"\r\n", [200]),
    "bare line feeds": (b"GET /healthz HTTP/1.1\nHost: localhost\nConnection: close\n\n", None),
    "expects": (LABEL + b"Expect: 100-continue\r\nContent-Length: 99999999\r\n\r\n", [413]),
    "percent": (b"GET /%zz%00%ff%ed%a0%80 HTTP/1.1\r\nHost: localhost\r\n" + CLOSE + b"\r\n", [404]),
}


@pytest.mark.parametrize("kind", ANSWERED)
def test_what_http_allows_is_answered(hasty: Service, kind: str) -> None:
    content, expected = ANSWERED[kind]
    found, answer = said(hasty, content)
    if expected is None:
        assert found
        assert max(found) < 500
    else:
        assert found == expected, answer


def test_a_pipeline_beyond_its_limit_is_answered_in_part(hasty: Service) -> None:
    found, _ = said(hasty, (GET + b"\r\n") * 5000)
    assert 1 <= len(found) < 5000
    assert set(found) == {200}


def test_slow_senders_are_parted_from(hasty: Service) -> None:
    """Each waits longer than the service does: none may hold its connection."""
    chunked = POST + b"Transfer-Encoding: chunked\r\n\r\n"
    silent = {
        "nothing": (b"", []),
        "half a header": (GET, [408]),
        "half a second header": (GET + b"\r\n" + GET, [200]),
        "idle": (GET + b"\r\n", [200]),
        "no body": (POST + b"Content-Length: 1000\r\n\r\n", [408]),
        "no body to read": (LABEL + b"Content-Length: 1000\r\n\r\n", [408]),
        "half a body": (POST + b"Content-Length: 1000\r\n\r\nabc", [408]),
        "no chunk": (chunked, [408]),
        "half a chunk": (chunked + b"ff\r\nabc", [408]),
        "a body that nobody asked for": (GET + b"Content-Length: 1000\r\n\r\nabc", [200]),
        "form of a page": (b"POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n", [408]),
    }
    start = time.monotonic()
    wires = {kind: wire_to(hasty, content) for kind, (content, _) in silent.items()}
    found = {kind: statuses(heard(wire)) for kind, wire in wires.items()}
    assert time.monotonic() - start < 100
    for wire in wires.values():
        wire.close()
    assert found == {kind: expected for kind, (_, expected) in silent.items()}


def test_a_byte_now_and_then_is_not_enough(hasty: Service) -> None:
    header, body = wire_to(hasty, GET), wire_to(hasty, POST + b"Content-Length: 1000\r\n\r\n")
    lines = wire_to(hasty, GET + b"\r\n")
    ended: dict[str, float] = {}
    start = time.monotonic()
    wires = {"header": header, "body": body, "lines": lines}
    while len(ended) < 3 and time.monotonic() - start < 240:
        time.sleep(0.1)
        for name, wire in wires.items():
            try:
                wire.sendall(b"\r\n" if name == "lines" else b"x")
                if name not in ended and b" 408 " in wire.recv(65536, socket.MSG_DONTWAIT):
                    ended[name] = time.monotonic() - start
            except BlockingIOError:
                pass
            except OSError:
                ended.setdefault(name, time.monotonic() - start)
    for wire in wires.values():
        wire.close()
    assert ended.keys() == wires.keys()


def test_who_does_not_read_the_answer_is_parted_from(hasty: Service) -> None:
    """Many answers asked for and none read: the service must not keep them."""
    wire = socket.socket()
    wire.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    wire.settimeout(1)
    wire.connect(("127.0.0.1", hasty.port))
    asked = b"GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n" * 8
    end_of_patience = time.monotonic() + 120
    with pytest.raises((ConnectionResetError, BrokenPipeError)):
        while time.monotonic() < end_of_patience:
            with contextlib.suppress(TimeoutError):
                wire.sendall(asked)
    wire.close()


def test_a_healthy_client_is_answered_among_six_hundred_hostile_ones(
    start: Start, tmp_path: Path, pictures: list[Path]
) -> None:
    _allow(900)
    service = start(log=tmp_path / "log")
    image = pictures[0].read_bytes()
    service.client.inspect(image)
    kinds = [
        b"",
        GET,
        GET + b"X: ",
        POST + b"Content-Length: 100000\r\n\r\n",
        POST + b"Content-Length: 100000\r\n\r\nabc",
        POST + b"Transfer-Encoding: chunked\r\n\r\n",
        LABEL + b"Content-Length: 100\r\n\r\n",
        b"POST /try HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n",
    ]
    hostile = [wire_to(service, kinds[place % len(kinds)]) for place in range(600)]
    try:
        for _ in range(4):
            begun = time.monotonic()
            assert service.json("GET", "/healthz")[0] == 200
            assert time.monotonic() - begun < SOON
            time.sleep(0.6)  # in all longer than the service waits for slow senders
        begun = time.monotonic()
        assert service.ask("POST", "/v1/inspect", image)[0] == 200
        assert time.monotonic() - begun < SOON
        body = b'--b\r\nContent-Disposition: form-data; name="image"; filename="a.png"\r\n\r\n' + image
        kind = "multipart/form-data; boundary=b"
        assert service.ask("POST", "/try", body + b"\r\n--b--\r\n", Content_Type=kind)[0] == 200
    finally:
        for wire in hostile:
            wire.close()
    assert (tmp_path / "log").stat().st_size < 10_000


def test_more_connections_than_descriptors_stop_nothing(start: Start, tmp_path: Path) -> None:
    """Few descriptors, and no more to be had: connections give way instead of running out of them."""
    _allow(900)
    service = start("--queue", 8, files=200, log=tmp_path / "log")
    hostile = []
    for place in range(500):
        with contextlib.suppress(OSError):
            hostile.append(wire_to(service, GET if place % 2 else b""))
    try:
        begun = time.monotonic()
        assert service.json("GET", "/healthz")[0] == 200
        assert time.monotonic() - begun < SOON
        count = len(list(Path(f"/proc/{service.process.pid}/fd").iterdir()))
        assert count < 190
    finally:
        for wire in hostile:
            wire.close()
    _, _, metrics = service.ask("GET", "/metrics")
    crowded = re.search(rb"excision_connections_crowded_out_total (\d+)", metrics)
    assert crowded is not None
    assert int(crowded[1]) > 100
    assert (tmp_path / "log").stat().st_size < 10_000


@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="only Linux can limit a running process")
def test_without_any_descriptor_it_waits_and_goes_on(start: Start, tmp_path: Path) -> None:
    """Something other than connections has used them up: no busy loop, no growing log."""
    service = start(log=tmp_path / "log")
    process = service.process.pid
    files = Path(f"/proc/{process}/fd")
    service.json("GET", "/healthz")
    before = resource.prlimit(process, resource.RLIMIT_NOFILE)
    resource.prlimit(
        process, resource.RLIMIT_NOFILE, (max(int(file.name) for file in files.iterdir()), before[1])
    )
    wires = [wire_to(service, GET) for _ in range(60)]
    spent = _processor_time(process)
    time.sleep(1.5)
    assert _processor_time(process) - spent < 0.5
    resource.prlimit(process, resource.RLIMIT_NOFILE, before)
    assert service.json("GET", "/healthz")[0] == 200
    for wire in wires:
        wire.close()
    said = (tmp_path / "log").read_text()
    assert "no connection can be accepted now" in said
    assert len(said) < 5000


def _processor_time(process: int) -> float:
    words = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


def test_a_stop_does_not_wait_for_the_silent(start: Start) -> None:
    import signal

    service = start(program="tests.station.hasty")
    wires = [wire_to(service, content) for content in (b"", GET, POST + b"Content-Length: 9\r\n\r\n")]
    service.json("GET", "/healthz")
    begun = time.monotonic()
    assert service.stop(signal.SIGTERM) == 0
    assert time.monotonic() - begun < 60
    for wire in wires:
        wire.close()


def _allow(files: int) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < files:
        resource.setrlimit(resource.RLIMIT_NOFILE, (files, hard))

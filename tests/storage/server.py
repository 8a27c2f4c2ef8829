"""A real S3 server on loopback, and a proxy before it that refuses, throttles and cuts requests."""

from __future__ import annotations

import http.client
import random
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

SLOW_DOWN = (
    b"<?xml version='1.0'?><Error><Code>SlowDown</Code><Message>Reduce your request rate.</Message></Error>"
)
INTERNAL = b"<?xml version='1.0'?><Error><Code>InternalError</Code><Message>Try again.</Message></Error>"


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@contextmanager
def s3_environment(port: int, **more: str) -> Iterator[pytest.MonkeyPatch]:
    """Give the environment that a user of the server at a port has, and a bucket "plant"."""
    from excision.storage import remote

    with pytest.MonkeyPatch.context() as patch:
        known = {
            "AWS_ACCESS_KEY_ID": "key",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        }
        for name, value in {**known, **more}.items():
            patch.setenv(name, value)
        remote._filesystem.cache_clear()
        remote.locate("s3://plant")[0].mkdir("plant")
        yield patch
        remote._filesystem.cache_clear()


@contextmanager
def s3_server() -> Iterator[int]:
    """Run moto in server mode, and give its port."""
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait(port)
        yield port
    finally:
        process.kill()
        process.wait()


def _wait(port: int) -> None:
    until = time.monotonic() + 240
    while time.monotonic() < until:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError("the server does not listen")


class Unreliable(ThreadingHTTPServer):
    """Passes requests on to a server; a share of them fails in one way or another.

    Attributes:
        share: of the requests that fail, 0 to 1; all of those to a key that holds "forbidden".
        requests: number of requests by what became of them.
    """

    daemon_threads = True
    request_queue_size = 256  # connections that wait to be taken: further ones would fail

    def __init__(self, behind: int) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.behind, self.share = behind, 0.0
        self.requests: Counter[str] = Counter()
        self.random = random.Random(0)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of a client that was cut."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Unreliable

    def _pass(self) -> None:
        server = self.server
        content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        fate = "passed"
        if server.random.random() < server.share:
            fate = server.random.choice(["throttled", "failed", "cut"])
        server.requests[fate] += 1
        if fate == "throttled":
            self._answer(503, {}, SLOW_DOWN)
        elif fate == "failed":
            self._answer(500, {}, INTERNAL)
        else:
            self._forward(content, cut=fate == "cut")

    def _forward(self, content: bytes, *, cut: bool) -> None:
        with closing(http.client.HTTPConnection("127.0.0.1", self.server.behind, timeout=120)) as connection:
            connection.request(self.command, self.path, content, dict(self.headers))
            answer = connection.getresponse()
            body = answer.read()
        headers = {
            name: value
            for name, value in answer.getheaders()
            if name.lower() not in ("connection", "transfer-encoding", "server", "date")
        }
        self._answer(answer.status, headers, body, cut=cut)

    def _answer(self, status: int, headers: dict[str, str], body: bytes, *, cut: bool = False) -> None:
        self.send_response(status)
        for name, value in headers.items():
            if name.lower() != "content-length":
                self.send_header(name, value)
        length = headers.get("Content-Length", str(len(body))) if self.command == "HEAD" else str(len(body))
        self.send_header("Content-Length", length)
        self.end_headers()
        if self.command == "HEAD":
            return
        self.wfile.write(body[: len(body) // 2] if cut else body)
        if cut:
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = _pass  # noqa: N815  names of the standard library

    def log_message(self, *_: Any) -> None:
        """Print nothing."""


@contextmanager
def unreliable(behind: int) -> Iterator[Unreliable]:
    """Run the proxy before the server at a port."""
    proxy = Unreliable(behind)
    thread = threading.Thread(target=proxy.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield proxy
    finally:
        proxy.shutdown()
        proxy.server_close()
        thread.join()

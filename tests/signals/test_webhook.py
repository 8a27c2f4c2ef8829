"""Webhooks against a real HTTP server that fails, hangs, drips and redirects."""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.server
import json
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from excision.errors import SettingsError
from excision.signals.signal import RefusedError, Report, SignalError
from excision.signals.webhook.settings import WebhookSettings
from excision.system.credentials import Secret
from tests.signals.broker import free_port

KEY = b"a key that both sides share"


class Server(http.server.ThreadingHTTPServer):
    """Answers as it is told to, and keeps what it was sent."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.status, self.place, self.manner = 200, "", "plain"
        self.posts: list[tuple[dict[str, str], bytes]] = []
        self.left = threading.Event()  # once the client has gone
        self.ended = threading.Event()  # once an answer that is no answer has come to its end
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    def handle_error(self, *_: Any) -> None:
        """Say nothing: a client that has left is no error."""


class Handler(http.server.BaseHTTPRequestHandler):
    server: Server

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.posts.append(({name.lower(): value for name, value in self.headers.items()}, body))
        if self.server.manner == "hang":
            self.server.left.wait(60)
            self.server.ended.set()
            return
        if self.server.manner == "drip":
            for byte in b"HTTP/1.1 200 " + 600 * b"O":
                if self.server.left.wait(0.1):
                    break
                self.wfile.write(bytes([byte]))
                self.wfile.flush()
            self.server.ended.set()
            return
        self.send_response(self.server.status)
        if self.server.place:
            self.send_header("Location", self.server.place)
        self.end_headers()
        self.wfile.write(b"as told")

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    yield made
    made.shutdown()
    made.server_close()


@pytest.fixture
def secret(tmp_path: Path) -> Secret:
    (tmp_path / "key.txt").write_bytes(KEY)
    return Secret(tmp_path / "key.txt")


def settings(server: Server, secret: Secret, **more: Any) -> WebhookSettings:
    url = f"http://127.0.0.1:{server.server_address[1]}/hook?line=3"
    return WebhookSettings(**{"url": url, "secret": secret, "timeout": 60.0, **more})


def a_report() -> Report:
    return Report(str(uuid.uuid4()), 7, "defect", score=3.5, time=time.time())


def test_a_report_is_posted_and_signed(server: Server, secret: Secret) -> None:
    report = a_report()
    settings(server, secret).open("webhook").send(report)
    ((headers, body),) = server.posts
    assert json.loads(body) == report.to_json()
    assert headers["webhook-id"] == report.id
    assert int(report.time) <= int(headers["webhook-timestamp"]) <= time.time() + 1
    # As the specification says it, written anew: the HMAC of id, time stamp and body.
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    right = base64.b64encode(hmac.digest(KEY, signed, hashlib.sha256)).decode()
    assert headers["webhook-signature"] == f"v1,{right}"


def test_a_key_in_base64(server: Server, secret: Secret) -> None:
    assert secret.file is not None
    secret.file.write_text(f"whsec_{base64.b64encode(bytes(range(32))).decode()}\n", "utf-8")
    settings(server, secret).open("webhook").send(a_report())
    ((headers, body),) = server.posts
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    right = base64.b64encode(hmac.digest(bytes(range(32)), signed, hashlib.sha256)).decode()
    assert headers["webhook-signature"] == f"v1,{right}"


@pytest.mark.parametrize(("status", "kind"), [(500, SignalError), (404, SignalError), (422, RefusedError)])
def test_errors(server: Server, secret: Secret, status: int, kind: type[SignalError]) -> None:
    server.status = status
    with pytest.raises(kind, match=f"answers with {status} 'as told'") as caught:
        settings(server, secret).open("webhook").send(a_report())
    assert type(caught.value) is kind


def test_a_redirect_is_not_followed(server: Server, secret: Secret) -> None:
    server.status, server.place = 307, "http://127.0.0.1:9/elsewhere"
    with pytest.raises(SignalError, match=r"redirects to 'http://127.0.0.1:9/elsewhere'"):
        settings(server, secret).open("webhook").send(a_report())
    assert len(server.posts) == 1


@pytest.mark.parametrize("manner", ["hang", "drip"])
def test_a_server_that_hangs_or_drips_is_left(server: Server, secret: Secret, manner: str) -> None:
    server.manner = manner
    with pytest.raises(SignalError):
        settings(server, secret, timeout=0.5).open("webhook").send(a_report())
    assert not server.ended.is_set()
    server.left.set()


def test_check(server: Server, secret: Secret) -> None:
    told = settings(server, secret).check()
    assert "listens; nothing was posted" in told and "without https" in told
    assert server.posts == []
    with pytest.raises(SignalError, match="cannot be reached"):
        settings(server, secret, url=f"http://127.0.0.1:{free_port()}/").check()


def test_a_name_that_cannot_be_looked_up_is_said(secret: Secret) -> None:
    wrong = WebhookSettings(url=f"http://{'x' * 70}/", secret=secret)  # a part of a name has 63 at most
    with pytest.raises(SignalError, match=r"x{70}: cannot be reached"):
        wrong.check()
    with pytest.raises(SignalError, match=r"x{70}"):
        wrong.open("webhook").send(a_report())


@pytest.mark.parametrize("url", ["", "ftp://x", "http://", "http://u:p@x/", "http://x/#a", "http://x/ä"])
def test_wrong_addresses_are_refused(secret: Secret, url: str) -> None:
    with pytest.raises(SettingsError, match="url"):
        WebhookSettings(url=url, secret=secret)


def test_a_short_key_is_refused(secret: Secret) -> None:
    assert secret.file is not None
    secret.file.write_text("short", "utf-8")
    with pytest.raises(SettingsError, match="needs 16"):
        WebhookSettings(url="http://x", secret=secret).open("webhook")

"""The client reads no more of an answer than it can hold."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from excision.errors import StationError
from excision.station.client import Client
from excision.station.client.transport import Transport


class Endless(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b" " * 5000)

    def log_message(self, *_: object) -> None:
        pass


def test_an_answer_that_is_too_large_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Transport, "_most", 1000)
    with HTTPServer(("127.0.0.1", 0), Endless) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        client = Client(f"http://127.0.0.1:{server.server_port}")
        with pytest.raises(StationError, match="has more than 1000 bytes"):
            client._ask("GET", "/")
        server.shutdown()

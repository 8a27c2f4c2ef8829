"""The service behind nginx with TLS, set up as the document says."""

from __future__ import annotations

import http.client
import json
import re
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

import pytest

from tests.station.conftest import Service, begin, end
from tests.station.nginx import free_port, needs_nginx, nginx

DOCUMENT = Path(__file__).parents[2] / "docs" / "station" / "proxy.md"
KEY = "Prüfstand-7 Schlüssel"

pytestmark = needs_nginx


@dataclass
class Proxied:
    """A service and its proxy."""

    service: Service
    port: int
    certificate: Path

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    def ask(
        self, method: str, path: str, body: bytes | None = None, /, source: str = "127.0.0.1", **headers: str
    ) -> tuple[int, http.client.HTTPMessage, bytes]:
        """Send a request over TLS from one of the addresses of this machine."""
        context = ssl.create_default_context(cafile=str(self.certificate))
        connection = http.client.HTTPSConnection(
            "127.0.0.1", self.port, timeout=120, context=context, source_address=(source, 0)
        )
        return _asked(connection, method, path, body, headers)

    def ask_directly(
        self, method: str, path: str, body: bytes | None = None, /, source: str = "127.0.0.1", **headers: str
    ) -> tuple[int, http.client.HTTPMessage, bytes]:
        """Send a request past the proxy."""
        connection = http.client.HTTPConnection(
            "127.0.0.1", self.service.port, timeout=120, source_address=(source, 0)
        )
        return _asked(connection, method, path, body, headers)


def _asked(
    connection: http.client.HTTPConnection,
    method: str,
    path: str,
    body: bytes | None,
    headers: dict[str, str],
) -> tuple[int, http.client.HTTPMessage, bytes]:
    try:
        shown = {name.replace("_", "-"): value.encode() for name, value in headers.items()}
        connection.request(method, path, body, shown)
        response = connection.getresponse()
        return response.status, response.headers, response.read()
    finally:
        connection.close()


@pytest.fixture(scope="module")
def proxied(line: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxied]:
    folder = tmp_path_factory.mktemp("nginx")
    key = folder / "key.txt"
    key.write_text(KEY + "\r\n", "utf-16")  # as Windows' editor writes it
    key.chmod(0o600)
    service = begin(line, folder / "station", "--api-key-file", key, "--behind-proxy", "127.0.0.1")
    (found,) = re.findall(r"```nginx\n(.*?)```", DOCUMENT.read_text("utf-8"), re.DOTALL)
    port = free_port()
    for written, used in (("127.0.0.1:8000", f"127.0.0.1:{service.port}"), ("listen 443", f"listen {port}")):
        assert found.count(written) == 1
        found = found.replace(written, used)
    try:
        with nginx(folder, found, port) as certificate:
            yield Proxied(service, port, certificate)
    finally:
        end(service)


def _log_in(proxied: Proxied, key: str, source: str = "127.0.0.1", **headers: str) -> tuple[int, str]:
    body = urlencode({"key": key, "to": "/review"}).encode()
    status, answered, _ = proxied.ask("POST", "/login", body, source, **headers)
    return status, answered.get("Set-Cookie", "") if status == 303 else answered.get("Retry-After", "")


def test_images_pass_through_tls(proxied: Proxied, pictures: list[Path]) -> None:
    image = pictures[0].read_bytes()
    assert proxied.ask("POST", "/v1/inspect", image)[0] == 401
    status, _, answer = proxied.ask("POST", "/v1/inspect?source=a.png", image, X_API_Key=KEY)
    assert status == 200
    (result,) = json.loads(answer)["results"]
    assert result["source"] == "a.png"
    _, _, content = proxied.ask("GET", result["links"]["image"], X_API_Key=KEY)
    assert content == image


def test_a_browser_signs_in_through_tls(proxied: Proxied) -> None:
    status, headers, _ = proxied.ask("GET", "/review", Accept="text/html")
    assert (status, headers["Location"]) == (303, "/login?to=/review")
    assert b'name="key"' in proxied.ask("GET", "/login")[2]
    status, cookie = _log_in(proxied, KEY, Origin=proxied.url)
    assert status == 303
    assert {"httponly", "samesite=strict", "secure"} <= {part.strip().lower() for part in cookie.split(";")}
    mine = cookie.partition(";")[0]
    assert proxied.ask("GET", "/review", Cookie=mine, Accept="text/html")[0] == 200
    stopped = proxied.ask("POST", "/work/stop", b"", Cookie=mine, Origin=proxied.url)
    assert stopped[0] == 303
    for other in (
        f"http://127.0.0.1:{proxied.port}",
        f"https://127.0.0.1:{proxied.port + 1}",
        f"http://127.0.0.1:{proxied.service.port}",
        "https://evil.example",
        "null",
        "https://[",
    ):
        assert proxied.ask("POST", "/work/stop", b"", Cookie=mine, Origin=other)[0] == 403, other
    assert proxied.ask("POST", "/logout", b"", Cookie=mine, Origin=proxied.url)[0] == 303
    assert proxied.ask("GET", "/review", Cookie=mine)[0] == 401


def test_wrong_keys_count_for_the_address_behind_the_proxy(proxied: Proxied) -> None:
    guesser, honest = "127.0.0.5", "127.0.0.6"
    found = [_log_in(proxied, f"a wrong key, number {place}", guesser)[0] for place in range(7)]
    assert found[:4] == [403] * 4
    assert found[-1] == 429
    assert int(_log_in(proxied, KEY, guesser)[1]) >= 1, "not even the right one is looked at now"
    for lie in ("127.0.0.9", "127.0.0.1", "::1, 127.0.0.1", "x" * 300):
        assert _log_in(proxied, "a wrong key, again", guesser, X_Forwarded_For=lie)[0] == 429
    assert _log_in(proxied, "a wrong key, by mistake", honest)[0] == 403
    assert _log_in(proxied, KEY, honest)[0] == 303


def test_who_is_no_proxy_is_not_believed(proxied: Proxied) -> None:
    body = urlencode({"key": KEY}).encode()
    lies = {"X_Forwarded_Proto": "https", "X_Forwarded_For": "127.0.0.77", "X_Forwarded_Host": "evil.example"}
    status, headers, _ = proxied.ask_directly("POST", "/login", body, "127.0.0.3", **lies)
    assert status == 303
    assert "secure" not in headers["Set-Cookie"].lower()
    wrong = urlencode({"key": "a wrong key, once more"}).encode()
    for place in range(8):
        lies["X_Forwarded_For"] = f"10.0.0.{place}"
        status, _, _ = proxied.ask_directly("POST", "/login", wrong, "127.0.0.4", **lies)
    assert status == 429
    status, headers, _ = proxied.ask_directly("POST", "/login", body, X_Forwarded_Proto="https")
    assert "secure" in headers["Set-Cookie"].lower(), "the proxy itself"

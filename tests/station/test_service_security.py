"""Who may ask: the key, other sites' pages, other machines."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable

from excision.errors import StationError
from excision.station.client import Client
from tests.station.conftest import Service, Start, serve

if TYPE_CHECKING:
    import schemathesis  # takes half a second, and every process of the tests imports this file

KEY = "correct horse, battery staple"
CLOSED = ["/v1/results", "/v1/models", "/metrics", "/openapi.json", "/v1/results/1", "/none"]


@pytest.mark.parametrize("way", ["file", "environment"])
def test_the_key_is_asked_for(start: Start, tmp_path: Path, pictures: list[Path], way: str) -> None:
    if way == "file":
        (tmp_path / "key.txt").write_text(f"{KEY}\nanything else\n")
        service = start("--api-key-file", tmp_path / "key.txt")
    else:
        service = start(EXCISION_API_KEY=KEY)
    for wrong in ({}, {"X_API_Key": ""}, {"X_API_Key": KEY[:-1]}, {"Authorization": f"Basic {KEY}"}):
        for path in CLOSED:
            status, headers, _ = service.ask("GET", path, **wrong)
            assert (status, headers["WWW-Authenticate"]) == (401, "Bearer"), path
            # Wrong keys in a row are answered with 429.
            assert service.ask("GET", "/v1/models", X_API_Key=KEY)[0] == 200
        assert service.ask("POST", "/v1/inspect", pictures[0].read_bytes(), **wrong)[0] == 401
    for right in ({"X_API_Key": KEY}, {"Authorization": f"Bearer {KEY}"}):
        assert service.ask("GET", "/v1/results", **right)[0] == 200
        assert service.ask("POST", "/v1/inspect", pictures[0].read_bytes(), **right)[0] == 200
    assert service.ask("GET", "/healthz")[0] == service.ask("GET", "/readyz")[0] == 200
    with pytest.raises(StationError, match="key"):
        Client(service.url).models()
    assert Client(service.url, KEY).inspect(pictures[0]).verdict is not None
    # A service that answers to a key answers under any name.
    assert service.ask("GET", "/v1/results", X_API_Key=KEY, Host="station.example")[0] == 200


def test_other_machines_need_a_key(line: Path, tmp_path: Path) -> None:
    for host in ("0.0.0.0", "::", "192.0.2.1"):
        done = serve(line, "--data", tmp_path / "station", "--host", host)
        assert done.returncode == 2
        assert "--api-key-file" in done.stderr
    (tmp_path / "key.txt").write_text("\n")
    done = serve(line, "--data", tmp_path / "station", "--api-key-file", tmp_path / "key.txt")
    assert done.returncode == 2
    assert "first line" in done.stderr


def test_pages_of_others_reach_nothing(service: Service, pictures: list[Path]) -> None:
    """By a name of their own for this machine, or by a form that a browser sends here."""
    for host in ("evil.example", "evil.example:8000", "127.0.0.1.evil.example", ""):
        assert service.ask("GET", "/v1/results", Host=host)[0] == 403
    image = pictures[0].read_bytes()
    for origin in ("https://evil.example", "null", f"http://127.0.0.1:{service.port + 1}"):
        assert service.ask("POST", "/v1/inspect", image, Origin=origin)[0] == 403
    assert service.ask("POST", "/v1/inspect", image, Origin=service.url)[0] == 200
    for host in ("localhost", f"127.0.0.1:{service.port}", "[::1]:80", "LOCALHOST"):
        assert service.ask("GET", "/v1/results", Host=host)[0] == 200


def test_every_answer_has_the_headers(service: Service) -> None:
    for path in ("/v1/results", "/none", "/v1/results/x", "/healthz"):
        _, headers, _ = service.ask("GET", path)
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["X-Frame-Options"] == "DENY"
        assert headers["Cache-Control"] == "no-store"
        assert "default-src 'none'" in headers["Content-Security-Policy"]
        assert headers.get("Server") is None


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (("--queue", 0), "queue is 0"),
        (("--workers", 0), "workers is 0"),
        (("--max-bytes", -1), "max-bytes is -1"),
        (("--keep", "some"), "keep"),
        (("--api-key-file", "absent.txt"), "absent.txt"),
    ],
)
def test_odd_options_are_explained(
    line: Path, tmp_path: Path, options: tuple[object, ...], reason: str
) -> None:
    done = serve(line, "--data", tmp_path / "station", *options)
    assert done.returncode == 2
    assert reason in done.stderr.lower()


def test_a_port_that_is_taken_is_explained(service: Service, line: Path, tmp_path: Path) -> None:
    done = serve(line, "--data", tmp_path / "station", "--port", service.port)
    assert done.returncode == 2
    assert str(service.port) in done.stderr


@pytest.mark.parametrize("mode", ["positive", "negative"])
def test_the_service_keeps_what_it_describes(service: Service, pictures: list[Path], mode: str) -> None:
    """Requests made of the description, proper ones and improper ones: no 500, and answers as described."""
    import schemathesis
    from schemathesis.checks import not_a_server_error
    from schemathesis.core.result import Ok
    from schemathesis.specs.openapi.checks import (
        content_type_conformance,
        response_schema_conformance,
        status_code_conformance,
    )

    for path in pictures[:3]:
        service.client.inspect(path)
    description = schemathesis.openapi.from_url(f"{service.url}/openapi.json")
    asked = set()
    for found in description.get_all_operations():
        assert isinstance(found, Ok)
        operation = found.ok()
        asked.add(operation.label)

        @settings(max_examples=8, suppress_health_check=list(HealthCheck))
        @given(operation.as_strategy(generation_mode=schemathesis.GenerationMode(mode)))
        def keeps(case: schemathesis.Case[Any]) -> None:
            response = case.call(timeout=60)
            checks = [not_a_server_error, content_type_conformance]
            if response.status_code not in (400, 403, 405, 413):  # which any request may meet
                checks += [status_code_conformance, response_schema_conformance]
            case.validate_response(response, checks=checks)

        with contextlib.suppress(Unsatisfiable):  # what takes nothing can be asked in no improper way
            keeps()
    assert {"POST /v1/inspect", "GET /v1/results", "POST /v1/models/{name}/thresholds"} <= asked


def test_no_proxy_is_asked(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert os.environ["http_proxy"]
    assert service.client.models()

"""Odd input to every route of the interface and the pages: an answer below 500, and never a lost service."""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
from pathlib import Path
from urllib.parse import quote

import pytest
from fastapi.routing import APIRoute
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from excision.station.api import inspect, models, operation, results
from excision.station.pages import live, login, review, thresholds, try_
from excision.station.pages import models as model_pages
from tests.cli.conftest import environment
from tests.station.conftest import Service

SCRIPT = Path(__file__).parents[2] / "experiments" / "soak_requests.py"

ROUTES = sorted(
    (method, route.path, tuple(field.alias for field in route.dependant.query_params))
    for part in (inspect, results, models, operation, live, login, review, thresholds, try_, model_pages)
    for route in part.router.routes
    if isinstance(route, APIRoute)
    for method in route.methods or ()
)

ODD = st.sampled_from(
    [
        *(
            "0",
            "-1",
            "1",
            "7",
            "9223372036854775807",
            "9223372036854775808",
            "9" * 500,
            "1e999",
            "NaN",
            "-inf",
        ),
        *("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "0001-01-01", "T", "fabric", "good", "٣"),
        *(
            "\0",
            "a\0b",
            "\ud800",
            "\udfff\ud800",
            "a" * 2000,
            "../..",
            "//",
            "%",
            "_",
            "'",
            "<b>",
            "\r\nX: y",
            "",
        ),
    ]
)
WORDS = st.one_of(ODD, st.text(st.characters(), max_size=30))
NAMES = st.sampled_from(
    [
        *("since", "until", "verdict", "lowest", "highest", "source", "model", "labelled", "limit", "cursor"),
        *(
            "id",
            "hours",
            "state",
            "to",
            "threshold",
            "review_threshold",
            "version",
            "truth",
            "who",
            "v",
            "kind",
        ),
    ]
)
LINES = st.text(st.characters(min_codepoint=32, max_codepoint=255, exclude_characters="\x7f"), max_size=60)
HEADERS = st.dictionaries(
    st.sampled_from(
        [
            *("Range", "If-None-Match", "If-Modified-Since", "Accept", "Accept-Language", "Cookie", "Origin"),
            *(
                "Authorization",
                "X-API-Key",
                "HX-Request",
                "X-Source",
                "Content-Type",
                "Sec-Fetch-Site",
                "If-Range",
            ),
        ]
    ),
    st.one_of(
        LINES,
        st.sampled_from(
            [
                *("bytes=0-", "bytes=5-2", "bytes=-99999999999999999999", "bytes=" + "0-," * 200, "*", 'W/"'),
                *(
                    "de;q=nan",
                    "de;q=1e999,*;q=-inf",
                    "excision_session=x",
                    'a="\\777"; =',
                    "true",
                    "text/html",
                ),
                *("multipart/form-data; boundary=", "application/json; charset=x", "https://[", "null"),
            ]
        ),
    ),
    max_size=4,
)
BODIES = st.one_of(
    st.binary(max_size=60),
    st.builds(
        lambda fields: "&".join(f"{name}={_escaped(word)}" for name, word in fields).encode(),
        st.lists(st.tuples(NAMES, WORDS), max_size=5),
    ),
    st.builds(
        lambda value: json.dumps(value).encode(),
        st.dictionaries(NAMES, st.one_of(ODD, st.integers(), st.floats(), st.none(), st.lists(st.none()))),
    ),
    st.just(b"[" * 20_000),
    st.just(b'{"threshold": 1e999, "limit": ' + b"9" * 5000 + b"}"),
)


def _escaped(word: str) -> str:
    return quote(word, safe="", errors="surrogatepass")


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.sampled_from(ROUTES),
    st.lists(WORDS, min_size=2, max_size=2),
    st.lists(st.tuples(NAMES, WORDS), max_size=5),
    HEADERS,
    BODIES,
)
def test_every_route_stands_odd_input(
    service: Service,
    route: tuple[str, str, tuple[str, ...]],
    parts: list[str],
    query: list[tuple[str, str]],
    headers: dict[str, str],
    body: bytes,
) -> None:
    method, path, known = route
    if path.startswith("/v1/") and len(query) < 5:  # an unknown parameter keeps all others from being read
        query = [(name, word) for name, word in query if name in known]
    for part in parts:
        begun, mark, rest = path.partition("{")
        if mark:
            path = begun + (_escaped(part) or "x") + rest.partition("}")[2]
    asked = "&".join(f"{name}={_escaped(word)}" for name, word in query)
    connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=120)
    try:
        sent = {name: value.encode("latin-1") for name, value in headers.items()}
        connection.request(method, f"{path}?{asked}", None if method == "GET" else body, sent)
        response = connection.getresponse()
        response.read()
        assert response.status < 500
    finally:
        connection.close()


@pytest.mark.parametrize("number", [2**63, 2**64, 10**30, -(2**63) - 1])
def test_numbers_beyond_the_databases_are_nowhere(service: Service, number: int) -> None:
    for path in ("/parts/{}/picture.png", "/parts/{}/thumb.png", "/review?id={}", "/v1/results/{}"):
        assert service.ask("GET", path.format(number))[0] in (404, 422), path
    assert service.ask("POST", f"/review/{number}/labels", b"truth=good")[0] == 404
    assert service.ask("GET", f"/v1/results?cursor={number}")[0] == 422


def test_what_a_client_writes_is_text_on_the_pages(service: Service, pictures: list[Path]) -> None:
    evil = "\"><script>alert(1)</script><img src=x onerror='x'>"
    number = service.client.inspect(pictures[0], source=evil).id
    label = f"truth=good&who={quote(evil)}&note={quote(evil)}".encode()
    assert service.ask("POST", f"/review/{number}/labels", label)[0] == 303
    for path in (
        "/",
        f"/review?id={number}",
        f"/review?source={quote(evil)}",
        f"/login?to={quote('/' + evil)}",
    ):
        _, headers, page = service.ask("GET", path)
        assert headers["Content-Type"].startswith("text/html")
        assert b"<script>alert" not in page, path
        assert b"<img src=x" not in page, path
    status, headers, page = service.ask("GET", f"/static/{quote(evil)}")
    assert status == 404
    assert b"<script>alert" not in page or headers["Content-Type"] == "application/json"


def test_the_soak_of_hostile_requests_in_short(line: Path, pictures: list[Path]) -> None:
    done = subprocess.run(
        [sys.executable, str(SCRIPT), str(line), str(pictures[0]), "--count", "200", "--seed", "5", "--json"],
        capture_output=True,
        text=True,
        check=False,
        env=environment(),
        timeout=900,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    outcome = json.loads(done.stdout.splitlines()[0])
    assert (outcome["requests"], outcome["failures"], outcome["healthy"]) == (200, [], 2)

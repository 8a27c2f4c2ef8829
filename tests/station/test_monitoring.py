"""Prometheus reads a real service as `deploy/` sets it up: every alert and chart has something to show."""

from __future__ import annotations

import json
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from urllib.request import urlopen

import pytest
import yaml

from tests.station.conftest import Service, begin, end, noise

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
DASHBOARD = DEPLOY / "grafana" / "station.json"
KEY = "a key for the tests"

pytestmark = pytest.mark.skipif(shutil.which("prometheus") is None, reason="prometheus is not installed")


def promtool(*words: object, stdin: bytes | None = None) -> str:
    done = subprocess.run(["promtool", *map(str, words)], input=stdin, capture_output=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return (done.stdout + done.stderr).decode()


@pytest.fixture(scope="module")
def keyed(line: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service that has answered, refused, and been asked with a wrong key."""
    folder = tmp_path_factory.mktemp("keyed")
    (folder / "key.txt").write_text(KEY + "\n")
    (folder / "key.txt").chmod(0o600)
    hub = ("--hub-url", "http://127.0.0.1:9", "--station", "front")  # a hub that is away
    service = begin(line, folder / "station", "--api-key-file", folder / "key.txt", *hub)
    for number in range(3):
        assert service.ask("POST", "/v1/inspect", noise(number), X_API_Key=KEY)[0] == 200
    assert service.ask("POST", "/v1/inspect", b"", X_API_Key=KEY)[0] == 400
    assert service.ask("GET", "/v1/results", X_API_Key="wrong")[0] == 401
    yield service
    end(service)


@pytest.fixture(scope="module")
def prometheus(keyed: Service, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Prometheus with the files of `deploy/`, every second, at the port of the service."""
    folder = tmp_path_factory.mktemp("prometheus")
    config = (DEPLOY / "prometheus.yml").read_text()
    for written, used in (
        ("station:8000", f"127.0.0.1:{keyed.port}"),
        ("/run/secrets/key", str(keyed.data.parent / "key.txt")),
        ("[alerts.yml]", f"[{DEPLOY / 'alerts.yml'}]"),
        ("scrape_interval: 15s", "scrape_interval: 1s"),
        ("evaluation_interval: 15s", "evaluation_interval: 1s"),
    ):
        assert config.count(written) == 1, written
        config = config.replace(written, used)
    (folder / "prometheus.yml").write_text(config)
    promtool("check", "config", folder / "prometheus.yml")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    words = ["--config.file=prometheus.yml", "--storage.tsdb.path=data", f"--web.listen-address={address}"]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(["prometheus", *words], cwd=folder, stdout=log, stderr=log)
    try:
        yield f"http://{address}"
    finally:
        process.terminate()
        process.wait(120)


def ask(prometheus: str, path: str, **query: str) -> Any:
    with urlopen(f"{prometheus}/api/v1/{path}?{urlencode(query)}", timeout=60) as answer:
        return json.load(answer)["data"]


def series(prometheus: str, query: str, wanted: int = 1) -> list[Any]:
    """Ask until there are so many series, for two minutes at most."""
    found: list[Any] = []
    deadline = time.monotonic() + 120
    while len(found) < wanted and time.monotonic() < deadline:
        try:
            found = ask(prometheus, "query", query=query)["result"]
        except OSError:
            found = []
        time.sleep(0.2)
    return found


def queries() -> list[str]:
    panels = json.loads(DASHBOARD.read_text())["panels"]
    return [target["expr"] for panel in panels for target in panel["targets"]]


def test_prometheus_reads_the_service_and_every_chart_has_series(prometheus: str, keyed: Service) -> None:
    assert series(prometheus, 'count_over_time(up{job="excision"}[1m]) > 3')
    (up,) = series(prometheus, 'up{job="excision"}')
    assert up["value"][1] == "1"
    for query in queries():
        filled = query.replace("$instance", ".*").replace("$__rate_interval", "30s")
        assert "$" not in filled
        assert series(prometheus, filled), f"no series: {query}"
    (images,) = series(prometheus, "sum(excision_images_total)")
    assert images["value"][1] == "3"
    (station,) = series(prometheus, "excision_queue_bound")
    assert station["metric"]["instance"] == f"127.0.0.1:{keyed.port}"


def test_rules_are_valid_and_say_what_their_tests_expect(prometheus: str) -> None:
    promtool("check", "rules", DEPLOY / "alerts.yml")
    promtool("test", "rules", DEPLOY / "alerts_test.yml")
    assert series(prometheus, "up")
    (group,) = ask(prometheus, "rules")["groups"]
    written = yaml.safe_load((DEPLOY / "alerts.yml").read_text())["groups"][0]["rules"]
    assert [rule["name"] for rule in group["rules"]] == [rule["alert"] for rule in written]
    assert {rule["health"] for rule in group["rules"]} <= {"ok", "unknown"}


def test_metrics_have_the_names_that_prometheus_asks_for_and_are_documented(keyed: Service) -> None:
    status, headers, text = keyed.ask("GET", "/metrics", X_API_Key=KEY)
    assert status == 200 and (headers["Content-Type"] or "").startswith("text/plain")
    promtool("check", "metrics", stdin=text)
    document = (ROOT / "docs" / "station" / "containers.md").read_text()
    families = re.findall(r"^# TYPE (\S+)", text.decode(), re.MULTILINE)
    assert "excision_images_total" in families and "excision_build_info" in families
    missing = [name for name in families if not name.endswith("_created") and f"`{name}`" not in document]
    assert missing == []


def test_the_names_of_alerts_and_charts_are_metrics_of_the_service(keyed: Service) -> None:
    _, _, text = keyed.ask("GET", "/metrics", X_API_Key=KEY)
    known = set(re.findall(r"^((?:excision|process)_\w+)", text.decode(), re.MULTILINE))
    rules = (DEPLOY / "alerts.yml").read_text()
    expressions = [*re.findall(r"expr: (.*)", rules), *queries()]
    # Those of a hub are compared with a real one where it is tested.
    named = set(re.findall(r"\b((?:excision|process)_(?!hub_)\w+)", " ".join(expressions)))
    assert len(named) > 10 and named <= known

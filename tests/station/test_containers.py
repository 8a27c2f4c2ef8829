"""The files of `deploy/` belong together, name what exists, and ask a real service for its health."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from fnmatch import fnmatch
from importlib.metadata import distribution
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement

from excision.system import keys
from tests.station.conftest import Service

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
MOST_INSTALLED = 275  # million bytes without bytecode: an image on a slim base stays below 400


@pytest.fixture(scope="module")
def steps() -> list[tuple[str, str]]:
    """The instructions of the Containerfile, with their words."""
    lines = (DEPLOY / "Containerfile").read_text().replace("\\\n", " ").splitlines()
    found = [line.partition(" ") for line in lines if line and not line.startswith("#")]
    return [(name, words.strip()) for name, _, words in found]


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    return content


def health(steps: list[tuple[str, str]]) -> list[str]:
    (words,) = [words for name, words in steps if name == "HEALTHCHECK"]
    command: list[str] = json.loads(words[words.index("CMD") + 3 :])
    return command


def test_the_containerfile_copies_what_exists_and_gives_up_all_rights(steps: list[tuple[str, str]]) -> None:
    assert [words for name, words in steps if name == "FROM"] == ["${BASE} AS build", "${BASE}"]
    sent = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    copied = [words.split()[:-1] for name, words in steps if name == "COPY" and "--from" not in words]
    for source in chain.from_iterable(copied):
        assert (ROOT / source).exists()
        assert any(fnmatch(source, pattern) for pattern in sent)
    last = dict(steps)  # the last of each kind
    assert last["USER"] == "10001:10001"
    assert json.loads(last["ENTRYPOINT"]) == ["excision", "serve"]
    names = [name for name, _ in steps]
    assert names.index("USER") > len(names) - 1 - names[::-1].index("RUN")  # nothing is run as root after it


def test_the_health_check_asks_a_real_service(
    steps: list[tuple[str, str]], services: dict[str, Any], service: Service
) -> None:
    command = health(steps)
    assert services["services"]["station"]["healthcheck"]["test"] == ["CMD", *command]
    assert command[0] == "python3" and command[2].count("8000") == 1
    for port, status in ((service.port, 0), (1, 1)):
        words = [sys.executable, *(word.replace("8000", str(port)) for word in command[1:])]
        assert subprocess.run(words, check=False, capture_output=True).returncode == status


def test_the_services_find_each_other_and_their_files(services: dict[str, Any]) -> None:
    station, proxy = services["services"]["station"], services["services"]["proxy"]
    addresses = [each["networks"]["inside"]["ipv4_address"] for each in (station, proxy)]
    command = station["command"]
    assert command[command.index("--behind-proxy") + 1] == addresses[1]
    conf = (DEPLOY / "station.conf").read_text()
    assert f"server {addresses[0]}:8000;" in conf
    assert proxy["ports"] == ["${PORT:-8443}:8443"] and "listen 8443 ssl;" in conf
    assert (DEPLOY / station["build"]["context"] / station["build"]["dockerfile"]).is_file()
    secrets = {name: each["file"] for name, each in services["secrets"].items()}
    for each in services["services"].values():
        assert set(each.get("secrets", ())) <= set(secrets)
        assert each["security_opt"] == ["no-new-privileges:true"] and each["cap_drop"] == ["ALL"]
        for volume in each["volumes"]:
            source = volume.rsplit(":", 2 if volume.endswith(":ro") else 1)[0]
            if source.startswith("./") and not source.startswith("./secrets/"):
                assert (DEPLOY / source).is_file(), source
            elif not source.startswith(("./", "${")):
                assert source in services["volumes"]
    document = (ROOT / "docs" / "station" / "containers.md").read_text()
    mounted = {f"secrets/{name}" for name in re.findall(r"\./secrets/([\w.]+)", json.dumps(services))}
    assert all(name in document for name in mounted)


def test_the_hub_is_started_with_options_that_there_are(steps: list[tuple[str, str]]) -> None:
    content = yaml.safe_load((DEPLOY / "hub.yaml").read_text())
    hub, database = content["services"]["hub"], content["services"]["database"]
    assert any(words.startswith("EXTRA=") for name, words in steps if name == "ARG")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert hub["build"]["args"]["EXTRA"] in project["optional-dependencies"]
    help_of_serve = subprocess.run(
        [sys.executable, "-m", "excision", "serve", "--help-all"], capture_output=True, text=True, check=True
    ).stdout
    assert all(word in help_of_serve for word in hub["command"] if word.startswith("--"))
    assert all(word in help_of_serve for word in hub["environment"])
    files = {f"/run/secrets/{name}" for name in hub["secrets"]}
    assert files == {word for word in hub["command"] if word.startswith("/run/")}
    password = "${HUB_PASSWORD:?set it to letters and digits}"
    known = database["environment"]
    assert known["POSTGRES_PASSWORD"] == password and set(hub["secrets"]) == set(content["secrets"])
    address = f"postgresql://{known['POSTGRES_USER']}:{password}@database/{known['POSTGRES_DB']}"
    assert hub["environment"]["EXCISION_DATABASE"] == address


def test_the_proxy_is_set_up_as_the_document_says() -> None:
    (shown,) = re.findall(
        r"```nginx\n(.*?)```", (ROOT / "docs" / "station" / "proxy.md").read_text(), re.DOTALL
    )
    wanted = shown.replace("127.0.0.1:8000", "172.30.0.3:8000").replace("listen 443", "listen 8443")
    assert (DEPLOY / "station.conf").read_text() == wanted


@pytest.mark.parametrize("name", ["station.json", "hub.json"])
def test_grafana_finds_the_dashboards_and_their_data(services: dict[str, Any], name: str) -> None:
    (source,) = yaml.safe_load((DEPLOY / "grafana" / "datasources.yml").read_text())["datasources"]
    (provider,) = yaml.safe_load((DEPLOY / "grafana" / "dashboards.yml").read_text())["providers"]
    folder = provider["options"]["path"]
    mounted = [volume.split(":")[1] for volume in services["services"]["grafana"]["volumes"]]
    assert f"{folder}/{name}" in mounted
    dashboard = json.loads((DEPLOY / "grafana" / name).read_text())
    used = [panel["datasource"]["uid"] for panel in dashboard["panels"]]
    assert set(used) == {source["uid"]}
    places = [tuple(panel["gridPos"][side] for side in "xywh") for panel in dashboard["panels"]]
    cells = [(x + dx, y + dy) for x, y, w, h in places for dx in range(w) for dy in range(h)]
    assert len(cells) == len(set(cells)) and max(x for x, _ in cells) < 24


def test_what_the_image_installs_stays_small() -> None:
    """Of the packages of this environment, those that `excision[serve]` needs, without bytecode and tests."""
    todo, needed = [Requirement("excision[serve]")], {}
    while todo:
        wanted = todo.pop()
        if (wanted.name, frozenset(wanted.extras)) in needed:
            continue
        package = distribution(wanted.name)
        needed[wanted.name, frozenset(wanted.extras)] = package
        for line in package.requires or ():
            other = Requirement(line)
            if any(other.marker is None or other.marker.evaluate({"extra": e}) for e in (*wanted.extras, "")):
                todo.append(other)
    assert not {"torch", "scipy", "matplotlib", "ray", "pyarrow"} & {name for name, _ in needed}
    files = {Path(str(file.locate())) for package in needed.values() for file in package.files or ()}
    sizes = [
        path.stat().st_size
        for path in files
        if path.suffix != ".pyc" and "tests" not in path.parts and path.is_file()
    ]
    assert 150e6 < sum(sizes) < MOST_INSTALLED * 1e6


def test_a_secret_of_a_container_may_be_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "key").write_text("0123456789abcdef\n")
    (tmp_path / "key").chmod(0o444)
    assert "chmod 600" in str(keys.exposure_of(tmp_path / "key"))
    monkeypatch.setattr(keys, "_SECRETS", tmp_path)
    assert keys.exposure_of(tmp_path / "key") is None

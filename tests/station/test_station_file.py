"""The file of a station: strict tables, every fault named, and the options of the command line."""

from __future__ import annotations

import json
import signal
import socket
import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from unittest.mock import ANY

import pytest
from hypothesis import given
from hypothesis import strategies as st

from excision.cli import run as run_cli
from excision.cli.serve import app as serve_app
from excision.errors import SettingsError
from excision.station.line.settings import LineSettings
from excision.station.station_file.file import examine, read_station_file
from excision.station.station_file.reading import Place, read_table
from excision.station.station_file.registry import TABLES, load
from excision.station.station_file.serving import ModelTable, StationTable
from excision.system.credentials import Secret
from excision.system.duration import Duration, read_duration, write_duration
from tests.signals.stand_in import free_port, wait_for
from tests.station.conftest import Start


def write(folder: Path, text: str) -> Path:
    path = folder / "station.toml"
    path.write_text(textwrap.dedent(text), "utf-8")
    return path


def test_a_file_is_read(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        """
        [station]
        name = "press 3"
        data = "kept"
        keep_days = ["30", "good=7"]
        shared = true
        [models.front]
        folder = "line/front"
        [models.back]
        folder = "/line/back"
        [signals]
        deadline = "500 ms"
        """,
    )
    file = read_station_file(path)
    table = file.one(StationTable)
    assert table is not None
    assert dict(table.words()) == {
        "--data": [str(tmp_path / "kept")],
        "--keep-days": ["30", "good=7"],
        "--shared": ["true"],
    }
    assert file.below("models") == {
        "front": ModelTable(tmp_path / "line/front"),
        "back": ModelTable(Path("/line/back")),
    }
    line = file.one(LineSettings)
    assert line is not None and line.deadline == 0.5 and line.heartbeat == 1.0


def test_every_fault_is_named_with_the_nearest_right_name(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        """
        signals_deadline = 3
        [statoin]
        [station]
        dta = "x"
        port = "8000"
        name = " press "
        [models.front]
        [models."a/b"]
        folder = "x"
        [signals]
        deadline = "soon"
        heartbeat = 3
        [signals.mqqt]
        """,
    )
    with pytest.raises(SettingsError) as caught:
        read_station_file(path)
    told = str(caught.value)
    for part in (
        "[statoin] is unknown: did you mean station?",
        "[station] dta is unknown: did you mean data?",
        "[station] port is '8000': it must be a whole number",
        "[models.front] folder is missing: it must be a path in quotes",
        "'a/b': a name has letters",
        "[signals] deadline is wrong: 'soon' is not a duration such as \"500 ms\"",
        "[signals] heartbeat is 3: it must be a duration",
        "[signals] mqqt is unknown",
        "station.toml: 9 things are wrong",
    ):
        assert part in told, told
    _, faults = examine(path)
    assert ("", "signals_deadline is unknown: did you mean signals?") in faults or any(
        "signals_deadline" in message for _, message in faults
    )


@pytest.mark.parametrize("content", [b"[station", b"\xff\xfe", b"a = " + b"[" * 5000, b"#" * (2**20 + 1)])
def test_what_is_no_toml_is_refused_in_one_line(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "station.toml"
    path.write_bytes(content)
    with pytest.raises(SettingsError, match=r"station\.toml: cannot be read"):
        read_station_file(path)


@dataclass(frozen=True)
class Inner:
    x: int = 0


@dataclass(frozen=True)
class Sample:
    kind: Literal["a", "b"]
    names: tuple[str, ...] = ()
    inner: Inner | None = None
    list: tuple[Inner, ...] = ()
    by_name: dict[str, Inner] | None = None
    either: float | str = 0.0
    password: Secret | None = None
    wait: Duration | None = None


def test_values_of_every_type(tmp_path: Path) -> None:
    place = Place(tmp_path / "station.toml", "sample")
    (tmp_path / "pass.txt").write_text("open sesame\n", "utf-8")
    values = {
        "kind": "b",
        "names": ["x", "y"],
        "inner": {"x": 3},
        "list": [{"x": 1}, {}],
        "by_name": {"early": {"x": 5}},
        "either": "text",
        "password": {"file": "pass.txt"},
        "wait": "2 min",
    }
    got = read_table(Sample, values, place)
    assert place.faults == []
    secret = Secret(tmp_path / "pass.txt")
    assert got == Sample(
        "b", ("x", "y"), Inner(3), (Inner(1), Inner()), {"early": Inner(5)}, "text", secret, 120.0
    )
    assert got.password.read() == "open sesame"


def test_a_secret_in_the_file_is_refused_and_not_repeated(tmp_path: Path) -> None:
    place = Place(tmp_path / "station.toml", "sample")
    assert read_table(Sample, {"kind": "a", "password": "hunter2"}, place) is None
    ((_, told),) = place.faults
    assert "hunter2" not in told and "a secret does not stand in this file" in told


@pytest.mark.parametrize(
    "values",
    [
        {"kind": "c"},
        {"kind": "a", "names": "x"},
        {"kind": "a", "names": [1]},
        {"kind": "a", "inner": 3},
        {"kind": "a", "list": {"x": 1}},
        {"kind": "a", "list": [{"y": 1}]},
        {"kind": "a", "either": True},
        {"kind": "a", "wait": "0 s"},
        {"kind": "a", "password": {}},
        {"kind": "a", "password": {"file": "x", "env": "Y"}},
        {},
    ],
)
def test_wrong_values_are_refused(tmp_path: Path, values: dict[str, object]) -> None:
    place = Place(tmp_path / "station.toml", "sample")
    assert read_table(Sample, values, place) is None
    assert len(place.faults) == 1


@given(st.integers(1, 10**9))
def test_durations_survive_writing(milliseconds: int) -> None:
    assert read_duration(write_duration(milliseconds / 1000)) == pytest.approx(milliseconds / 1000)


def test_every_table_of_the_registry_can_be_loaded() -> None:
    for entry in TABLES.values():
        for target in (entry.own, entry.each):
            if target is not None:
                load(target)


def test_keys_of_the_station_are_options_of_serve() -> None:
    """The same names, so that neither has what the other lacks; a hub has no file."""
    options = {
        name
        for argument in serve_app.assemble_argument_collection()
        for name in argument.names[:1]
        if name.startswith("--")
    }
    keys = {f"--{name.replace('_', '-')}" for name in StationTable.__dataclass_fields__} - {"--name"}
    assert options - keys == {"--file", "--hub", "--database", "--station-key-file", "--station"}
    assert keys <= options


def test_the_command_line_takes_precedence(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        """
        [station]
        port = 1234
        queue = 7
        [models.front]
        folder = "front"
        """,
    )
    _, bound, _ = serve_app.parse_args(["--file", str(path), "--port", "99"])
    arguments = bound.arguments
    assert arguments["door"].port == 99
    assert arguments["station"].queue == 7
    assert arguments["models"] == [f"front={tmp_path / 'front'}"]
    _, bound, _ = serve_app.parse_args(["other", "--file", str(path)])
    assert bound.arguments["models"] == ["other"]


def test_check_asks_the_counterparts(line: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(
        tmp_path,
        f"""
        [station]
        data = "kept"
        [models.fabric]
        folder = "{line}"
        [models.gone]
        folder = "nowhere"
        """,
    )
    assert run_cli(["station", "check", str(path), "--json", str(tmp_path / "out.json")]) == 1
    assert "1 of 3 wrong" in capsys.readouterr().out
    told = json.loads((tmp_path / "out.json").read_text("utf-8"))
    assert [one["ok"] for one in told["findings"]] == [True, True, False]
    path.write_text(path.read_text("utf-8").replace("[models.gone]\n", "").replace('folder = "nowhere"', ""))
    assert run_cli(["station", "check", str(path)]) == 0
    assert not (tmp_path / "kept").exists()


def test_check_knows_the_ports_of_the_station_that_runs(start: Start, line: Path, tmp_path: Path) -> None:
    port = free_port()
    path = write(
        tmp_path,
        f"""
        [station]
        data = "kept"
        [models.fabric]
        folder = "{line}"
        [cameras.front]
        kind = "folder"
        path = "{line}"
        [signals.modbus]
        port = {port}
        """,
    )

    def modbus() -> tuple[bool, str]:
        run_cli(["station", "check", str(path), "--json", str(tmp_path / "out.json")])
        told = json.loads((tmp_path / "out.json").read_text("utf-8"))
        (found,) = (one for one in told["findings"] if one["table"] == "signals.modbus")
        return found["ok"], found["message"]

    with socket.create_server(("127.0.0.1", port)):
        assert modbus() == (False, ANY)
    service = start("--file", path, model=None, data=tmp_path / "kept")
    wait_for(
        lambda: (
            modbus()
            == (True, f"127.0.0.1:{port}: the station itself listens here (process {service.process.pid})")
        )
    )
    service.stop(signal.SIGKILL)
    with socket.create_server(("127.0.0.1", port)):
        ok, message = modbus()
        assert not ok and "another program listens there" in message

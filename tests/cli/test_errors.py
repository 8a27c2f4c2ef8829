"""What goes wrong is said in one line on standard error, with status 2."""

from __future__ import annotations

import builtins
from pathlib import Path
from typing import Any

import pytest

from excision.cli import run
from excision.settings import Settings
from tests.cli.conftest import excision
from tests.compatibility.test_format_1 import HERE


def failure(capsys: pytest.CaptureFixture[str], *words: object) -> str:
    """Run a verb that must fail, and give the one line it says."""
    assert run([str(word) for word in words]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    lines = [line for line in told.err.splitlines() if line.startswith("excision: error: ")]
    assert len(lines) == 1
    assert "Traceback" not in told.err
    return lines[0]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["chek"], 'Did you mean "check"'),
        (["chek"], "(see excision --help)"),
        (["train", "parts"], "--out"),
        (["train", "parts"], "(see excision train --help)"),
        (["attention", "show"], "(see excision attention show --help)"),
        (["train", "parts", "--out", "run", "--stepps", "3"], "Did you mean --steps"),
        (["train", "parts", "--out", "run", "--mask.fil", "mean"], "Did you mean --mask.fill"),
        (["train", "parts", "--out", "run", "--mask.fill", "glue"], '"mosaic"'),
        (["train", "parts", "--out", "run", "--size", "64"], "--size"),
        (["train", "parts", "--out", "run", "--false-alarm-rate", "few"], "--false-alarm-rate"),
        (["train", "parts", "--out", "run", "--steps", "0"], "training.steps is 0"),
        (["train", "parts", "--out", "run", "--false-alarm-rate", "200%"], "false_alarm_rate is 2"),
        (["train", "parts", "--out", "run", "--false-alarm-rate", "5"], "write 5% for 5 per cent"),
        (["check", "nowhere"], "nowhere: no such file or folder"),
        (["check", "nowhere", "--layout", "pile"], '"pile" is unknown'),
        (["info", "nowhere"], "nowhere"),
        (["evaluate", "nowhere", "parts"], "excision train"),
        (["inspect", "nowhere", "a.png", "--out", "results"], "excision train"),
        (["attention", "coverage", "nowhere", "--size", "64", "64", "--budget", "2"], "--budget is 2"),
        (["attention", "pretrain", "--mnist", "nowhere"], "nowhere"),
        (["synth", "--out", "data", "--size", "8", "8"], "8 x 8"),
    ],
    ids=" ".join,
)
def test_mistakes(
    words: list[str],
    said: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert said in failure(capsys, *words)
    assert list(tmp_path.iterdir()) == [], "a mistake leaves nothing behind"


def test_unwritable_place(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    assert str(tmp_path / "file") in failure(capsys, "synth", "--out", tmp_path / "file" / "data")


def test_missing_extra(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """An installation without torch says what to install."""
    found = builtins.__import__

    def without_torch(name: str, *rest: Any, **more: Any) -> Any:
        if name == "excision.detector":
            raise ModuleNotFoundError("No module named 'torch'", name="torch")
        return found(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", without_torch)
    assert "excision[train]" in failure(capsys, "evaluate", HERE / "run", "parts")


def test_fault_of_the_program_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").touch()

    def broken(*_: Any, **__: Any) -> None:
        raise ModuleNotFoundError("No module named 'excision.gone'", name="excision.gone")

    monkeypatch.setattr(Settings, "load", broken)
    with pytest.raises(ModuleNotFoundError):
        run(["info", str(tmp_path)])


def test_process_ends_with_status_two(tmp_path: Path) -> None:
    done = excision("check", tmp_path / "nowhere")
    assert done.returncode == 2
    assert done.stderr.startswith("excision: error: ")
    assert done.stdout == ""


def test_a_newline_in_a_name_breaks_no_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "par\nts" / "good").mkdir(parents=True)
    said = failure(capsys, "check", tmp_path / "par\nts")
    assert r"par\nts: contains no usable images" in said
    assert r"no\nwhere: no such file or folder" in failure(capsys, "check", tmp_path / "no\nwhere")

"""Help: fast, and enough to begin with."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys

import pytest

from excision import __version__
from excision.cli import VERBS, run
from excision.settings import Settings
from tests.cli.conftest import command, environment

HEAVY = {"torch", "numpy", "scipy", "matplotlib", "jinja2", "PIL", "tifffile"}
ATTENTION = ("show", "coverage", "pretrain")


def test_help_is_fast() -> None:
    """Processor time, best of five: what else the machine does is not the program's fault."""
    durations = []
    for _ in range(5):
        before = os.times()
        subprocess.run(command("--help"), capture_output=True, check=True, env=environment())
        after = os.times()
        spent = after.children_user + after.children_system - before.children_user - before.children_system
        durations.append(spent)
    assert min(durations) < 0.5


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; from excision.cli import run; run(['--help']); run(['train', '--help']); "
        "print('loaded:', *sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = done.stdout.rpartition("loaded:")[2].split()
    assert "cyclopts" in loaded
    assert not HEAVY & set(loaded)


def test_root_help_names_every_verb(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--help"]) == 0
    shown = capsys.readouterr().out
    for verb in VERBS:
        assert f" {verb} " in shown


@pytest.mark.parametrize(
    "words", [[verb] for verb in VERBS] + [["attention", verb] for verb in ATTENTION], ids=" ".join
)
def test_every_verb_teaches(
    words: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    assert run([*words, "--help"]) == 0
    shown = capsys.readouterr().out
    usage, _, rest = shown.partition("\n")
    verb = " ".join(["excision", *words])
    assert usage.startswith(f"Usage: {verb}")
    assert f"{verb} " in rest, "there is an example"
    if len(words) == 1:
        assert VERBS[words[0]] in rest


def test_train_help_names_every_setting(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    run(["train", "--help"])
    shown = capsys.readouterr().out
    for section, values in dataclasses.asdict(Settings()).items():
        for name in values:
            assert f"--{section}.{name.replace('_', '-')} " in shown


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--version"]) == 0
    assert capsys.readouterr().out.strip() == __version__

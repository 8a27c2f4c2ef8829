"""Help: fast, and enough to begin with."""

from __future__ import annotations

import dataclasses
import os
import re
import subprocess
import sys
from typing import Any

import pytest

from excision.cli import VERBS, build, run
from excision.cli.arguments import option_name
from excision.settings import Settings
from excision.settings.reference import SettingReference, list_settings
from excision.version import __version__
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


def test_verbs_import_nothing_heavy_before_they_run() -> None:
    """Not even rich, which only bars, tables and help texts need."""
    modules = ", ".join(f"excision.cli.{verb}" for verb in VERBS)
    code = f"import sys, {modules}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {*HEAVY, "rich"} & set(done.stdout.split())


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


def options(shown: str) -> list[str]:
    """Give the names of the options of a help text, the names of one option beside each other."""
    panels = [line.strip("\u2502 *") for line in shown.splitlines() if line.startswith("\u2502")]
    return [re.split(r"  +", line)[0] for line in panels if line.startswith("--")]


def help_text(*words: str) -> str:
    """Show a help text in a process of its own, on a terminal so wide that no option is broken.

    A console keeps the width that it first had.
    """
    wide = {**environment(), "COLUMNS": "400"}
    return subprocess.run(command(*words), capture_output=True, text=True, check=True, env=wide).stdout


COMMON = ["--size", "--tile", "--smallest-defect", "--mm-per-pixel", "--steps", "--seed"]
COMMON += ["--false-alarm-rate", "--groups", "--confidence", "--unfit-rate"]


def test_train_help_shows_few_options() -> None:
    shown = help_text("train", "--help")
    assert [names.split()[0] for names in options(shown)] == [
        *["--out", "--resume", *COMMON, "--settings", "--layout", "--leave-out", "--device", "--few"],
        "--defects",
        "--drop-suspects",
    ]
    assert "excision train --help-all" in shown


def test_benchmark_help_shows_its_own_options_and_the_common_settings() -> None:
    shown = [names.split()[0] for names in options(help_text("benchmark", "--help"))]
    assert sorted(shown) == sorted(
        [
            *["--out", "--methods", "--ablations", "--preset", "--seeds", "--minutes", "--runs"],
            *["--engine", "--address", "--threads", "--gpus"],
            *["--speed-peers", "--peers", "--engines", "--inference-threads", "--rounds", "--ear"],
            *[*COMMON, "--layout", "--leave-out", "--json", "--settings"],
        ]
    )


@pytest.mark.parametrize("verb", ["train", "benchmark"])
def test_help_all_shows_every_setting_once(verb: str) -> None:
    shown = help_text(verb, "--help-all")
    names = [name for line in options(shown) for name in line.split()]
    for section, values in dataclasses.asdict(Settings()).items():
        for name in values:
            assert names.count(f"--{section}.{name.replace('_', '-')}") == 1, name
    titles = re.findall(r"^\u256d\u2500 (.+?) \u2500", shown, re.MULTILINE)
    # A section all of whose settings are marked has no panel of its own.
    assert titles[2:] == [
        f"More settings: {title}"
        for title in (
            *["image", "attention", "mask", "recovery", "score", "training", "calibration"],
            *["advanced", "for experiments"],
        )
    ]
    last = shown.partition("More settings: for experiments")[2]
    marked = {name for line in options(last) for name in line.split() if re.match(r"--\w+\.(?!no-)", name)}
    assert marked == {
        option_name(each.full_name) for each in list_settings() if each.audience == "experiments"
    }


@pytest.mark.parametrize(
    "words",
    [["train", "parts", "--out", "run", "--help-all"], ["--help-all", "train"], ["train", "--help-all"]],
)
def test_help_all_works_anywhere(words: list[str]) -> None:
    assert "--score.top FLOAT" in help_text(*words)


def test_help_all_of_a_verb_without_more_options_is_its_help() -> None:
    assert help_text("check", "--help-all") == help_text("check", "--help")
    assert help_text("--help-all") == help_text("--help")


def test_help_all_after_the_end_of_the_options_is_a_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["check", "--", "--help-all"]) == 2
    assert "--help-all: no such file or folder" in capsys.readouterr().err


def test_every_setting_is_an_option() -> None:
    """Its default, given as an option, is read as the same value of the same type."""
    derived: dict[str, Any] = {
        "image.size": (48, 64),
        "image.tile": (48, 64),
        "image.channels": 3,
        "image.smallest_defect": "0.5mm",
        "image.mm_per_pixel": 0.02,
    }
    defaults = {each: derived.get(each.full_name, each.default) for each in list_settings()}
    words = [word for setting, default in defaults.items() for word in as_words(setting, default)]
    _, bound, unused, *_ = build().parse_known_args(["train", "parts", "--out", "run", *words])
    assert unused == []
    for setting, default in defaults.items():
        given = getattr(getattr(bound.arguments["options"], setting.section), setting.name)
        assert (given, type(given)) == (default, type(default)), setting.full_name


def as_words(setting: SettingReference, value: Any) -> list[str]:
    """Give the option that sets a setting to a value."""
    name = option_name(setting.full_name)
    if isinstance(value, bool):
        return [name if value else f"--{setting.section}.no-{setting.name.replace('_', '-')}"]
    return [name, *map(str, value if isinstance(value, tuple) else [value])]


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--version"]) == 0
    assert capsys.readouterr().out.strip() == __version__

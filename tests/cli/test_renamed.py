"""Old names of settings and options: accepted, with one line that says the new name."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from excision.cli import run as main
from excision.cli.arguments import with_new_names
from excision.errors import RenamedWarning, SettingsError
from excision.settings import Settings
from excision.settings.renamed import RENAMED
from tests.cli.conftest import TINY, excision


def test_new_names_are_settings_and_old_ones_are_not() -> None:
    for old, new in RENAMED.items():
        section, _, name = new.partition(".")
        assert hasattr(getattr(Settings(), section), name)
        section, _, name = old.partition(".")
        assert not hasattr(getattr(Settings(), section), name)


def test_the_documentation_lists_old_names() -> None:
    page = (Path(__file__).parents[2] / "docs" / "settings.md").read_text("utf-8")
    rows = re.findall(r"^\| `([\w.]+)` \| `([\w.]+)` \|$", page, re.MULTILINE)
    assert dict(rows) == RENAMED


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (["--attention.trust", "3"], ["--attention.pretraining-weight", "3"]),
        (["--attention.trust=3"], ["--attention.pretraining-weight=3"]),
        (["a.png", "--recovery.rehearsal", "0.1"], ["a.png", "--recovery.replay", "0.1"]),
    ],
)
def test_old_options_are_replaced(words: list[str], meant: list[str]) -> None:
    with pytest.warns(
        RenamedWarning, match=f"is now called {meant[-1 if '=' in meant[-1] else -2].split('=')[0]}"
    ):
        assert with_new_names(words) == meant


@pytest.mark.parametrize("words", [["--mask.fill", "mean"], ["--", "--attention.trust"], ["attention.trust"]])
def test_other_words_stay_as_they_are(words: list[str]) -> None:
    assert with_new_names(words) == words


def test_old_names_of_a_settings_file(tmp_path: Path) -> None:
    path = tmp_path / "settings.toml"
    path.write_text("[attention]\ntrust = 30\n[recovery]\nrehearsal = 0.25\n")
    with pytest.warns(RenamedWarning) as caught:
        settings = Settings.load(path)
    assert (settings.attention.pretraining_weight, settings.recovery.replay) == (30, 0.25)
    assert [str(each.message) for each in caught] == [
        f"{path}: the setting attention.trust is now called attention.pretraining_weight",
        f"{path}: the setting recovery.rehearsal is now called recovery.replay",
    ]
    # The file points to where it was loaded from, so that Python's own format is of use as well.
    assert {each.filename for each in caught} == {__file__}
    assert Settings.load(path, warn_of_old_names=False) == settings


def test_a_setting_under_both_names_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "settings.toml"
    path.write_text("[attention]\ntrust = 30\npretraining_weight = 40\n")
    with pytest.raises(SettingsError, match=r"attention\.trust is now called attention\.pretraining_weight"):
        Settings.load(path, warn_of_old_names=False)


def test_notes_are_one_line_each_on_stderr(parts: Path, tmp_path: Path) -> None:
    file, run = tmp_path / "old.toml", tmp_path / "run"
    file.write_text("[recovery]\nrehearsal = 0.25\n")
    options = ["--steps", 2, "--attention.trust", 30, "--settings", file]
    done = excision("train", parts, "--out", run, *TINY, *options)
    assert done.returncode == 0, done.stderr
    notes = [line for line in done.stderr.splitlines() if "is now called" in line]
    assert notes == [
        "excision: note: the option --attention.trust is now called --attention.pretraining-weight",
        f"excision: note: {file}: the setting recovery.rehearsal is now called recovery.replay",
    ]
    assert "RenamedWarning" not in done.stderr
    settings = Settings.load(run / "settings.toml")
    assert (settings.attention.pretraining_weight, settings.recovery.replay) == (30, 0.25)


def test_a_mistake_after_an_old_option_is_still_one_error(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.warns(RenamedWarning):
        assert main(["train", "parts", "--out", "run", "--attention.trust", "much"]) == 2
    assert "--attention.pretraining-weight" in capsys.readouterr().err

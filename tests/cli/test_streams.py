"""Output that nobody reads, or that cannot be written: the work is done, and the status says so."""

from __future__ import annotations

import os
import shlex
import subprocess
from pathlib import Path

import pytest

from tests.cli.conftest import command, environment
from tests.compatibility.test_format_1 import HERE

FULL = Path("/dev/full")


def shell(line: str, *words: object, **extra: str) -> subprocess.CompletedProcess[str]:
    """Run a line of bash in which $E is a command line of Excision."""
    script = line.replace("$E", shlex.join(command(*words)))
    return subprocess.run(
        ["bash", "-c", script],
        capture_output=True,
        text=True,
        check=False,
        env={**environment(), **extra},
        timeout=120,
    )


# An exported folder: what is written where does not depend on the model, and this one needs no torch.
LINE, GOOD, DEFECTIVE = HERE / "exported", HERE / "0.png", HERE / "2.png"


@pytest.mark.parametrize("line", ["$E | head -1; exit ${PIPESTATUS[0]}", "$E >&- 2>&-"])
def test_the_status_of_inspect_is_its_verdict(line: str, tmp_path: Path) -> None:
    done = shell(line, "inspect", LINE, DEFECTIVE, "--out", tmp_path / "out")
    assert (done.returncode, "Traceback" in done.stderr) == (1, False), done.stderr
    assert (tmp_path / "out" / "report.html").is_file()


@pytest.mark.skipif(not FULL.exists(), reason="needs /dev/full")
def test_a_full_output_is_an_error_after_the_work(tmp_path: Path) -> None:
    done = shell("$E > /dev/full", "inspect", LINE, GOOD, "--out", tmp_path / "out")
    assert done.returncode == 2
    assert "standard output: No space left on device" in done.stderr
    assert "Traceback" not in done.stderr
    assert (tmp_path / "out" / "report.html").is_file()


REDIRECTIONS = ("| true", ">&-", "2>&-", ">&- 2>&- <&-", "2>/dev/full")
# A table, and an error; the others only print.
QUICK = [(words, each) for words in ("check PARTS", "train nowhere --out x") for each in REDIRECTIONS]
QUICK += [(words, each) for words in ("--help", "--version", "info RUN") for each in REDIRECTIONS[:2]]


@pytest.mark.parametrize(("command_line", "redirection"), QUICK)
def test_quick_commands(
    command_line: str, redirection: str, trained: tuple[Path, str], parts: Path, tmp_path: Path
) -> None:
    words = command_line.split()
    places = {"PARTS": str(parts), "RUN": str(trained[0]), "x": str(tmp_path / "x")}
    done = shell(f'$E {redirection}; exit "${{PIPESTATUS[0]}}"', *(places.get(word, word) for word in words))
    assert done.returncode == (2 if words[0] == "train" else 0), done.stderr
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr


@pytest.mark.skipif(not FULL.exists(), reason="needs /dev/full")
@pytest.mark.parametrize("words", [["--help"], ["--version"]])
def test_help_that_cannot_be_printed_is_an_error(words: list[str]) -> None:
    done = shell("$E > /dev/full", *words)
    assert done.returncode == 2
    assert "No space left" in done.stderr


@pytest.mark.parametrize("encoding", [{"PYTHONIOENCODING": "ascii"}, {"LC_ALL": "C", "PYTHONUTF8": "0"}])
def test_a_terminal_of_few_characters(encoding: dict[str, str], tmp_path: Path) -> None:
    name = "\u6f22\U0001f600\n\x1b[2J.png"
    folder = tmp_path / "odd"
    folder.mkdir()
    (folder / name).write_bytes(b"no image")
    (folder / os.fsdecode(b"\xff.png")).write_bytes(GOOD.read_bytes())
    done = shell("$E", "inspect", LINE, folder, "--out", tmp_path / "out", **encoding)
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    assert "\x1b" not in done.stdout + done.stderr
    assert "1 not inspected" in done.stdout
    (reason,) = [line for line in done.stdout.splitlines() if line.startswith("  ")]
    assert "\\n\\x1b[2J.png: " in reason

"""Output that nobody reads, or that cannot be written: the work is done, and the status says so."""

from __future__ import annotations

import os
import shlex
import subprocess
from pathlib import Path

import pytest
from PIL import Image

from tests.cli.conftest import command, environment

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


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory, parts: Path) -> Path:
    """A good part, and one with a stripe that no fabric has."""
    folder = tmp_path_factory.mktemp("streams")
    with Image.open(parts / "train" / "good" / "000.png") as image:
        image.save(folder / "good.png")
        image.paste(255, (8, 20, 56, 30))
        image.save(folder / "striped.png")
    return folder


@pytest.mark.parametrize("line", ["$E | head -1; exit ${PIPESTATUS[0]}", "$E >&- 2>&-"])
def test_the_status_of_inspect_is_its_verdict(
    line: str, trained: tuple[Path, str], pictures: Path, tmp_path: Path
) -> None:
    done = shell(line, "inspect", trained[0], pictures / "striped.png", "--out", tmp_path / "out")
    assert (done.returncode, "Traceback" in done.stderr) == (1, False), done.stderr
    assert (tmp_path / "out" / "report.html").is_file()


@pytest.mark.skipif(not FULL.exists(), reason="needs /dev/full")
def test_a_full_output_is_an_error_after_the_work(
    trained: tuple[Path, str], pictures: Path, tmp_path: Path
) -> None:
    done = shell("$E > /dev/full", "inspect", trained[0], pictures / "good.png", "--out", tmp_path / "out")
    assert done.returncode == 2
    assert "standard output: No space left on device" in done.stderr
    assert "Traceback" not in done.stderr
    assert (tmp_path / "out" / "report.html").is_file()


@pytest.mark.parametrize("redirection", ["| true", ">&-", "2>&-", ">&- 2>&- <&-", "2>/dev/full"])
@pytest.mark.parametrize(
    "words",
    [["--help"], ["--version"], ["check", "PARTS"], ["info", "RUN"], ["train", "nowhere", "--out", "x"]],
)
def test_quick_commands(
    words: list[str], redirection: str, trained: tuple[Path, str], parts: Path, tmp_path: Path
) -> None:
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
def test_a_terminal_of_few_characters(
    encoding: dict[str, str], trained: tuple[Path, str], pictures: Path, tmp_path: Path
) -> None:
    name = "\u6f22\U0001f600\n\x1b[2J.png"
    folder = tmp_path / "odd"
    folder.mkdir()
    (folder / name).write_bytes(b"no image")
    (folder / os.fsdecode(b"\xff.png")).write_bytes((pictures / "good.png").read_bytes())
    done = shell("$E", "inspect", trained[0], folder, "--out", tmp_path / "out", **encoding)
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    assert "\x1b" not in done.stdout + done.stderr
    assert "1 not inspected" in done.stdout
    (reason,) = [line for line in done.stdout.splitlines() if line.startswith("  ")]
    assert "\\n\\x1b[2J.png: " in reason

"""Files that a verb writes where the user says never replace anything of another kind."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from excision.cli import run
from excision.system.files import write_text
from tests.cli.conftest import excision
from tests.cli.test_errors import failure


def image_of(parts: Path, folder: Path) -> Path:
    """Copy an image of a data set."""
    target = folder / "part.jpeg"
    target.write_bytes(next(parts.rglob("*.png")).read_bytes())
    return target


@pytest.mark.parametrize(
    "words",
    [
        ["check", "DATA", "--json"],
        ["info", "RUN", "--json"],
        ["bench", "RUN", "--json"],
        ["evaluate", "RUN", "DATA", "--json"],
        ["benchmark", "DATA", "--out", "OUT", "--json"],
        ["benchmark", "--speed-peers", "--out", "OUT", "--json"],
        ["attention", "coverage", "DATA", "--size", "64", "64", "--json"],
        ["cleanup", "OUT", "--keep-days", "1", "--json"],
        ["backup", "OUT", "--to", "OUT", "--json"],
        ["station", "user", "list", "OUT", "--json"],
        ["station", "audit", "verify", "OUT", "--json"],
        ["station", "audit", "export", "OUT", "--out"],
        ["station", "check", "OUT", "--json"],
        ["station", "modbus-map", "--csv"],
        ["report", "OUT", "--out"],
    ],
    ids=lambda words: " ".join(words[:3]),
)
def test_no_verb_replaces_an_image(
    words: list[str],
    parts: Path,
    trained: tuple[Path, str],
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    image, out = image_of(parts, tmp_path), tmp_path / "out"
    content = image.read_bytes()
    places = {"DATA": parts, "RUN": trained[0], "OUT": out}
    said = failure(capsys, *(places.get(word, word) for word in words), image)
    assert str(image) in said and "not replaced" in said
    assert image.read_bytes() == content
    assert list(tmp_path.iterdir()) == [image], "nothing was done"


def test_own_files_of_the_right_ending_stay(
    parts: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """TOML begins with a bracket as JSON does, and a file may be called JSON without being it."""
    for name, content in {
        "settings.toml": "[image]\n",
        "notes.json": "notes\n",
        "page.html": "notes\n",
    }.items():
        (tmp_path / name).write_text(content)
        words = ["report", tmp_path, "--out"] if name == "page.html" else ["check", parts, "--json"]
        assert "not replaced" in failure(capsys, *words, tmp_path / name)
        assert (tmp_path / name).read_text() == content


def test_earlier_figures_are_replaced(parts: Path, tmp_path: Path) -> None:
    target = tmp_path / "new" / "figures.json"
    for _ in range(2):
        assert run(["check", str(parts), "--json", str(target)]) == 0
        assert json.loads(target.read_text("utf-8"))["training"] is not None
        target.write_text("[]" if target.stat().st_size > 2 else "")
    assert [path.name for path in target.parent.iterdir()] == ["figures.json"]


@pytest.mark.parametrize("place", ["FILE/figures.json", "/proc/figures.json", "FOLDER"])
def test_a_place_that_cannot_be_written_is_found_before_the_work(
    place: str, parts: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    place = place.replace("FILE", str(tmp_path / "file")).replace("FOLDER", str(tmp_path))
    said = failure(capsys, "check", parts, "--json", place)  # it also asserts that nothing was printed
    assert place in said and ".figures-" not in said


def test_figures_go_to_standard_output(parts: Path) -> None:
    before = os.lstat("/dev/stdout")
    done = excision("check", parts, "--json", "/dev/stdout")
    assert done.returncode == 0, done.stderr
    assert os.lstat("/dev/stdout") == before
    assert json.JSONDecoder().raw_decode(done.stdout)[0]["layout"] == "mvtec"


def test_figures_go_to_a_pipe(parts: Path, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        assert run(["check", str(parts), "--json", str(pipe)]) == 0
        assert json.loads(os.read(reader, 2**20))["layout"] == "mvtec"
    finally:
        os.close(reader)
    assert pipe.is_fifo()


def test_a_full_disk_is_named_with_what_to_do(
    trained: tuple[Path, str], parts: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """`/dev/full` answers every write as a full disk does."""
    said = failure(capsys, "check", parts, "--json", "/dev/full")
    assert said == "excision: error: /dev/full: the disk is full: make room on it"
    (tmp_path / "results.jsonl").symlink_to("/dev/full")
    image = next((parts / "test" / "good").iterdir())
    said = failure(capsys, "inspect", trained[0], image, "--out", tmp_path, "--resume")
    assert said == (
        f"excision: error: {tmp_path / 'results.jsonl'}: the disk is full: make room on it, then continue "
        "with the same command and --resume"
    )


def test_a_file_system_that_refuses_names_the_file_that_was_meant() -> None:
    with pytest.raises(OSError) as caught:
        write_text(Path("/proc/figures.json"), "{}")
    assert caught.value.filename == "/proc/figures.json"

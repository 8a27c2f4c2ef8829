from __future__ import annotations

import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from excision.cli import run
from excision.data.groups.times import time_in_name


def fill(folder: Path, count: int, first: int = 0) -> None:
    folder.mkdir(exist_ok=True)
    for number in range(first, first + count):
        values = np.random.default_rng(number).integers(40, 200, (48, 64), dtype=np.uint8)
        Image.fromarray(values).save(folder / f"{number:03d}.png")


def capture(out: Path, folder: Path, *words: str) -> int:
    return run(["capture", "--out", str(out), "--camera", "folder", "--path", str(folder), *words])


def test_pictures_of_a_camera_become_a_training_set(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fill(tmp_path / "line", 6)
    assert capture(tmp_path / "parts", tmp_path / "line", "--good", "5") == 0
    saved = sorted((tmp_path / "parts" / "good").iterdir())
    assert len(saved) == 5
    for number, path in enumerate(saved):
        original = np.asarray(Image.open(tmp_path / "line" / f"{number:03d}.png"))
        assert np.array_equal(np.asarray(Image.open(path)), original)
        assert abs((time_in_name(path.name) or 0) - time.time()) < 60
        assert re.fullmatch(rf"folder_\d{{8}}-\d{{6}}_\d{{3}}_{number + 1:05d}\.png", path.name)
    assert "5 of 5 good parts are in" in capsys.readouterr().out
    assert run(["check", str(tmp_path / "parts")]) == 0


def test_the_same_part_twice_is_skipped_also_after_a_restart(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fill(tmp_path / "line", 3)
    for number in range(3):
        content = (tmp_path / "line" / f"{number:03d}.png").read_bytes()
        (tmp_path / "line" / f"{number:03d}b.png").write_bytes(content)
    assert capture(tmp_path / "parts", tmp_path / "line", "--good", "4") == 2
    shown = capsys.readouterr()
    assert "no more pictures: 3 of 4 are there" in shown.err
    fill(tmp_path / "more", 2, first=2)
    assert capture(tmp_path / "parts", tmp_path / "more", "--good", "4") == 0
    assert "Skipped 1 pictures that looked like the last one" in capsys.readouterr().out
    assert len(list((tmp_path / "parts" / "good").iterdir())) == 4
    assert capture(tmp_path / "all", tmp_path / "line", "--good", "6", "--keep-all") == 0
    assert len(list((tmp_path / "all" / "good").iterdir())) == 6


def test_hints_say_what_to_mind_and_name_the_files(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fill(tmp_path / "line", 1)
    Image.fromarray(np.full((48, 64), 255, np.uint8)).save(tmp_path / "line" / "b.png")
    assert capture(tmp_path / "parts", tmp_path / "line", "--good", "2") == 0
    shown = capsys.readouterr()
    assert "over-exposed: much of the picture is white: shorten the exposure" in shown.err
    assert re.search(r"over-exposed: folder_\S+_00002\.png", shown.out)


def test_ctrl_c_loses_nothing_and_the_same_command_continues(tmp_path: Path) -> None:
    fill(tmp_path / "line", 40)
    out = tmp_path / "parts"
    words = [
        "--out",
        str(out),
        "--camera",
        "folder",
        "--path",
        str(tmp_path / "line"),
        "--rate",
        "20",
        "--loop",
    ]
    command = [sys.executable, "-m", "excision", "capture", "--good", "30", *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        end = time.monotonic() + 300
        while not out.is_dir() or len(list((out / "good").glob("folder*.png"))) < 5:
            assert time.monotonic() < end
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        shown, faults = process.communicate(timeout=300)
    assert process.returncode == 130
    assert "stopped; run the same command again to continue" in faults
    saved = sorted((out / "good").iterdir())
    assert f"{len(saved)} of 30 good parts" in shown
    assert all(np.asarray(Image.open(path)).shape == (48, 64) for path in saved)
    before = {path.name for path in saved}
    assert run(["capture", "--good", "30", *words]) == 0
    after = sorted((out / "good").iterdir())
    assert len(after) == 30
    assert before < {path.name for path in after}
    assert [path.stem[-5:] for path in sorted(after, key=lambda one: one.stem[-5:])] == [
        f"{number:05d}" for number in range(1, 31)
    ]


def test_a_camera_of_a_station_is_taken_by_its_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fill(tmp_path / "line", 3)
    file = tmp_path / "station.toml"
    file.write_text('[cameras.front]\nkind = "folder"\npath = "line"\n')
    words = ["capture", "--good", "3", "--out", str(tmp_path / "parts"), "--file", str(file)]
    assert run(words) == 0
    assert all(path.name.startswith("front_") for path in (tmp_path / "parts" / "good").iterdir())
    assert run([*words, "--camera", "back"]) == 2
    assert "there is no [cameras.back]; its cameras: front" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "--camera is missing: it must be folder"),
        (["--camera", "webcam"], "--camera is 'webcam': it must be folder"),
        (["--camera", "folder"], "--path is missing: a camera of the kind folder needs it"),
        (
            ["--camera", "folder", "--path", "x", "--gain", "3"],
            "--gain has no meaning for a camera",
        ),
        (
            ["--camera", "http", "--url", "http://u:geheim@cam/a"],
            "--camera http: url holds a user or",
        ),
        (["--camera", "genicam", "--feature", "Gamma"], "--feature is 'Gamma': it must be NAME=VALUE"),
        (["--camera", "genicam", "--exposure-us", "-1"], "--camera genicam: exposure_us is -1"),
        (["--camera", "folder", "--path", "/nowhere", "--wait", "0.1"], "/nowhere: there is no such folder"),
    ],
)
def test_what_is_wrong_with_an_option_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    assert run(["capture", "--out", str(tmp_path), *words]) == 2
    shown = capsys.readouterr().err
    assert said in shown
    assert "geheim" not in shown


def test_cameras_are_listed_with_what_is_missing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PYLON_CAMEMU", "2")
    assert run(["capture", "--list"]) == 0
    shown = capsys.readouterr().out
    assert re.search(r"^basler +(0815-0000  \(Basler Emulation\)|.*pip install)", shown, re.MULTILINE)
    assert re.search(r"^genicam +(none found|\S+  \(|.*apt-get install)", shown, re.MULTILINE)

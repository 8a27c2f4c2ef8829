"""`excision fleet train`: a model fails, the command is stopped and killed, and nothing is done twice."""

from __future__ import annotations

import csv
import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from safetensors.numpy import load_file

from excision.cli import run as main
from excision.data import load_dataset
from excision.detector import Detector
from excision.fleet.plan import read_fleet
from excision.method.run_folder import CHECKPOINT, MODEL
from tests.cli.conftest import command, environment
from tests.fleet.conftest import SETTINGS, PoolHere


def fleet_of(plants: Path, folder: Path, more: str = "") -> Path:
    file = folder / "fleet.toml"
    models = f'[models.gone]\ndata = "nowhere"\n[models.a]\ndata = "{plants}/a"\n'
    file.write_text(f'{SETTINGS}\n{models}[models.b]\ndata = "{plants}/b"\n{more}\n', "utf-8")
    return file


def rows_of(out: Path) -> dict[str, dict[str, Any]]:
    content = json.loads((out / "fleet.json").read_text("utf-8"))
    return {row["name"]: row for row in content["models"]}


def started(words: list[object], until: Callable[[], bool]) -> subprocess.Popen[str]:
    process = subprocess.Popen(command(*words), stderr=subprocess.PIPE, text=True, env=environment())
    deadline = time.monotonic() + 600
    while not until():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return process


def children(parent: int) -> list[int]:
    tasks = Path(f"/proc/{parent}/task").iterdir()
    return [int(word) for task in tasks for word in (task / "children").read_text().split()]


def test_stopped_and_killed_it_goes_on_to_the_same_weights(
    plants: Path, tmp_path: Path, here: PoolHere
) -> None:
    file, out = fleet_of(plants, tmp_path, "steps = 150"), tmp_path / "out"
    words: list[object] = ["fleet", "train", file, "--out", out, "--workers", 1]
    long = out / "b"
    done = lambda: (long / CHECKPOINT).is_file() and rows_state(out / "a") == "finished"  # noqa: E731
    process = started(words, done)
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=6000)
    assert process.returncode == 130
    assert "stopped; continue with the same command: excision fleet train" in said
    assert "failed: gone: " in said
    assert "Traceback" not in said
    assert {name: row["state"] for name, row in rows_of(out).items()} == {
        "a": "finished",
        "b": "not finished",
        "gone": "failed",
    }
    first, weights = (long / CHECKPOINT).read_bytes(), (out / "a" / MODEL).stat()
    process = started(words, lambda: (long / CHECKPOINT).read_bytes() != first)
    (orphan,) = children(process.pid)
    process.kill()
    os.kill(orphan, signal.SIGKILL)
    process.communicate(timeout=600)
    assert not (long / MODEL).exists()
    assert main([str(word) for word in words]) == 2
    assert here.names == ["gone", "b"]
    assert (out / "a" / MODEL).stat().st_mtime_ns == weights.st_mtime_ns
    model = read_fleet(file)[2]
    wanted = Detector(model.settings, device="cpu").fit(load_dataset(plants / "b"), tmp_path / "alone")
    again = load_file(long / MODEL)
    assert all((again[key] == value).all() for key, value in load_file(tmp_path / "alone" / MODEL).items())
    assert rows_of(out)["b"]["threshold"] == wanted.threshold


def rows_state(folder: Path) -> str:
    file = folder / "fleet_model.json"
    return str(json.loads(file.read_text())["steps"]["train"]["state"]) if file.is_file() else ""


def test_what_changed_is_trained_again_and_the_earlier_model_is_kept(
    plants: Path, tmp_path: Path, here: PoolHere, capsys: pytest.CaptureFixture[str]
) -> None:
    own = tmp_path / "plants"
    shutil.copytree(plants, own)
    file, out = fleet_of(own, tmp_path), tmp_path / "out"
    words = ["fleet", "train", str(file), "--out", str(out), "--also", "parquet"]
    assert main(words) == 2
    told = capsys.readouterr().out
    assert "Failed: gone: " in told
    assert "2 of 3 trained" in told
    rows = rows_of(out)
    assert (rows["a"]["state"], rows["gone"]["needs"]) == ("finished", "failed")
    assert rows["a"]["needs"] == "promise missed; groups not sure"
    assert "from 2 images in 2 groups" in rows["a"]["reasons"]
    with (out / "fleet.csv").open(newline="") as stream:
        assert [row["name"] for row in csv.DictReader(stream)] == ["gone", "a", "b"]
    import polars

    assert polars.read_parquet(out / "fleet.parquet")["threshold"][1] == rows["a"]["threshold"]
    # Touched, moved and evaluated elsewhere: the same images, so nothing is trained again.
    before = {name: (out / name / MODEL).read_bytes() for name in "ab"}
    for path in (own / "a").rglob("*.png"):
        os.utime(path)
    assert main(words) == 2
    assert here.names == ["gone", "a", "b", "gone", "a"]
    assert not (out / "earlier").exists()
    # Another image and another setting.
    Image.new("L", (64, 64), 99).save(own / "a" / "train" / "good" / "new.png")
    file.write_text(f"{file.read_text()}steps = 12\n")
    assert main(words) == 2
    assert {name: (out / "earlier" / name / "0001" / MODEL).read_bytes() for name in "ab"} == before
    assert (out / "a" / MODEL).read_bytes() != before["a"]
    assert rows_of(out)["a"]["training_images"] == 9
    here.names.clear()
    assert main(words) == 2
    assert here.names == ["gone"]
    capsys.readouterr()


def test_too_few_images_are_refused_unless_they_are_meant(
    plants: Path, tmp_path: Path, here: PoolHere, capsys: pytest.CaptureFixture[str]
) -> None:
    file, out = fleet_of(plants, tmp_path), tmp_path / "out"
    file.write_text(file.read_text().replace("few = true", "").replace("0.4", "0.01"))
    assert main(["fleet", "train", str(file), "--out", str(out)]) == 2
    assert "few = true" in rows_of(out)["a"]["reasons"]
    assert not (out / "a" / MODEL).exists()
    assert here.names == ["gone", "a", "b"]
    capsys.readouterr()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--workers", "0"], "--workers is 0"),
        (["--address", "auto"], "add --engine ray"),
        (["--gpus", "0.5"], "add --engine ray"),
        (["--memory", "0"], "--memory is 0"),
        (["--memory", "inf"], "--memory is inf"),
    ],
)
def test_mistakes(words: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fleet", "train", "fleet.toml", "--out", str(tmp_path / "out"), *words]) == 2
    assert said in capsys.readouterr().err
    assert main(["fleet", "evaluate", str(tmp_path)]) == 2
    assert "name a folder that `excision fleet train` wrote" in capsys.readouterr().err

"""Strips of 1280 x 128 pixels from end to end, by the command line."""

from __future__ import annotations

import json
import os
import shlex
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from excision import Detector
from excision.inspection.log import read_log
from excision.runtime.inspector import Inspector
from tests.cli.conftest import excision, inside
from tests.conftest import draw_surface

SIZE = (128, 1280)
TINY = shlex.split(
    "--tile 128 320 --steps 8 --recovery.width 4 --training.crop 64 --training.batch 2 "
    "--training.precision float32 --attention.tuning 1 --false-alarm-rate 40% --few"
)


@pytest.fixture(scope="module")
def strips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set in the layout of MVTec AD: four strips to train on, two to test, one with a hole."""
    return drawn(tmp_path_factory.mktemp("strips") / "steel", SIZE)


def drawn(root: Path, size: tuple[int, int], train: int = 4) -> Path:
    for number in range(train + 1):
        folder = root / ("train" if number < train else "test") / "good"
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(draw_surface(number, size)).save(folder / f"{number}.png")
    pixels, truth = draw_surface(9, size), np.zeros(size, dtype=np.uint8)
    pixels[50:80, 1000:1040], truth[50:80, 1000:1040] = 250, 255
    for name, picture in (("test/hole/9.png", pixels), ("ground_truth/hole/9_mask.png", truth)):
        (root / name).parent.mkdir(parents=True)
        Image.fromarray(picture).save(root / name)
    return root


@pytest.fixture(scope="module")
def run(strips: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    folder = tmp_path_factory.mktemp("runs") / "steel"
    done = excision("train", strips, "--out", folder, *TINY)
    assert done.returncode == 0, done.stderr
    return folder, done.stdout


@pytest.fixture(scope="module")
def line(strips: Path, run: tuple[Path, str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("line") / "steel"
    done = inside("export", run[0], strips, "--out", folder)
    assert done.returncode == 0, done.stderr
    return folder


def test_training_says_what_it_cut(run: tuple[Path, str]) -> None:
    assert "3 good images in 12 tiles; calibrated on the same images, cross-fitted, and on 1" in run[1]
    assert "128 x 320 pixels (height x width), a tile at full resolution" in run[1]
    found = Detector.load(run[0], device="cpu").image_format
    assert (found.size, found.channels) == ((128, 320), 1)
    assert found.tiling is not None and found.tiling.size == (128, 320)
    assert inside("info", run[0]).returncode == 0


def test_strips_take_tiles_without_being_told(tmp_path: Path) -> None:
    strips = drawn(tmp_path / "steel", (256, 4096), train=3)
    told = " ".join(inside("check", strips).stdout.split())
    assert (
        "at full resolution, in tiles of 256 x 256 pixels (height x width), because the images are strips"
        in told
    )
    done = inside("train", strips, "--out", tmp_path / "run", *TINY[TINY.index("--steps") :])
    assert done.returncode == 0, done.stderr
    assert "2 good images in 32 tiles; calibrated on the same images, cross-fitted, and on 1" in done.stdout
    assert "a tile at full resolution, because the images are strips" in done.stdout
    found = Detector.load(tmp_path / "run", device="cpu").image_format
    assert (found.size, found.channels) == ((256, 256), 1)
    assert found.tiling is not None and found.tiling.size == (256, 256)
    done = inside("train", strips, "--out", tmp_path / "whole", "--size", 64, 1024, *TINY[3:])
    assert done.returncode == 0, done.stderr
    assert "4.0 times smaller than the images" in done.stdout and "--tile 256 256" in done.stdout


def test_run_and_line_find_the_hole_at_its_place(
    run: tuple[Path, str], line: Path, strips: Path, tmp_path: Path
) -> None:
    scores = []
    for name, folder in (("run", run[0]), ("line", line)):
        done = inside("inspect", folder, strips / "test" / "hole", "--out", tmp_path / name)
        assert done.returncode == 1, done.stderr
        (found,) = read_log(tmp_path / name)
        scores.append(found.score)
        # Boxes are pixels of the file.
        assert any(900 < x < 1140 and 10 < y < 120 for x, y, _, _ in found.boxes)
        assert found.overlay is not None
        with Image.open(tmp_path / name / found.overlay) as overlay:
            assert overlay.size == (1280, 128)
    assert scores[0] == pytest.approx(scores[1], rel=1e-3)


def test_an_export_keeps_scores_that_were_cross_fitted(run: tuple[Path, str], line: Path) -> None:
    """Those of training images cannot be computed again from the model alone."""
    ours, theirs = Detector.load(run[0], device="cpu").calibration, Inspector(line).calibration
    assert theirs.cross_fitted == ours.cross_fitted == 3
    assert (theirs.names, theirs.groups) == (ours.names, ours.groups)
    np.testing.assert_allclose(theirs.scores, ours.scores, rtol=1e-3)


def test_evaluating_verifying_and_calibrating(
    run: tuple[Path, str], line: Path, strips: Path, tmp_path: Path
) -> None:
    done = inside("evaluate", run[0], strips, "--out", tmp_path / "evaluation", "--json", tmp_path / "f.json")
    assert done.returncode == 0, done.stderr
    figures = json.loads((tmp_path / "f.json").read_text())
    assert figures["image_auroc"] == 1
    # At full resolution: the hole is one of four thousand columns and more.
    assert figures["pixel_auroc"] is not None and figures["n_regions"] == 1
    assert inside("verify", line).returncode == 0
    done = inside("calibrate", line, strips / "train" / "good", "--false-alarm-rate", "50%")
    assert done.returncode == 0, done.stderr
    assert "(1 image in 1 group; on average at most 50 %)" in done.stdout


def test_a_run_that_was_killed_goes_on(run: tuple[Path, str], strips: Path, tmp_path: Path) -> None:
    import signal
    import subprocess

    from tests.cli.conftest import environment
    from tests.nursery import TRAINING, Program

    out = tmp_path / "run"
    words, silent = ["-m", "excision", "train", strips, "--out", out, *TINY], subprocess.DEVNULL
    process = Program(words, TRAINING, env=environment(), stdout=silent, stderr=silent)
    while process.poll() is None and len(list(out.glob("tiles/*.tif"))) < 6:
        time.sleep(0.005)
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    again = excision("train", strips, "--out", out, *TINY, "--resume")
    assert again.returncode == 0, again.stderr
    for name in ("model.safetensors", "calibration.json"):
        assert (out / name).read_bytes() == (run[0] / name).read_bytes()
    assert not (out / "tiles").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--tile 300 300", "smaller than a tile of 300 x 300"),
        ("--tile 32 256", "each side must be at least"),
        ("--tile 256 256 --size 64 64", "give one of the two"),
        ("--tile 256 256 --score.top 0.1", "with image.tile it must be 0"),
        ("--tile 256 256 --recovery.depth 7", "each side must be at least"),
    ],
)
def test_what_cannot_be_is_said_in_one_line(words: str, message: str, strips: Path, tmp_path: Path) -> None:
    done = inside("train", strips, "--out", tmp_path / "run", *shlex.split(words))
    assert done.returncode == 2
    assert message in done.stderr.replace("\n", " ")
    assert not (tmp_path / "run").exists()


def test_help_teaches_tiles() -> None:
    # In a process of its own: the help keeps the width of the terminal that it was first shown in.
    done = excision("train", "--help")
    assert "excision train plates/ --tile 256 256 --out runs/plates" in done.stdout
    assert "--tile" in done.stdout and "--image.tile" in done.stdout

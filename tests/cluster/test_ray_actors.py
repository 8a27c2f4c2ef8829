"""Inspections in parts on a Ray cluster of this machine, whose actors and driver are killed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from excision.cli import run as main
from tests.cli.conftest import environment
from tests.cluster.conftest import FORMAT_1, MODEL

pytest.importorskip("ray")

ROOT = Path(__file__).parents[2]


def test_killed_actors_and_drivers_lose_and_double_nothing() -> None:
    words = [sys.executable, "experiments/kill_parts.py", str(MODEL), str(FORMAT_1)]
    words += ["--images", "600", "--kills", "2", "--engine", "ray"]
    done = subprocess.run(
        words, cwd=ROOT, capture_output=True, text=True, check=False, env=environment(), timeout=900
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "600 images, 0 faults" in done.stdout


def test_an_address_is_that_of_ray(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["inspect", str(MODEL), str(FORMAT_1 / "0.png"), "--out", str(tmp_path / "out")]
    assert main([*words, "--address", "auto"]) == 2
    assert "add --engine ray" in capsys.readouterr().err
    assert main([*words, "--gpus-per-worker", "0.5"]) == 2
    assert "--gpus-per-worker is for a Ray cluster" in capsys.readouterr().err
    assert main([*words, "--gpus-per-worker", "1.5", "--engine", "ray"]) == 2
    assert "give a share of a GPU, such as 0.25, or a whole number" in capsys.readouterr().err

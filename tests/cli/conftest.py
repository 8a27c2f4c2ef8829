"""The command line in processes of its own, and a small data set and model for it."""

from __future__ import annotations

import io
import os
import shlex
import subprocess
import sys
from collections.abc import Sequence
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest

from excision.cli import run as main
from excision.synthetic.dataset import write_synthetic
from tests import nursery

# Small enough that a training takes seconds, with a checkpoint at every moment that a test may want one.
# Nothing in the images of these tests lies askew.
SMALL = shlex.split(
    "--size 48 48 --recovery.width 4 --recovery.depth 3 --training.crop 32 --training.batch 2 "
    "--training.checkpoint-every 10 --training.precision float32 --attention.tuning 1 "
    "--calibration.no-cross-fit --score.no-align"
)

TINY = [*SMALL, "--few"]
"""For `train`, which asks whether so few images are meant."""


def untuned(words: Sequence[str]) -> list[str]:
    """Leave the attention as shipped: for processes not of `tests.nursery`, where tuning is slow."""
    place = words.index("--attention.tuning") + 1
    return [*words[:place], "0", *words[place + 1 :]]


def command(*words: object) -> list[str]:
    """Give the command line of a process of its own."""
    return [sys.executable, "-m", "excision", *map(str, words)]


def environment() -> dict[str, str]:
    # One thread: these networks are too small to gain from more. Wide, so that no word is broken.
    return {**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "200"}


def excision(
    *words: object, cwd: Path | None = None, given: str | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a verb to its end; no verb may ever end in a traceback."""
    done = nursery.run(["-m", "excision", *words], env=environment(), cwd=cwd, given=given)
    assert "Traceback" not in done.stderr, done.stderr
    return done


def inside(*words: object) -> subprocess.CompletedProcess[str]:
    """Run a verb in this process, where torch is imported already; for what is not about the process."""
    told, said = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(told), redirect_stderr(said):
        patch.setenv("COLUMNS", "200")
        status = main([str(word) for word in words])
    return subprocess.CompletedProcess(command(*words), status, told.getvalue(), said.getvalue())


@pytest.fixture(scope="session")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set in the layout of MVTec AD."""
    folder = tmp_path_factory.mktemp("parts") / "fabric"
    write_synthetic(
        folder, size=(64, 64), train=10, test_good=3, per_defect=1, surfaces=["woven_fabric"], seed=1
    )
    return folder


@pytest.fixture(scope="session")
def trained(parts: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A run folder and what `train` printed; tests must not change the folder."""
    run = tmp_path_factory.mktemp("runs") / "run"
    done = excision("train", parts, "--out", run, *TINY, "--steps", 10, "--false-alarm-rate", "40%")
    assert done.returncode == 0, done.stderr
    return run, done.stdout

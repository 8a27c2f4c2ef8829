"""Seconds of a training that is stopped and gone on with, and memory that is the process's own."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from excision.benchmark.clock import CLOCK, Clock

OURS: dict[str, Any] = {"seed": 0}


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time, to be set by the test."""
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


def train(clock: Clock, now: list[float], first: int, last: int, pace: float, part: str = "training") -> None:
    clock.start()
    for step in range(first, last + 1):
        now[0] += pace
        clock.step(step, part)


def test_counts_steps_alone(now: list[float], tmp_path: Path) -> None:
    clock = Clock(tmp_path, OURS)
    now[0] += 50  # reading
    train(clock, now, 1, 4, 1.5)
    now[0] += 70  # calibrating
    clock.finish()
    assert clock.seconds == pytest.approx(6)
    again = Clock(tmp_path, OURS)
    assert again.finished
    assert again.seconds == pytest.approx(6)


@pytest.mark.parametrize("checkpoint", [0, 3, 8, 10])
def test_no_step_counts_twice(checkpoint: int, now: list[float], tmp_path: Path) -> None:
    """Killed after ten steps, gone on with from a checkpoint before: as long as never stopped."""
    killed = Clock(tmp_path, OURS)
    train(killed, now, 1, 10, 2.0)
    killed.write()
    now[0] += 1000
    resumed = Clock(tmp_path, OURS)
    assert not resumed.finished
    now[0] += 30
    train(resumed, now, checkpoint + 1, 20, 2.0)
    assert resumed.seconds == pytest.approx(40)


def test_parts_add_up_and_are_stopped_one_by_one(now: list[float], tmp_path: Path) -> None:
    killed = Clock(tmp_path, OURS)
    train(killed, now, 1, 10, 3.0, "tuning")
    now[0] += 40  # between the parts
    train(killed, now, 1, 7, 2.0)
    killed.write()
    resumed = Clock(tmp_path, OURS)
    train(resumed, now, 5, 8, 2.0)
    assert resumed.seconds == pytest.approx(30 + 16)
    resumed.reset()
    assert resumed.seconds == 0


def test_kept_while_it_runs(now: list[float], tmp_path: Path) -> None:
    train(Clock(tmp_path, OURS), now, 1, 10, 1.0)
    # Killed without warning; at most a few seconds are not in the file yet.
    resumed = Clock(tmp_path, OURS)
    train(resumed, now, 11, 20, 1.0)
    assert resumed.seconds == pytest.approx(20)


@pytest.mark.parametrize("content", ["", "[]", "{"])
def test_damaged_or_foreign_count_is_forgotten(content: str, now: list[float], tmp_path: Path) -> None:
    clock = Clock(tmp_path, OURS)
    train(clock, now, 1, 3, 1.0)
    clock.finish()
    assert Clock(tmp_path, {"seed": 1}).seconds == 0
    (tmp_path / CLOCK).write_text(content)
    assert not Clock(tmp_path, OURS).finished


def test_memory_is_not_that_of_the_parent() -> None:
    """What `getrusage` tells would be no less than what this process holds now."""
    ballast = np.ones(50_000_000)
    code = "from excision.system.usage import own_peak_memory_mb; print(own_peak_memory_mb())"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert 1 < float(told) < ballast.nbytes / 2**20

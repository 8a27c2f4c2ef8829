"""Three tiny data sets, the file of a fleet for them, and jobs that are done in this process."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from excision.fleet import child
from excision.fleet.steps import Engine
from excision.jobs.pool import Ended, Hear, Job
from excision.progress import Bars
from excision.synthetic.dataset import write_synthetic

SETTINGS = """
[defaults]
size = [48, 48]
steps = 10
few = true
false_alarm_rate = 0.4
recovery = { width = 4, depth = 3 }
training = { crop = 32, batch = 2, checkpoint_every = 10, precision = "float32" }
attention = { tuning = 0 }
calibration = { cross_fit = false }
"""


@pytest.fixture(scope="session")
def plants(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the data sets "a" and "b" in the layout of MVTec AD; not to be changed."""
    folder = tmp_path_factory.mktemp("plants")
    for seed, (name, surface) in enumerate({"a": "woven_fabric", "b": "brushed_metal"}.items()):
        write_synthetic(
            folder / name, size=(64, 64), train=10, test_good=6, per_defect=2, surfaces=[surface], seed=seed
        )
    return folder


@dataclass
class PoolHere:
    """Does jobs in this process, where torch is imported already.

    Attributes:
        names: of the jobs that it has done.
    """

    names: list[str] = field(default_factory=list)

    def run(self, jobs: Iterable[Job], hear: Hear, ended: Ended) -> None:
        del hear
        for job in jobs:
            self.names.append(job.name)
            with Bars() as bars:
                ended(job, child.do(job.content, bars))


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> PoolHere:
    """Let the jobs of fleets be done in this process; gives what did them."""
    pool = PoolHere()
    monkeypatch.setattr(Engine, "pool", lambda *_: pool)
    return pool

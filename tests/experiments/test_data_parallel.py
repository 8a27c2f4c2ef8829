"""The measurement of training in several processes, as short as can be; the processes are torch's own."""

from __future__ import annotations

import runpy
from argparse import Namespace
from pathlib import Path

SCRIPT = Path(__file__).parents[2] / "experiments" / "data_parallel.py"


def test_steps_are_timed() -> None:
    script = runpy.run_path(str(SCRIPT))
    assert 0 < script["_alone"](1, Namespace(batch=2, crop=32, steps=1)) < 60
    assert sum(parameter.numel() for parameter in script["_network"]().parameters()) == 120_032

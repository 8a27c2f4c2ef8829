"""The experiments on the time of training and of writing a graph print their tables."""

from __future__ import annotations

from pathlib import Path

from tests import nursery
from tests.cli.conftest import parts as parts  # noqa: PLC0414  a fixture of the command line, used here too
from tests.export.conftest import run as run  # noqa: PLC0414  as above

EXPERIMENTS = Path(__file__).parents[2] / "experiments"


def test_stages_and_graphs(run: Path, parts: Path) -> None:
    printed = nursery.printed(EXPERIMENTS / "training_stages.py", parts, "--steps", 2, "--tuning", 1)
    stages = [line.split("|")[1].strip() for line in printed.splitlines()]
    assert {"tuning attention", "recovery", "normal residual", "all"} <= set(stages)
    words = (run, "--rounds", 1, "--no-tracer")
    row = nursery.printed(EXPERIMENTS / "graph_times.py", *words).splitlines()[-1].split("|")
    assert float(row[2]) > 0 and float(row[6]) < 1e-4

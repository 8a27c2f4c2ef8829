"""The simulation of unfit images runs in its short form."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parents[2] / "experiments" / "unfit_promise.py"


def test_the_simulation_prints_a_row_for_each_case() -> None:
    words = [sys.executable, str(SCRIPT), "--draws", "1", "--limit", "5"]
    printed = subprocess.run(words, check=True, capture_output=True, text=True).stdout
    rows = [line.split("|")[1:-1] for line in printed.splitlines()[2:]]
    assert len(rows) == 9
    for _, _, promised, fixed, widened, _ in rows:
        assert 0 < float(promised.strip(" %")) < 100
        assert float(widened.strip(" %")) <= float(fixed.strip(" %"))

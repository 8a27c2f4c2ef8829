"""The short form of the study of recorded sequences."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.cli.conftest import environment

SCRIPT = Path(__file__).parents[2] / "experiments" / "drift_sequences.py"


def test_every_sequence_is_noticed_and_a_line_without_drift_is_not() -> None:
    done = subprocess.run(
        [sys.executable, str(SCRIPT), "--short"],
        capture_output=True, text=True, check=False, env=environment(), timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    lines = [line.strip("|") for line in done.stdout.splitlines() if "|" in line]
    rows = [[cell.strip() for cell in line.split("|")] for line in lines]
    quiet = [row for row in rows if row[0] == "none"]
    assert len(quiet) == 3
    # Two streams of 10,000 parts: the probability of one false warning or more is at most 20 %, of two 1 %.
    assert sum(int(number) for row in quiet for number in row[2].split(",")) <= 2
    told = {row[0]: row[1:] for row in rows if row[0] in ("light", "focus", "fixture", "new lot")}
    assert len(told) == 4
    assert all(int(parts) <= 600 for row in told.values() for parts in row[0].split(";"))
    assert {kind: set(row[1].split("; ")) for kind, row in told.items()} == {
        "light": {"brightness higher"},
        "focus": {"sharpness lower"},
        "fixture": {"score higher"},
        "new lot": {"brightness lower"},
    }

"""A short form of the soak: damaged and lying files are images or clear errors, and nothing else."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parents[2] / "experiments" / "soak_images.py"


def test_damaged_files_are_images_or_clear_errors(tmp_path: Path) -> None:
    out = tmp_path / "figures.json"
    # In a process of its own, because of its limit on memory.
    command = [sys.executable, str(SCRIPT), "--count", "600", "--seed", "3", "--out", str(out)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stderr
    figures = json.loads(out.read_text())
    counts = [sum(found.get(name, 0) for found in figures["outcomes"].values()) for name in ("read", "fault")]
    assert counts[0] > 100
    assert counts[1] == 0

"""An inspection in parts that is killed loses and doubles nothing, in the short form of the experiment."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.cli.conftest import environment

ROOT = Path(__file__).parents[2]
FORMAT_1 = ROOT / "tests" / "compatibility" / "format_1"


def test_killed_workers_and_commands_lose_and_double_nothing() -> None:
    words = [sys.executable, "experiments/kill_parts.py", str(FORMAT_1 / "exported"), str(FORMAT_1)]
    words += ["--images", "120", "--kills", "3"]
    done = subprocess.run(
        words,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        env=environment(),
        timeout=200,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "120 images, 0 faults" in done.stdout

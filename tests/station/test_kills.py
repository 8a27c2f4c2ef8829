"""The short form of the trial in which the service is killed under load."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.cli.conftest import environment

ROOT = Path(__file__).parents[2]


def test_what_the_service_answered_survives_kills(line: Path, parts: Path) -> None:
    script = [sys.executable, str(ROOT / "experiments" / "kill_service.py"), str(line), str(parts / "test")]
    done = subprocess.run(
        [*script, "--kills", "3"],
        capture_output=True, text=True, check=False, env=environment(), timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "| service | 3 |" in done.stdout

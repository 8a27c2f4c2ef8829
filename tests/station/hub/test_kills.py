"""Two stations and a hub: links cut, stations and hub killed, and each result at the hub once."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import environment
from tests.station.hub.postgres import FOLDERS

ROOT = Path(__file__).parents[3]
FORMAT_1 = ROOT / "tests" / "compatibility" / "format_1"


@pytest.mark.skipif(not FOLDERS, reason="PostgreSQL is not installed")
def test_each_result_is_at_the_hub_once_after_kills() -> None:
    """The short form of the trial."""
    words = [
        str(ROOT / "experiments" / "kill_hub.py"),
        str(FORMAT_1 / "exported"),
        str(FORMAT_1),
        "--kills",
        "5",
    ]
    done = subprocess.run(
        [sys.executable, *words, "--longest", "0.5", "--pause", "0.2"],
        capture_output=True, text=True, check=False, env=environment(), timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 rows differ" in done.stdout

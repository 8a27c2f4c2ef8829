"""The script that measures the adapters of a PLC runs, and its figures are ordered."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parents[2] / "experiments" / "plc_times.py"


def test_every_wire_is_measured() -> None:
    done = subprocess.run(
        [sys.executable, str(SCRIPT), "--count", "5"], capture_output=True, text=True, check=True, timeout=300
    )
    rows = [line.split("|")[1:-1] for line in done.stdout.splitlines()[2:]]
    assert [row[0].split(",")[0].strip() for row in rows] == ["Modbus", "Modbus", "OPC UA"]
    for row in rows:
        figures = [float(one) for one in re.findall(r"[0-9.]+", " ".join(row[2:]))]
        assert len(figures) == 4 and figures == sorted(figures) and figures[0] > 0

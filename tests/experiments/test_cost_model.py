"""The model of the cost, against the same figures by hand."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def test_the_cost_of_a_large_inspection(tmp_path: Path) -> None:
    words = ["--images", "3.6e6", "--nodes", "10", "--images-per-second", "50", "--efficiency", "0.8"]
    words += ["--cost-per-hour", "2", "--megabytes", "1", "--bandwidth", "0.08", "--start-seconds", "360"]
    words += ["--price-per-10000-requests", "0.01", "--part-size", "100", "--price-per-10000-writes", "0.1"]
    words += ["--price-per-gigabyte", "0.02", "--json", str(tmp_path / "cost.json")]
    done = subprocess.run(
        [sys.executable, "experiments/cost_model.py", *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "not measured on a cluster" in done.stdout
    found = json.loads((tmp_path / "cost.json").read_bytes())["result"]
    # Each node has 360,000 images: 9000 s at 40 a second, but 36,000 s at 10 MB a second.
    assert found == pytest.approx(
        {
            "network_hours": 2.5,
            "link_hours": 10.0,
            "hours": 10.1,
            "node_cost": 202.0,
            "request_cost": 3.6 + 0.36,
            "data_cost": 72.0,
            "cost": 277.96,
            "cost_per_million": 277.96 / 3.6,
        }
    )

"""Measure what a fleet costs for each model beyond its training.

    python experiments/fleet_overhead.py [--models 20] [--workers 2]

Draws so many tiny data sets, trains them as a fleet, and runs the same command once more when all is done.
Prints the processor time for each model, and how long the training itself took, as the run folders record.
What remains is the start of a process with torch, listing the images, the suspects and the report. The second
run starts no process for a model.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from excision.synthetic.dataset import write_synthetic

SETTINGS = """
[defaults]
size = [48, 48]
steps = 10
few = true
false_alarm_rate = 0.4
recovery = { width = 4, depth = 3 }
training = { crop = 32, batch = 2, precision = "float32" }
attention = { tuning = 0 }
calibration = { cross_fit = false }

[models.part]
data = "data/*"
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--models", type=int, default=20)
    parser.add_argument("--workers", type=int, default=2)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        for number in range(given.models):
            write_synthetic(
                folder / "data" / f"{number:03d}",
                size=(64, 64),
                train=10,
                test_good=1,
                per_defect=1,
                surfaces=["woven_fabric"],
                seed=number,
            )
        (folder / "fleet.toml").write_text(SETTINGS, "utf-8")
        first, second = (_run(folder, given.workers) for _ in range(2))
        rows = json.loads((folder / "out" / "fleet.json").read_text("utf-8"))["models"]
        trained = [row["seconds"] for row in rows if row["state"] == "finished"]
    each = first[1] / given.models
    print(f"{len(trained)} of {given.models} models trained, {given.workers} at once")
    print(f"first run:  {first[0]:.0f} s; processor time for each model {each:.1f} s")
    print(f"the training itself took {sum(trained) / len(trained):.1f} s for each, by the clock")
    print(f"second run: {second[0]:.1f} s; {1000 * second[1] / given.models:.0f} ms for each model")
    return 0 if len(trained) == given.models else 1


def _run(folder: Path, workers: int) -> tuple[float, float]:
    """Run the fleet and give its seconds by the clock and of processor time."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    words = ["fleet", "train", folder / "fleet.toml", "--out", folder / "out", "--workers", workers]
    subprocess.run(
        [sys.executable, "-m", "excision", *map(str, words)],
        check=True,
        stdout=subprocess.DEVNULL,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return time.perf_counter() - start, spent


if __name__ == "__main__":
    raise SystemExit(main())

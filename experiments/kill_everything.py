"""Kill trainings, watchers of a hot folder, and services under load with kill -9, and look for what is lost.

    python experiments/kill_everything.py [--training 60] [--watch 70] [--service 70] [--seed 0]

Without --model it first trains and exports a small model of its own. Prints a table, and the same as JSON.
Ends with status 1 if an answered result was lost, doubled or changed, or if the weights of the training
that was killed are not those of an uninterrupted one. 200 kills take about half an hour on one core.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import kill_service
import kill_training
import kill_watch
from kill_outcome import report

from excision.synthetic.dataset import write_synthetic

STEPS_OF_A_KILL = 40


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--training", type=int, default=60, help="kills of the training; 0 leaves it out")
    parser.add_argument("--watch", type=int, default=70, help="kills of the watcher")
    parser.add_argument("--service", type=int, default=70, help="kills of the service")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    parser.add_argument("--model", type=Path, help="exported model for watcher and service; needs --images")
    parser.add_argument("--images", type=Path, help="folder of images to make the files from")
    chosen = parser.parse_args()
    outcomes = []
    with tempfile.TemporaryDirectory() as folder:
        if chosen.training:
            steps = max(400, STEPS_OF_A_KILL * chosen.training)
            outcomes.append(kill_training.trial(chosen.training, steps, chosen.seed))
        if chosen.model:
            model, images = chosen.model, chosen.images
        elif chosen.watch or chosen.service:
            model, images = _small_model(Path(folder))
        if chosen.watch:
            outcomes.append(kill_watch.trial(model, images, "move", chosen.watch, chosen.seed))
        if chosen.service:
            outcomes.append(kill_service.trial(model, images, chosen.service, chosen.seed))
    print(report(outcomes))
    return 0 if all(outcome.passed for outcome in outcomes) else 1


def _small_model(folder: Path) -> tuple[Path, Path]:
    """Train and export a small model; gives it and images for it."""
    data, run, out = folder / "data", folder / "run", folder / "line" / "fabric"
    write_synthetic(data, size=(64, 64), train=20, test_good=4, per_defect=1, surfaces=["woven_fabric"])
    options = ["--few", "--size", 64, 64, "--steps", 20, "--attention.tuning", 1, "--recovery.width", 4]
    for words in (["train", data, "--out", run, *options], ["export", run, data, "--out", out]):
        subprocess.run([sys.executable, "-m", "excision", *map(str, words)], check=True, capture_output=True)
    return out, data / "test"


if __name__ == "__main__":
    sys.exit(main())

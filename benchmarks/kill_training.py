"""Kill trainings at random moments, resume them, and compare the models with that of an undisturbed one.

    python benchmarks/kill_training.py [--kills 10] [--steps 300] [--seed 0]

Every process is killed (SIGKILL) after a delay drawn from the whole length of a run, so that reading,
training, checkpoints, calibration and saving are all hit. A run that ends before its kill is compared and
another begins, until enough kills have happened. The exit status is 1 where a model differs.
"""

from __future__ import annotations

import argparse
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from excision.data.synth import write_synthetic
from excision.files import sha256
from excision.run_folder import CALIBRATION, CHECKPOINT, LOG, MODEL

# A small network on small images: the run is short, and a kill hits something else each time.
OPTIONS = ["--recovery.width", "8", "--training.crop", "64", "--training.checkpoint-every", "20"]
RATE = ["--false-alarm-rate", "10%"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        sys.exit(_measure(Path(folder), arguments.kills, arguments.steps, random.Random(arguments.seed)))


def _measure(folder: Path, kills: int, steps: int, moments: random.Random) -> int:
    data = folder / "data"
    write_synthetic(data, size=(96, 96), train=60, test_good=1, per_defect=1, surfaces=["woven_fabric"])
    start = time.perf_counter()
    if _train(data, folder / "undisturbed", steps).wait() != 0:
        sys.exit("the undisturbed training failed")
    length = time.perf_counter() - start
    expected = _content(folder / "undisturbed")
    print(f"undisturbed: {length:.1f} s, model {expected[0][:16]}", flush=True)
    done, runs, differing = 0, 0, 0
    while done < kills:
        runs += 1
        run = folder / f"run-{runs}"
        done += _torment(data, run, steps, length, kills - done, moments)
        same = _content(run) == expected
        differing += not same
        print(f"run {runs}: {'the same' if same else 'ANOTHER'} model and threshold", flush=True)
    print(f"{done} kills in {runs} runs; {differing} models differ")
    return 1 if differing else 0


def _torment(data: Path, run: Path, steps: int, length: float, most: int, moments: random.Random) -> int:
    """Kill and resume one run until it ends, at most so often; give the number of kills."""
    for count in range(most):
        process = _train(data, run, steps)
        delay = moments.uniform(0, length)
        try:
            process.wait(delay)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            print(f"  killed after {delay:5.1f} s, {_state(run)}", flush=True)
        else:
            return count
    _train(data, run, steps).wait()
    return most


def _train(data: Path, run: Path, steps: int) -> subprocess.Popen[bytes]:
    words = ["train", str(data), "--out", str(run), "--resume", "--steps", str(steps), *OPTIONS, *RATE]
    return subprocess.Popen(
        [sys.executable, "-m", "excision", *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )


def _state(run: Path) -> str:
    """Say how far a run had come when it was killed."""
    if (run / MODEL).is_file():
        return "the model was written"
    log = run / LOG
    lines = log.read_text("utf-8").splitlines() if log.is_file() else []
    kept = "a checkpoint" if (run / CHECKPOINT).is_file() else "no checkpoint"
    return f"{kept}, {len(lines)} lines of log"


def _content(run: Path) -> tuple[str, str]:
    """Name model and threshold by their bytes."""
    if not (run / MODEL).is_file():
        return "no model", ""
    return sha256(run / MODEL), sha256(run / CALIBRATION)


if __name__ == "__main__":
    main()

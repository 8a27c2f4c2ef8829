"""Kill a training at random moments, resume it each time, and compare its weights with an uninterrupted run.

    python experiments/kill_training.py [--kills 10] [--steps 400] [--seed 0]

Prints when each kill struck and whether the two models are the same file. Ends with status 1 if not, or
if the training ended before every kill had struck; more steps leave more to strike.
"""

from __future__ import annotations

import argparse
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from kill_outcome import Outcome, report

from excision.method.run_folder import LOG, MODEL
from excision.synthetic.dataset import write_synthetic
from excision.system.files import sha256

EARLY = 6.0
"""Seconds from the start in which the kills strike that do not wait for steps."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    arguments = parser.parse_args()
    outcome = trial(arguments.kills, arguments.steps, arguments.seed)
    print(report([outcome]))
    return 0 if outcome.passed else 1


def trial(kills: int, steps: int, seed: int) -> Outcome:
    """Train once without and once with kills; the steps count as answered, and as lost if weights differ."""
    start, faults = time.perf_counter(), []
    with tempfile.TemporaryDirectory() as folder:
        data, whole, killed = (Path(folder) / name for name in ("data", "whole", "killed"))
        write_synthetic(data, size=(128, 128), train=40, test_good=1, per_defect=1, surfaces=["woven_fabric"])
        before, training = _time(_command(data, whole, steps), whole)
        print(f"uninterrupted: {before:.1f} s until the first steps, {training:.1f} s from there")
        moments = random.Random(seed)
        struck = 0
        for number in range(1, kills + 1):
            # Half of them strike in the start, the tuning or the loading of a checkpoint, half in the steps.
            # None waits for more than half its share of the steps, so that the last one still finds some.
            after_steps = moments.random() < 0.5
            latest = 2 * training / kills if after_steps else min(before, EARLY)
            after = moments.uniform(0, latest)
            most = steps // kills // 2
            struck += _kill(_command(data, killed, steps), killed, number, after, after_steps, most)
        subprocess.run(_command(data, killed, steps), check=True, capture_output=True)
        hashes = [sha256(run / MODEL) for run in (whole, killed)]
        print(f"after {struck} kills:\n  uninterrupted {hashes[0]}\n  killed        {hashes[1]}")
        if hashes[0] != hashes[1]:
            faults.append("the weights differ")
        if struck < kills:
            faults.append(f"only {struck} of {kills} kills struck: give more --steps")
        left = sorted(path.name for path in killed.iterdir())
        if left != sorted(path.name for path in whole.iterdir()):
            faults.append(f"the folder holds {', '.join(left)}")
    lost = steps if hashes[0] != hashes[1] else 0
    return Outcome("training", struck, steps, lost, 0, round(time.perf_counter() - start, 1), faults)


def _command(data: Path, run: Path, steps: int) -> list[str]:
    options = f"--few --resume --size 128 128 --steps {steps} --training.checkpoint-every 10".split()
    return [sys.executable, "-m", "excision", "train", str(data), "--out", str(run), *options]


def _time(command: list[str], run: Path) -> tuple[float, float]:
    """Give the seconds until a training has logged its first steps, and from there to its end."""
    start = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        while process.poll() is None and _logged(run) == 0:
            time.sleep(0.02)
        first = time.perf_counter()
    if process.returncode != 0:
        raise SystemExit(f"the training ended with status {process.returncode}: {' '.join(command)}")
    return first - start, time.perf_counter() - first


def _kill(command: list[str], run: Path, number: int, after: float, after_steps: bool, most: int) -> bool:
    """Start or resume the training and kill it; tells whether it was still running.

    Args:
        command: starts or resumes it.
        run: its folder.
        number: of the kill.
        after: so many seconds later.
        after_steps: count them from its first new steps, not from its start.
        most: new steps after which it is killed in any case.
    """
    logged = _logged(run)
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        while after_steps and process.poll() is None and _logged(run) <= logged:
            time.sleep(0.005)
        end = time.monotonic() + after
        while process.poll() is None and time.monotonic() < end and _logged(run) - logged < most:
            time.sleep(min(0.005, max(0.0, end - time.monotonic())))
        process.send_signal(signal.SIGKILL)
        process.wait()
    if process.returncode != -signal.SIGKILL:
        print(f"kill {number:2}: too late, the training had ended with status {process.returncode}")
        return False
    where = "the first new steps" if after_steps else "the start"
    print(f"kill {number:2}: at most {after:.2f} s after {where}, {_logged(run)} steps logged", flush=True)
    return True


def _logged(run: Path) -> int:
    """Give the number of steps in the log."""
    return 10 * len((run / LOG).read_text("utf-8").splitlines()) if (run / LOG).is_file() else 0


if __name__ == "__main__":
    sys.exit(main())

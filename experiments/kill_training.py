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

from excision.method.run_folder import LOG, MODEL
from excision.synthetic.dataset import write_synthetic
from excision.system.files import sha256


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        data, whole, killed = (Path(folder) / name for name in ("data", "whole", "killed"))
        write_synthetic(data, size=(128, 128), train=40, test_good=1, per_defect=1, surfaces=["woven_fabric"])
        before, training = _time(_command(data, whole, arguments.steps), whole)
        print(f"uninterrupted: {before:.1f} s until the first steps, {training:.1f} s from there")
        moments = random.Random(arguments.seed)
        struck = 0
        for number in range(1, arguments.kills + 1):
            # On average each gets half its share of the training done, so that the last one still finds some.
            latest = before + training / arguments.kills
            command = _command(data, killed, arguments.steps)
            struck += _kill(command, killed, number, moments.uniform(0, latest))
        subprocess.run(_command(data, killed, arguments.steps), check=True, capture_output=True)
        same = sha256(whole / MODEL) == sha256(killed / MODEL)
        print(f"after {struck} kills the weights are {'the same' if same else 'DIFFERENT'}")
        print(f"  uninterrupted {sha256(whole / MODEL)}\n  killed        {sha256(killed / MODEL)}")
    return 0 if same and struck == arguments.kills else 1


def _command(data: Path, run: Path, steps: int) -> list[str]:
    options = f"--resume --size 128 128 --steps {steps} --training.checkpoint-every 10".split()
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


def _kill(command: list[str], run: Path, number: int, after: float) -> bool:
    """Start or resume the training, kill it after so many seconds, and tell whether it was still running."""
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            process.wait(timeout=after)
            print(f"kill {number:2}: too late, the training had ended with status {process.returncode}")
            return False
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()
            print(f"kill {number:2}: after {after:5.1f} s, {_logged(run)} steps logged")
            return True


def _logged(run: Path) -> int:
    """Give the number of steps in the log."""
    return 10 * len((run / LOG).read_text("utf-8").splitlines()) if (run / LOG).is_file() else 0


if __name__ == "__main__":
    sys.exit(main())

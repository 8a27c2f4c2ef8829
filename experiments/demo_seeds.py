"""Repeat the demonstration with other images and networks, and count how often it breaks its own promise.

    python experiments/demo_seeds.py --out runs/demo --seeds 10

Each demonstration draws its images, trains and calibrates, as `excision demo` does, in two minutes or so. The
rate among its good test images is above the promise in at most one of ten, if promises hold with 90 %
confidence. Demonstrations that are finished are not repeated.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

from excision.method.run_folder import load_calibration, read_json


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=10)
    arguments = parser.parse_args()
    broken = 0
    print("| seed | promised | confidence | observed | alarms of good images | defects found | image AUROC |")
    print("| ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    for seed in range(arguments.seeds):
        broken += _repeat(arguments.out / f"seed-{seed}", seed)
    print(f"\n{broken} of {arguments.seeds} demonstrations show a rate above their promise")


def _repeat(folder: Path, seed: int) -> bool:
    """Run one demonstration, print its row, and tell whether its promise is broken."""
    figures = folder / "evaluation" / "evaluation.json"
    if not figures.is_file():
        command = [sys.executable, "-m", "excision", "demo", "--out", str(folder), "--seed", str(seed)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    found, kept = read_json(figures), load_calibration(folder / "run")
    rate: float = found["false_alarm_rate"]
    print(
        f"| {seed} | {kept.promised_rate:.1%} | {kept.confidence:.0%} | {rate:.1%} | "
        f"{round(rate * found['n_normal'])} of {found['n_normal']} | {found['detection_rate']:.0%} | "
        f"{found['image_auroc']:.3f} |",
        flush=True,
    )
    return rate > kept.promised_rate + 1e-9


if __name__ == "__main__":
    main()

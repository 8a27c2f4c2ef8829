"""Make many images, train on them, and say how much memory the training took at its peak.

    python benchmarks/train_memory.py [--images 10000] [--size 640 640] [--steps 1000] [--limit-mb 3072]

The figure is the operating system's for the whole process, beside the one that `excision train` prints.
The exit status is 1 where it lies above the limit.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

from excision.run_folder import TRAINING


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--size", type=int, nargs=2, default=(640, 640), metavar=("H", "W"))
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--limit-mb", type=int, default=3072)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        data, run = Path(folder) / "good", Path(folder) / "run"
        _write_images(data, arguments.images, tuple(arguments.size))
        words = ["train", str(data), "--out", str(run), "--steps", str(arguments.steps)]
        subprocess.run([sys.executable, "-m", "excision", *words], check=True)
        told = json.loads((run / TRAINING).read_text("utf-8"))["peak_memory_mb"]
    # Linux counts in KiB, macOS in bytes.
    unit = 2**20 if sys.platform == "darwin" else 2**10
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / unit
    print(f"{arguments.images} images: peak memory {peak:.0f} MB, {told:.0f} MB by the program's own count")
    sys.exit(1 if peak > arguments.limit_mb else 0)


def _write_images(folder: Path, count: int, size: tuple[int, int]) -> None:
    """Write colour images that all differ: one noisy surface, shifted and brightened anew for each."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    surface = rng.normal(110, 12, (*size, 3)) + rng.normal(0, 20, (size[0], 1, 1))
    for number in range(count):
        shifted = np.roll(surface, rng.integers(0, size), (0, 1)) + rng.uniform(-20, 20)
        Image.fromarray(shifted.clip(0, 255).astype(np.uint8)).save(folder / f"{number:05d}.jpg", quality=80)


if __name__ == "__main__":
    main()

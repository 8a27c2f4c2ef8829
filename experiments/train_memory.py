"""Train on many images and print the peak memory of the process.

    python experiments/train_memory.py [--images 10000] [--size 256 256] [--steps 300]

The images are drawn first, into a temporary folder: the same few hundred surfaces again and again, each with
noise of its own, so that no two files are the same.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

from excision.method.run_folder import TRAINING, read_json
from excision.synthetic.surfaces import SURFACES

_DISTINCT = 200


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--size", type=int, nargs=2, default=(256, 256))
    parser.add_argument("--steps", type=int, default=300)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        data, run = Path(folder) / "data", Path(folder) / "run"
        _draw(data / "good", arguments.images, tuple(arguments.size))
        command = [sys.executable, "-m", "excision", "train", str(data), "--out", str(run)]
        start = time.perf_counter()
        subprocess.run([*command, "--steps", str(arguments.steps)], check=True)
        seconds = time.perf_counter() - start
        peak = read_json(run / TRAINING)["peak_memory_mb"]
    print(f"\n{arguments.images} images, {arguments.steps} steps: peak memory {peak:.0f} MB, {seconds:.0f} s")
    return 0 if peak < 3 * 1024 else 1


def _draw(folder: Path, count: int, size: tuple[int, int]) -> None:
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    surfaces = [SURFACES["cast_grain"](rng, size) for _ in range(min(count, _DISTINCT))]
    for number in range(count):
        image = surfaces[number % len(surfaces)] + rng.normal(0, 0.01, size)
        pixels = (image.clip(0, 1) * 255).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"{number:05d}.png", compress_level=1)


if __name__ == "__main__":
    sys.exit(main())

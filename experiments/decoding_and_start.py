"""Compares two versions of the sources: decoding, the first result of a process, and its memory.

    git worktree add /tmp/before COMMIT
    python experiments/decoding_and_start.py line/parts --before /tmp/before --rounds 9

MODEL is an exported folder. Each round runs one process of either version, in turns, so that other work on
the machine slows both. Every figure is processor time, user and system, of one thread; the table gives the
median of each version and the median of the ratios. Images are drawn noise on a gradient, at the working
size of 256 x 256 pixels and four and eight times as large; `--quick` leaves the larger ones out. Both
versions must give the same working images, bit for bit; the script ends with 1 where they do not.

It shows what a change of `excision.data` or `excision.runtime` is worth, and that it changes no pixel.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from PIL import Image

_FORMATS: dict[str, dict[str, Any]] = {"png": {}, "bmp": {}, "jpg": {"quality": 92}, "tif": {}}
_SIDE = 256

_CHILD = """
import sys, time
from excision.runtime.inspector import Inspector
inspector = Inspector(sys.argv[1], 1)
opened = time.process_time()
inspector.inspect(sys.argv[2]).verdict
first = time.process_time()
import hashlib, json
from pathlib import Path
found = {"opened": opened, "first result": first}
sums = {}
def timed(name, call, times):
    taken = []
    for _ in range(times):
        start = time.process_time()
        call()
        taken.append(time.process_time() - start)
    found[name] = sorted(taken)[times // 2]
for _ in range(3):
    inspector.inspect(sys.argv[2])
status = Path("/proc/self/status")
if status.is_file():
    words = status.read_text().split()
    found["peak memory, MB"] = int(words[words.index("VmHWM:") + 1]) / 1000
working = inspector.working(sys.argv[2])
if inspector.fitness is not None:
    timed("fitness", lambda: inspector.fitness.judge(working), 21)
from excision.data.images import load_working_image
for path in map(Path, sys.argv[3:]):
    channels = 1 if path.stem.startswith("grey") else 3
    read = lambda: load_working_image(path, (256, 256), channels)
    sums[path.name] = hashlib.sha256(read().tobytes()).hexdigest()
    timed(path.name, read, 21 if "256" in path.name else 7)
print(json.dumps({"times": found, "sums": sums}))
"""


def draw(folder: Path, sides: list[int]) -> list[Path]:
    """Draw images in grey and colour, and save each in every format."""
    rng, paths = np.random.default_rng(0), []
    for side in sides:
        for name, channels in (("grey", 1), ("colour", 3)):
            ramp = np.linspace(60, 180, side)[:, None, None]
            values = (ramp + rng.normal(0, 4, (side, side, channels))).clip(0, 255).astype(np.uint8)
            for suffix, options in _FORMATS.items():
                paths.append(folder / f"{name}{side}.{suffix}")
                Image.fromarray(values.squeeze()).save(paths[-1], **options)
    return paths


def run(sources: Path, model: Path, image: Path, images: list[Path]) -> dict[str, Any]:
    """Measure one version in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", _CHILD, str(model.absolute()), str(image), *map(str, images)],
        env={**os.environ, "PYTHONPATH": str(sources / "src"), "OMP_NUM_THREADS": "1"},
        check=True,
        stdout=subprocess.PIPE,
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def main(given: list[str] | None = None) -> int:
    """Compare, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--before", type=Path, required=True, help="root of the other sources")
    parser.add_argument("--now", type=Path, default=Path(__file__).absolute().parents[1])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--quick", action="store_true")
    arguments = parser.parse_args(given)
    with tempfile.TemporaryDirectory() as scratch:
        images = draw(Path(scratch), [_SIDE] if arguments.quick else [_SIDE, 4 * _SIDE, 8 * _SIDE])
        rounds = [
            [run(tree, arguments.model, images[0], images) for tree in (arguments.before, arguments.now)]
            for _ in range(arguments.rounds)
        ]
    for name in rounds[0][0]["times"]:
        before, now = ([each[side]["times"][name] for each in rounds] for side in (0, 1))
        ratio = median(b / a for a, b in zip(before, now, strict=True))
        unit = 1 if name.endswith("MB") else 1000
        print(f"{name:20} {unit * median(before):9.2f} {unit * median(now):9.2f}   x {ratio:.2f}")
    return int(any(before["sums"] != now["sums"] for before, now in rounds))


if __name__ == "__main__":
    sys.exit(main())

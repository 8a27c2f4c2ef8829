"""Measure an inspection in parts against the runtime called directly, on the same cores.

    taskset -c 0,1 python experiments/parts_scaling.py line/parts images/ [--images 2000] [--rounds 5]

Each round inspects the same images, repeated until there are so many, in four ways that take turns: the
runtime in one process with one thread, the runtime in one process with as many threads as there are cores,
`--workers 1`, and `--workers` as many as there are cores. The model is loaded before the clock starts, and a
worker's clock starts when the first image is begun: what an inspection costs at its start does not grow with
the images, and is printed by itself. Prints images per second (the median of the rounds), the ratio to the
faster runtime on the same number of cores (the median of the ratios within a round), and the peak memory of
the largest process. Run it on a machine that does nothing else.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from excision.cluster.job import Ways, inspect_in_parts
from excision.cluster.listing import walk_images
from excision.runtime import Inspector


def main() -> int:
    arguments = _arguments()
    cores = len(os.sched_getaffinity(0))
    with tempfile.TemporaryDirectory() as made:
        images = _repeated(arguments.folder, Path(made) / "images", arguments.images)
        ways: dict[str, Callable[[], tuple[float, float]]] = {
            "runtime, 1 thread": lambda: _directly(arguments.model, images, 1),
            f"runtime, {cores} threads": lambda: _directly(arguments.model, images, cores),
            "--workers 1": lambda: _in_parts(arguments.model, Path(made), 1),
            f"--workers {cores}": lambda: _in_parts(arguments.model, Path(made), cores),
        }
        rounds = [{name: way() for name, way in ways.items()} for _ in range(arguments.rounds)]
    print(f"{len(images)} images, {cores} cores, {arguments.rounds} rounds\n")
    print("| way | images/s | of the runtime | before the first image |\n| --- | --- | --- | --- |")
    directly = list(ways)[:2]
    for name in ways:
        rates = [len(images) / found[name][0] for found in rounds]
        # One worker has all cores, as the runtime with several threads has.
        ratios = [min(found[other][0] for other in directly) / found[name][0] for found in rounds]
        start = statistics.median(found[name][1] for found in rounds)
        print(
            f"| {name} | {statistics.median(rates):.1f} | {statistics.median(ratios):.0%} | {start:.2f} s |"
        )
    peak = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    print(f"\npeak memory of the largest process: {peak / 2**10:.0f} MiB")
    return 0


def _repeated(source: Path, target: Path, count: int) -> list[Path]:
    target.mkdir()
    images = list(walk_images(source))
    if not images:
        raise SystemExit(f"{source}: there is no image")
    for number in range(count):
        image = images[number % len(images)]
        shutil.copyfile(image, target / f"{number:07d}{image.suffix}")
    return sorted(target.iterdir())


def _directly(model: Path, images: Sequence[Path], threads: int) -> tuple[float, float]:
    """Give the seconds for all images, and those before the first one."""
    begin = time.perf_counter()
    inspector = Inspector(model, threads)
    next(inspector.predict([images[0]]))
    loaded = time.perf_counter()
    for prediction in inspector.predict(images):
        # What a result needs is computed, as for a row of results.
        assert prediction.verdict and prediction.boxes is not None and prediction.defect_area_share >= 0
    return time.perf_counter() - loaded, loaded - begin


def _in_parts(model: Path, work: Path, workers: int) -> tuple[float, float]:
    """Give the seconds from the first image that a worker begins to the end, and those before."""
    begun: list[float] = []
    begin = time.perf_counter()
    inspect_in_parts(
        model,
        [work / "images"],
        work / "out",
        Ways(workers=workers),
        progress=lambda done, _: begun.append(time.perf_counter()) if done and not begun else None,
    )
    end = time.perf_counter()
    shutil.rmtree(work / "out")
    return end - begun[0], begun[0] - begin


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--images", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=5)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())

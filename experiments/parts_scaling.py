"""Measure `excision inspect`, whole and in parts, against the model called directly, on the same cores.

    taskset -c 0,1 python experiments/parts_scaling.py line/parts images/ [--images 2000] [--rounds 5] [--ray]

Each round inspects the same images, repeated until there are so many, in ways that take turns: the runtime in
one process with one thread, the runtime in one process with as many threads as there are cores, an inspection
with one image at once and with as many as there are cores, `--workers 1`, and `--workers` as many as there
are cores; with `--ray` also `--engine ray` with one actor, and with as many as there are cores, on one
cluster that is begun before. All processes stay on the cores that this one has. The model is loaded before
the clock starts. The speed of an inspection in parts is that from the moment when its first images are known
to be begun to the last image: what it costs at its start and its end does not grow with the images, and is
printed by itself. Prints images per second (the median of the rounds), the ratio to the runtime and to the
number of cores times the runtime with one thread (the medians of the ratios within a round), processor time
an image, and the peak memory of the largest process. An inspection writes overlays and results, so it has
more to do than the runtime: what scaling costs is the difference between its rows with one and with several
images at once. Processor time says the same with less noise where other work runs. A way with all cores is
compared with the faster one of the two runtimes; a single actor, which has one thread, with the runtime with
one. Run it on a machine that does nothing else.
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
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import NamedTuple

from ray_cluster import ray_cluster

from excision.cluster.job import Ways, inspect_in_parts
from excision.cluster.listing import walk_images
from excision.inspection.batch import inspect_images
from excision.inspection.loading import load
from excision.system.cores import cores as available_cores


def main() -> int:
    arguments = _arguments()
    cores = available_cores()
    with ExitStack() as stack:
        address = stack.enter_context(ray_cluster(cores)) if arguments.ray else None
        made = stack.enter_context(tempfile.TemporaryDirectory())
        images = _repeated(arguments.folder, Path(made) / "images", arguments.images)
        one, all_ = "runtime, 1 thread", f"runtime, {cores} threads"
        ways: dict[str, Callable[[], Taken]] = {
            one: lambda: _directly(arguments.model, images, 1),
            all_: lambda: _directly(arguments.model, images, cores),
            "inspect, 1 at once": lambda: _at_once(arguments.model, images, Path(made), 1),
            f"inspect, {cores} at once": lambda: _at_once(arguments.model, images, Path(made), cores),
            "--workers 1": lambda: _in_parts(arguments.model, Path(made), Ways(1)),
            f"--workers {cores}": lambda: _in_parts(arguments.model, Path(made), Ways(cores)),
        }
        for actors in (1, cores) if address is not None else ():
            chosen = Ways(actors, engine="ray", address=address)
            ways[f"--engine ray --workers {actors}"] = partial(_in_parts, arguments.model, Path(made), chosen)
        rounds = [
            {name: _timed(way, len(images)) for name, way in ways.items()} for _ in range(arguments.rounds)
        ]
    print(f"{len(images)} images, {cores} cores, {arguments.rounds} rounds\n")
    print(f"| way | images/s | of the runtime | of {cores} x 1 thread | processor ms | before | after |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for name in ways:
        # One worker has all cores, as the runtime with several threads has; one actor has one.
        rivals = [one] if name == "--engine ray --workers 1" else [one, all_]
        ratios = [found[name].speed / max(found[rival].speed for rival in rivals) for found in rounds]
        middle = [
            statistics.median(getattr(found[name], figure) for found in rounds)
            for figure in ("speed", "processor", "before", "after")
        ]
        ratio = statistics.median(ratios)
        ideal = statistics.median(found[name].speed / (cores * found[one].speed) for found in rounds)
        print(
            f"| {name} | {middle[0]:.1f} | {ratio:.0%} | {ideal:.0%} | {1e3 * middle[1]:.1f} | "
            f"{middle[2]:.2f} s | {middle[3]:.2f} s |"
        )
    peak = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    print(f"\npeak memory of the largest process: {peak / 2**10:.0f} MiB")
    return 0


class Taken(NamedTuple):
    """What one way took.

    Attributes:
        speed: images per second.
        before: seconds before the first images.
        after: seconds after the last image.
        processor: seconds of processor time an image, of all processes, with what loading the model takes.
    """

    speed: float
    before: float
    after: float
    processor: float = 0.0


def _timed(way: Callable[[], Taken], images: int) -> Taken:
    before = sum(os.times()[:4])
    taken = way()
    return taken._replace(processor=(sum(os.times()[:4]) - before) / images)


def _repeated(source: Path, target: Path, count: int) -> list[Path]:
    target.mkdir()
    images = list(walk_images(source))
    if not images:
        raise SystemExit(f"{source}: there is no image")
    for number in range(count):
        image = images[number % len(images)]
        shutil.copyfile(image, target / f"{number:07d}{image.suffix}")
    return sorted(target.iterdir())


def _directly(model: Path, images: Sequence[Path], threads: int) -> Taken:
    begin = time.perf_counter()
    predictor = load(model, threads)
    next(iter(predictor.predict([images[0]])))
    loaded = time.perf_counter()
    for prediction in predictor.predict(images):
        # What a result needs is computed, as for a row of results.
        assert prediction.verdict and prediction.boxes is not None and prediction.defect_area_share >= 0
    return Taken(len(images) / (time.perf_counter() - loaded), loaded - begin, 0.0)


def _at_once(model: Path, images: Sequence[Path], work: Path, workers: int) -> Taken:
    begin = time.perf_counter()
    predictor = load(model, threads=1, workers=workers)
    next(iter(predictor.predict([images[0]])))
    loaded = time.perf_counter()
    inspect_images(predictor, images, work / "whole", workers=workers)
    end = time.perf_counter()
    shutil.rmtree(work / "whole")
    return Taken(len(images) / (end - loaded), loaded - begin, 0.0)


def _in_parts(model: Path, work: Path, ways: Ways) -> Taken:
    seen: list[tuple[float, int]] = []

    def note(done: int, total: int) -> None:
        if (done and not seen) or done == total:
            seen.append((time.perf_counter(), done))

    begin = time.perf_counter()
    inspect_in_parts(model, [work / "images"], work / "out", ways, progress=note)
    end = time.perf_counter()
    shutil.rmtree(work / "out")
    (first, done), (last, total) = seen[0], seen[-1]
    return Taken((total - done) / (last - first), first - begin, end - last)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--images", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--ray", action="store_true")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())

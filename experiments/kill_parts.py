"""Kill an inspection in parts again and again, and look for results that are lost or doubled.

    python experiments/kill_parts.py line/parts images/ [--images 400] [--kills 20] [--workers 2] [--seed 0]
        [--engine ray] [--cluster]

The images are repeated until there are so many. Each time the inspection is started by the same command, and
after a random while either one of its worker processes or the command itself is killed with SIGKILL, in turn.
At last one run goes to its end. With `--cluster`, one Ray cluster serves all commands and outlives them, as
that of a plant does; without it each command begins and ends its own. Every image must then have exactly one
result, with the score that a plain inspection gives it; no result may say that a process died, and nothing
half written may be left. Prints what was killed and found; ends with status 1 if something is not as it must
be.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import ExitStack, suppress
from pathlib import Path

from ray_cluster import ray_cluster

from excision.cluster.listing import walk_images
from excision.cluster.parts import finished_parts, read_part
from excision.cluster.plan import PARTS, read_plan
from excision.inspection.loading import load
from excision.storage.opening import open_folder


def main() -> int:
    arguments = _arguments()
    # A busy machine takes longer than Ray waits by default.
    os.environ.update(RAY_raylet_start_wait_time_s="300")
    with tempfile.TemporaryDirectory() as made:
        work = Path(made)
        _repeat(arguments.folder, work / "images", arguments.images)
        words = ["inspect", arguments.model, work / "images", "--out", work / "out"]
        words += ["--workers", arguments.workers, "--engine", arguments.engine]
        with ExitStack() as stack:
            if arguments.cluster:
                words += ["--address", stack.enter_context(ray_cluster(arguments.workers))]
            begun = time.monotonic()
            killed = _kill(list(map(str, words)), arguments.kills, arguments.seed, work / "said")
        took = f"in {time.monotonic() - begun:.0f} s"
        print(f"killed: {killed['worker']} workers, {killed['command']} commands, {took}")
        faults = _faults(Path(arguments.model), work)
    print(f"{arguments.images} images, {len(faults)} faults")
    for fault in faults[:20]:
        print(fault)
    return 1 if faults else 0


def _repeat(source: Path, target: Path, count: int) -> None:
    target.mkdir()
    images = list(walk_images(source))
    for number in range(count):
        image = images[number % len(images)]
        shutil.copyfile(image, target / f"{number:06d}{image.suffix}")


def _kill(words: list[str], kills: int, seed: int, said: Path) -> Counter[str]:
    """Kill so many processes while the inspection runs, and then let it run to its end."""
    rng, killed = random.Random(seed), Counter[str]()
    # A killed command closes its pipe, by which its workers notice; nothing reads what it says.
    while True:
        with said.open("wb") as stream:
            command = [sys.executable, "-m", "excision", *words]
            process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=stream)
        while process.poll() is None and sum(killed.values()) < kills:
            time.sleep(rng.uniform(0.3, 2.0))
            if killed["command"] * 2 < killed["worker"]:
                process.kill()
                killed["command"] += 1
            elif children := _workers(os.getpid()):
                with suppress(ProcessLookupError):
                    os.kill(rng.choice(children), signal.SIGKILL)
                    killed["worker"] += 1
        status, told = process.wait(), said.read_text("utf-8", "replace")
        # An error of the program ends with status 1, too, as an inspection that finds a defect does.
        if status > 1 or "Traceback" in told:
            raise SystemExit(f"the inspection ended with status {status}: {told}")
        if status in (0, 1):
            return killed


def _workers(command: int) -> list[int]:
    """Give the processes that inspect: children of a command, or actors below it or below the cluster."""
    below, found = _children(command), list[int]()
    while below:
        process = below.pop()
        below += _children(process)
        with suppress(OSError):
            name = Path(f"/proc/{process}/cmdline").read_bytes()
            if b"excision.cluster.worker" in name or name.startswith(b"ray::_Actor"):
                found.append(process)
    return found


def _children(parent: int) -> list[int]:
    with suppress(OSError):
        return list(map(int, Path(f"/proc/{parent}/task/{parent}/children").read_text("ascii").split()))
    return []


def _faults(model: Path, work: Path) -> list[str]:
    """Compare all results with those of this process."""
    folder = open_folder(work / "out")
    plan = read_plan(folder)
    assert plan is not None  # the inspection ended well
    records = [row.record for part in finished_parts(folder, plan) for row in read_part(folder, plan, part)]
    times = Counter(record.image for record in records)
    images = [str(path) for path in walk_images(work / "images")]
    faults = [f"{image}: {times[image]} results" for image in images if times[image] != 1]
    faults += [f"{image}: is none of the images" for image in times.keys() - set(images)]
    left = {path.name for path in (work / "out" / PARTS).iterdir() if not path.name.startswith(".")}
    faults += [f"{name}: is none of the parts" for name in left if plan.number(name) is None]
    predictor = load(model, threads=1)
    scores = {Path(image).read_bytes(): 0.0 for image in images}
    for content in scores:
        path = work / "one"
        path.write_bytes(content)
        scores[content] = next(iter(predictor.predict([path]))).score
    for record in records:
        if record.score != scores[Path(record.image).read_bytes()]:
            faults.append(f"{record.image}: has the score {record.score} ({record.error})")
    return faults


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--images", type=int, default=400)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--engine", choices=("local", "ray"), default="local")
    parser.add_argument("--cluster", action="store_true")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())

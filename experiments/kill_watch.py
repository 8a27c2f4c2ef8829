"""Kill a watcher of a hot folder again and again while files are dropped there, and look for lost results.

    python experiments/kill_watch.py line/parts images/ [--after move] [--kills 50] [--seed 0]

A feeder drops changed copies of the images all the while, half of them slowly in pieces, half by a rename.
After the last kill one watcher runs to its end. Every file must then have exactly one result, with the score
that a plain `excision inspect` gives it, and lie in exactly one place. Ends with status 1 if not.
"""

from __future__ import annotations

import argparse
import io
import json
import multiprocessing
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing.synchronize import Event
from pathlib import Path

import numpy as np
from kill_outcome import Outcome, report
from PIL import Image

from excision.data.listing import list_images
from excision.system.files import sha256, write_bytes

SETTLE = 0.5
PLACES = ("good", "review", "defect", "unfit", "failed")


def main() -> int:
    arguments = _arguments()
    outcome = trial(
        arguments.model, arguments.images, arguments.after, arguments.kills, arguments.seed, arguments.hot
    )
    print(report([outcome]))
    return 0 if outcome.passed else 1


def trial(
    model: Path, images: Path, after: str, kills: int, seed: int, hot_parent: Path | None = None
) -> Outcome:
    """Kill watchers so many times, let one run to its end, and compare all files with all results."""
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory(dir=hot_parent) as hot:
        trial = Trial(model, Path(hot).resolve(), Path(folder).resolve(), after)
        working = _kill_and_feed(trial, images, kills, seed)
        done = subprocess.run(
            [*trial.command(), "--idle-exit", "3"], capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            raise SystemExit(f"the last watcher ended with status {done.returncode}: {done.stderr}")
        findings = trial.findings()
    print(f"{working} of {kills} kills struck a watcher that had given results")
    files, lost, doubled = (findings.pop(name) for name in ("files", "lost", "doubled"))
    faults = [f"{name}: {', '.join(names[:5])}" for name, names in findings.items() if names]
    if not files:
        faults.append("no file was dropped")
    seconds = round(time.perf_counter() - start, 1)
    what = f"watcher, --after {after}"
    return Outcome(what, kills, len(files), len(lost), len(doubled), seconds, faults)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("model", type=Path, help="exported model")
    parser.add_argument("images", type=Path, help="folder of images to make the files from")
    parser.add_argument("--after", choices=("leave", "move"), default="leave")
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0, help="of the files and the moments")
    parser.add_argument("--hot", type=Path, help="where to make the hot folder, such as another file system")
    return parser.parse_args()


def _kill_and_feed(trial: Trial, images: Path, kills: int, seed: int) -> int:
    """Kill watchers while a feeder is at work, and count those that had given results."""
    stop = multiprocessing.Event()
    feeder = multiprocessing.Process(target=feed, args=(trial.hot, trial.truth, images, seed, stop))
    feeder.start()
    try:
        moments, working = random.Random(seed), 0
        usual = _time_to_first_result(trial)
        for number in range(1, kills + 1):
            before, after = trial.count(), moments.uniform(usual / 2, usual + 2)
            struck = _kill(trial, after)
            gained = trial.count() - before
            working += gained > 0
            print(
                f"kill {number:2}: after {after:.2f} s, {gained} results{'' if struck else ', TOO LATE'}",
                flush=True,
            )
    finally:
        stop.set()
        feeder.join()
    if feeder.exitcode != 0:
        raise SystemExit("the feeder failed")
    return working


def _time_to_first_result(trial: Trial) -> float:
    start = time.perf_counter()
    subprocess.run([*trial.command(), "--stop-after", "1"], check=True, capture_output=True)
    return time.perf_counter() - start


def _kill(trial: Trial, after: float) -> bool:
    """Start a watcher, kill it after so many seconds, and tell whether it was still running."""
    with subprocess.Popen(trial.command(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        time.sleep(after)
        running = process.poll() is None
        process.send_signal(signal.SIGKILL)
    return running


def feed(hot: Path, truth: Path, images: Path, seed: int, stop: Event) -> None:
    """Drop files until told to stop, and keep a copy of each below `truth`."""
    rng, sources = np.random.default_rng(seed), list_images(images).images
    number = 0
    while not stop.is_set():
        name = Path(f"camera_{number % 3}", f"{number:05}.png") if number % 2 else Path(f"{number:05}.png")
        content = _changed(sources[number % len(sources)], rng)
        write_bytes(truth / name, content)
        if rng.random() < 0.5:
            write_bytes(hot / name, content)
            time.sleep(0.05)
        else:
            _write_slowly(hot / name, content, rng)
        number += 1


def _changed(source: Path, rng: np.random.Generator) -> bytes:
    """Give an image with a spot of its own, so that no two files are the same."""
    with Image.open(source) as image:
        pixels = np.array(image)
    y, x = (int(rng.integers(0, side - 8)) for side in pixels.shape[:2])
    pixels[y : y + 8, x : x + 8] = rng.integers(0, 256, pixels[y : y + 8, x : x + 8].shape)
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()


def _write_slowly(path: Path, content: bytes, rng: np.random.Generator) -> None:
    path.parent.mkdir(exist_ok=True)
    cuts = sorted(int(cut) for cut in rng.integers(0, len(content), 4))
    with path.open("wb") as stream:
        for start, end in zip([0, *cuts], [*cuts, len(content)], strict=True):
            stream.write(content[start:end])
            stream.flush()
            time.sleep(float(rng.uniform(0, 0.15)))


@dataclass(frozen=True)
class Trial:
    """The folders of one trial."""

    model: Path
    hot: Path
    folder: Path
    after: str

    @property
    def truth(self) -> Path:
        return self.folder / "truth"

    @property
    def out(self) -> Path:
        return self.folder / "out"

    def command(self) -> list[str]:
        words = ["watch", self.model, self.hot, "--out", self.out, "--after", self.after]
        return [sys.executable, "-m", "excision", *map(str, words), "--settle", str(SETTLE)]

    def rows(self) -> list[sqlite3.Row]:
        """Give the results as SQLite itself reads them."""
        with sqlite3.connect(self.out / "results.sqlite") as connection:
            connection.row_factory = sqlite3.Row
            rows = connection.execute("SELECT source, verdict, score, image FROM results").fetchall()
        connection.close()
        return rows

    def count(self) -> int:
        return len(self.rows())

    def findings(self) -> dict[str, list[str]]:
        """Give all files, and those of which something is wrong."""
        rows = self.rows()
        dropped = {str(path.relative_to(self.truth)): path for path in list_images(self.truth).images}
        results = Counter(str(Path(row["source"]).relative_to(self.hot)) for row in rows)
        scores = self._scores()
        return {
            "files": list(dropped),
            "lost": [name for name in dropped if results[name] == 0],
            "doubled": [name for name, count in results.items() if count > 1],
            "not dropped": [name for name in results if name not in dropped],
            "another score": [name for name, score in self._found(rows) if score != scores[name]],
            "not in one place": list(self._misplaced(rows, dropped)),
        }

    def _found(self, rows: list[sqlite3.Row]) -> Iterator[tuple[str, float | None]]:
        for row in rows:
            yield str(Path(row["source"]).relative_to(self.hot)), row["score"]

    def _scores(self) -> dict[str, float]:
        """Inspect the copies plainly."""
        words = ["inspect", self.model, self.truth, "--out", self.folder / "plain"]
        done = subprocess.run(
            [sys.executable, "-m", "excision", *map(str, words)], capture_output=True, text=True, check=False
        )
        if done.returncode not in (0, 1):
            raise SystemExit(f"the plain inspection failed: {done.stderr}")
        lines = (self.folder / "plain" / "results.jsonl").read_text("utf-8").splitlines()
        return {
            str(Path(line["image"]).relative_to(self.truth)): line["score"] for line in map(json.loads, lines)
        }

    def _misplaced(self, rows: list[sqlite3.Row], dropped: dict[str, Path]) -> Iterator[str]:
        """Give what is not where it should be and nowhere else; hidden leftovers count."""
        places = [self.hot, *(self.out / place for place in PLACES)]
        there = [path for place in places for path in place.rglob("*") if not path.is_dir()]
        copies = Counter(sha256(path) for path in there)
        for row in rows:
            name = str(Path(row["source"]).relative_to(self.hot))
            moved = self.out / (row["verdict"] or "failed") / name
            expected = moved if self.after == "move" else self.hot / name
            content = sha256(dropped[name]) if name in dropped else ""
            right = expected.is_file() and sha256(expected) == content and copies[content] == 1
            if not right or (self.after == "move" and row["image"] != str(moved.relative_to(self.out))):
                yield name
        yield from (str(path) for path in there if path.suffix != ".png" or path.name.startswith("."))


if __name__ == "__main__":
    sys.exit(main())

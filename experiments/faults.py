"""What becomes of results while a disk or a database fails under a real service and a real hot folder.

    python experiments/faults.py line/parts new_images/                      # every fault, some minutes
    python experiments/faults.py line/parts new_images/ --only lock replaced --seconds 2
    python experiments/faults.py line/parts new_images/ --json faults.json

Four clients send images without a break; then a fault is injected, held for some seconds and put right again.
A look at the database and the images without the project's own code tells what became of each image that was
answered with status 200. Faults that need a disk of their own (full, read-only) mount one, which needs root;
they are passed over without. The watcher of the hot folder is started again whenever it ends; if its results
are not where they belong, only after they are put back.

Ends with status 1 where an answered result or its image is lost, where anything but 200, 503 and 507 was
answered, where the cause was not named, or where the service did not recover.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

from service_process import Service, ask, serving

from excision.data.listing import list_images
from excision.system.files import sha256

CLIENTS = 4
PATIENCE = 60.0  # seconds until the service must have recovered

_LOCK = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=60)
connection.execute("BEGIN EXCLUSIVE")
print("locked", flush=True)
sys.stdin.read()
"""


@dataclass
class Found:
    """What came of one fault.

    Attributes:
        fault: its name.
        answered: images answered with status 200.
        during: of these, while the fault lasted.
        refused: answers with status 503, and with status 507.
        others: other answers.
        lost: answered images without a result or without their bytes.
        cause: what `/readyz` said meanwhile.
        slowest_health: longest time of `/healthz` in seconds.
        recovered: seconds until an image was answered with 200 again after the fault was put right.
    """

    fault: str
    answered: int = 0
    during: int = 0
    refused: dict[str, int] = field(default_factory=dict)
    others: dict[str, int] = field(default_factory=dict)
    lost: int = 0
    cause: str = ""
    slowest_health: float = 0.0
    recovered: float | None = None

    @property
    def is_well(self) -> bool:
        """Tell whether nothing was lost and everything was said."""
        return not self.lost and not self.others and bool(self.cause) and self.recovered is not None


class Load:
    """Clients that send images one after another and remember each answer."""

    def __init__(self, service: Service, images: list[bytes]) -> None:
        self._service, self._images = service, images
        self._end = threading.Event()
        self.answers: list[tuple[float, str, int]] = []
        self.health = 0.0
        self._threads = [threading.Thread(target=self._send, daemon=True) for _ in range(CLIENTS)]
        self._threads.append(threading.Thread(target=self._watch, daemon=True))
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Have every client end after the answer it waits for."""
        self._end.set()
        for thread in self._threads:
            thread.join()

    def _send(self) -> None:
        connection = self._service.connection()
        number = 0
        while not self._end.is_set():
            source, number = uuid.uuid4().hex, number + 1
            try:
                status, _ = ask(connection, self._images[number % len(self._images)], source)
            except (OSError, http.client.HTTPException):
                status = 0
                connection.close()
            self.answers.append((time.monotonic(), source, status))
            if status != 200:
                time.sleep(0.05)
        connection.close()

    def _watch(self) -> None:
        connection = self._service.connection()
        while not self._end.wait(0.02):
            start = time.perf_counter()
            connection.request("GET", "/healthz")
            connection.getresponse().read()
            self.health = max(self.health, time.perf_counter() - start)
        connection.close()


@contextmanager
def locked(data: Path) -> Iterator[None]:
    """Lock the database from another process."""
    words = [sys.executable, "-c", _LOCK, str(data / "results.sqlite")]
    process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    process.stdout.readline()
    yield
    process.communicate()


@contextmanager
def filled(data: Path) -> Iterator[None]:
    """Fill the disk to the last byte."""
    filler = data.parent / "filler"
    with filler.open("wb", buffering=0) as stream:
        for size in (2**20, 2**12, 1):
            try:
                while True:
                    stream.write(bytes(size))
            except OSError:
                continue
    yield
    filler.unlink()


@contextmanager
def replaced(data: Path) -> Iterator[None]:
    """Put another file in the place of the database."""
    path = data / "results.sqlite"
    path.rename(data / "away")
    sqlite3.connect(path).close()
    path.touch()
    yield
    (data / "away").replace(path)


@contextmanager
def removed(data: Path) -> Iterator[None]:
    """Take the whole folder away."""
    away = data.with_name("away")
    data.rename(away)
    yield
    if data.exists():
        shutil.rmtree(data)
    away.rename(data)


@contextmanager
def forbidden(data: Path) -> Iterator[None]:
    """Have the kernel turn the disk read-only, as after a failure of the disk."""
    subprocess.run(["mount", "-o", "remount,abort", str(data.parent)], check=True, capture_output=True)
    yield


@contextmanager
def damaged(data: Path) -> Iterator[None]:
    """Overwrite every page of the database but the first."""
    path = data / "results.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    with path.open("r+b") as stream:
        size = stream.seek(0, os.SEEK_END)
        stream.seek(4096)
        stream.write(os.urandom(size - 4096))
    yield


PASSING: dict[str, Callable[[Path], AbstractContextManager[None]]] = {
    "lock": locked,
    "full": filled,
    "replaced": replaced,
    "removed": removed,
}
FATAL: dict[str, Callable[[Path], AbstractContextManager[None]]] = {"read-only": forbidden, "damage": damaged}
"""Faults after which the service must be started again: on a repaired disk, or on a backup."""

DISKS = {"full": "tmpfs", "read-only": "ext4"}


@contextmanager
def place(fault: str, folder: Path) -> Iterator[Path]:
    """Give a folder for the station: on a disk of its own where the fault needs one."""
    disk = folder / "disk"
    disk.mkdir()
    kind = DISKS.get(fault)
    if kind == "tmpfs":
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(disk)], check=True)
    elif kind == "ext4":
        mount_image(folder)
    try:
        yield disk / "station"
    finally:
        if kind is not None:
            subprocess.run(["umount", "-l", str(disk)], check=True)


def mount_image(folder: Path) -> None:
    """Mount a file system in a file, making or repairing it first."""
    image = folder / "disk.img"
    if image.exists():
        subprocess.run(["umount", str(folder / "disk")], check=True)
        subprocess.run(["fsck.ext4", "-p", str(image)], check=False, capture_output=True)
    else:
        with image.open("wb") as stream:
            stream.truncate(128 * 2**20)
        subprocess.run(["mkfs.ext4", "-q", str(image)], check=True)
    subprocess.run(["mount", "-o", "loop", str(image), str(folder / "disk")], check=True)


def readiness(service: Service) -> tuple[int, str]:
    """Give the status of `/readyz` and the cause that it names."""
    connection = service.connection()
    connection.request("GET", "/readyz")
    response = connection.getresponse()
    told = json.loads(response.read())
    connection.close()
    return response.status, told["cause"] or ""


def lost_of(answers: list[tuple[float, str, int]], data: Path, known: set[str]) -> int:
    """Count answered images without a result, or whose kept bytes are none of those that were sent."""
    with closing(sqlite3.connect(data / "results.sqlite")) as connection:
        rows = dict(connection.execute("SELECT source, image FROM results"))
    lost = 0
    for _, source, status in answers:
        image = rows.get(source)
        if status == 200 and (image is None or sha256(data / image) not in known):
            lost += 1
    return lost


def try_service(fault: str, model: Path, paths: list[Path], seconds: float) -> Found:
    """Inject one fault into a service under load."""
    found, images = Found(fault), [path.read_bytes() for path in paths]
    known = {sha256(path) for path in paths}
    with tempfile.TemporaryDirectory() as name, place(fault, Path(name)) as data:
        answers: list[tuple[float, str, int]] = []
        with serving(model, data) as service:
            load = Load(service, images)
            time.sleep(seconds)
            if fault == "damage":
                # What is overwritten is gone: a backup has it, and nothing more may be answered.
                load.stop()
                answers += load.answers
                back_up(data, Path(name) / "backup")
            with (PASSING | FATAL)[fault](data):
                begin = time.monotonic()
                if fault == "damage":
                    load = Load(service, images)
                # Longer than a write waits for a lock.
                time.sleep(max(seconds, 8.0) if fault == "lock" else seconds)
                found.cause = readiness(service)[1]
                end = time.monotonic()
            if fault in PASSING:
                found.recovered = recovery(load, time.monotonic())
            load.stop()
            answers += load.answers
            if fault in FATAL:
                service.process.kill()
        found.slowest_health = round(load.health, 3)
        if fault in FATAL:
            start = time.monotonic()
            with serving(model, repaired(fault, Path(name), data)) as service:
                again = Load(service, images)
                found.recovered = recovery(again, start)
                again.stop()
            answers += again.answers
        statuses = Counter(status for _, _, status in answers)
        found.answered = statuses[200]
        found.during = sum(begin + 1 < moment < end and status == 200 for moment, _, status in answers)
        found.refused = {str(status): statuses[status] for status in (503, 507) if statuses[status]}
        found.others = {str(s): n for s, n in statuses.items() if s not in (200, 503, 507)}
        final = Path(name) / "backup" if fault == "damage" else data
        found.lost = lost_of(answers, final, known)
    return found


def recovery(load: Load, since: float) -> float | None:
    """Give the seconds until an image is answered with 200."""
    while time.monotonic() - since < PATIENCE:
        moments = [moment for moment, _, status in list(load.answers) if status == 200 and moment > since]
        if moments:
            return round(moments[0] - since, 2)
        time.sleep(0.05)
    return None


def back_up(data: Path, to: Path) -> None:
    """Have the project make a backup."""
    words = [sys.executable, "-m", "excision", "backup", str(data), "--to", str(to)]
    subprocess.run(words, check=True, capture_output=True)


def repaired(fault: str, folder: Path, data: Path) -> Path:
    """Do what a person would do, and give the folder to start again on."""
    if fault == "damage":
        return folder / "backup"
    mount_image(folder)
    return data


class Hot:
    """A hot folder with a watcher, into which files are dropped.

    Args:
        model: exported folder.
        paths: images to drop.
        folder: for the hot folder.
        data: for the results.
    """

    def __init__(self, model: Path, paths: list[Path], folder: Path, data: Path) -> None:
        self.hot, self.data, self.paths = folder / "hot", data, paths
        self.hot.mkdir()
        self.dropped = 0
        self.said: list[str] = []
        words = [sys.executable, "-m", "excision", "watch", model, self.hot, "--out", data, "--after", "move"]
        self._command = [*map(str, words), "--settle", "0.1"]
        self._process = self._begin()

    @property
    def is_empty(self) -> bool:
        """Tell whether every file was dealt with."""
        return not any(self.hot.iterdir())

    def drop(self, seconds: float, restart: bool = True) -> None:
        """Drop files for some time; a watcher that ended is started again, unless nobody does."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            path = self.paths[self.dropped % len(self.paths)]
            (self.hot / "half").write_bytes(path.read_bytes())
            (self.hot / "half").rename(self.hot / self.name(self.dropped))
            self.dropped += 1
            self.supervise(restart)
            time.sleep(0.1)

    def supervise(self, restart: bool = True) -> None:
        """Start the watcher again if it has ended."""
        if restart and self._process.poll() is not None:
            self._note()
            self._process = self._begin()

    def stop(self) -> None:
        """Stop the watcher."""
        self._process.terminate()
        self._note()

    def name(self, number: int) -> str:
        """Give the name of a file by its number."""
        return f"{number:06d}{self.paths[number % len(self.paths)].suffix}"

    def lost(self) -> int:
        """Count files that have not exactly one result, and results whose image is not there."""
        with closing(sqlite3.connect(self.data / "results.sqlite")) as connection:
            rows = connection.execute("SELECT source, image FROM results").fetchall()
        names = Counter(Path(source).name for source, _ in rows)
        without = sum(names[self.name(number)] != 1 for number in range(self.dropped))
        return without + sum(not (self.data / image).is_file() for _, image in rows)

    def _begin(self) -> subprocess.Popen[str]:
        return subprocess.Popen(self._command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)

    def _note(self) -> None:
        self.said.append(self._process.communicate()[1].strip().rpartition("\n")[2])


def try_hot_folder(fault: str, model: Path, paths: list[Path], seconds: float) -> Found:
    """Inject one fault into a hot folder; the watcher is started again, as a supervisor does."""
    found = Found(f"hot folder: {fault}")
    with tempfile.TemporaryDirectory() as name, place(fault, Path(name)) as data:
        hot, start = Hot(model, paths, Path(name), data), time.monotonic()
        while not (data / "results.sqlite").exists() and time.monotonic() - start < PATIENCE:
            hot.drop(0.5)
        hot.drop(seconds)
        with PASSING[fault](data):
            # A watcher that ended has to wait until its results are where they belong.
            hot.drop(max(seconds, 8.0), restart=fault not in ("replaced", "removed"))
        start = time.monotonic()
        while not hot.is_empty and time.monotonic() - start < 2 * PATIENCE:
            hot.supervise()
            time.sleep(0.2)
        found.recovered = round(time.monotonic() - start, 2) if hot.is_empty else None
        hot.stop()
        found.answered, found.lost = hot.dropped, hot.lost()
        found.cause = next((sentence for sentence in hot.said if "error" in sentence), "none: it waited")
    return found


def main() -> int:
    """Try every fault and print what came of it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", type=Path, help="exported folder")
    parser.add_argument("images", type=Path, help="folder of images")
    parser.add_argument("--only", nargs="+", choices=[*PASSING, *FATAL], default=[*PASSING, *FATAL])
    parser.add_argument("--seconds", type=float, default=6.0, help="before the fault, and while it lasts")
    parser.add_argument("--no-hot-folder", action="store_true", help="only the service")
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    chosen = parser.parse_args()
    paths = list_images(chosen.images).images[:16]
    results = []
    print("| fault | answered 200 | meanwhile | 503 | 507 | lost | recovered after | /healthz at most |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for hot in (False,) if chosen.no_hot_folder else (False, True):
        for fault in chosen.only:
            if (DISKS.get(fault) and os.geteuid() != 0) or (hot and fault not in PASSING):
                continue
            found = (try_hot_folder if hot else try_service)(fault, chosen.model, paths, chosen.seconds)
            results.append(found)
            refused = [found.refused.get(status, 0) for status in ("503", "507")]
            print(
                f"| {found.fault} | {found.answered} | {found.during} | {refused[0]} | {refused[1]} | "
                f"{found.lost} | {found.recovered} s | {found.slowest_health} s |",
                flush=True,
            )
            print(
                f"  {found.cause}; other answers: {found.others or 'none'}",
                file=sys.stderr,
            )
    if chosen.json:
        chosen.json.write_text(json.dumps([asdict(found) for found in results], indent=2) + "\n", "utf-8")
    return int(not all(found.is_well for found in results))


if __name__ == "__main__":
    raise SystemExit(main())

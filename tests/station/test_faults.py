"""Real misfortunes of a real service: what was answered stays, the rest is refused, the cause is named."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import environment
from tests.station.conftest import Service, Start, files_of, serve

_LOCK = """
import sqlite3, sys, time
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN EXCLUSIVE")
print("locked", flush=True)
sys.stdin.read()
"""


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the database in a process of its own."""
    process = subprocess.Popen(
        [sys.executable, "-c", _LOCK, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "locked\n"
    try:
        yield
    finally:
        process.communicate()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 2 MiB."""
    place = tmp_path / "disk"
    place.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(place)]
    if shutil.which("mount") is None or subprocess.run(words, capture_output=True, check=False).returncode:
        pytest.skip("mounting a small disk is not permitted here")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def until(condition: Callable[[], bool], limit: float = 120.0) -> None:
    end = time.monotonic() + limit
    while not condition():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.05)


def send(service: Service, image: bytes, source: str = "part") -> tuple[int, Any]:
    return service.json_of("POST", f"/v1/inspect?source={source}", image)


def stored(data: Path) -> dict[str, str]:
    """Give where the image of each source is kept, by a look of one's own at the file."""
    connection = sqlite3.connect(data / "results.sqlite")
    found = dict(connection.execute("SELECT source, image FROM results"))
    connection.close()
    return found


def is_ready(service: Service) -> bool:
    return service.json("GET", "/readyz")[0] == 200


def test_a_foreign_lock_is_refused_soon_and_delays_nothing_else(start: Start, pictures: list[Path]) -> None:
    service, image = start("--workers", 1), pictures[0].read_bytes()
    assert send(service, image, "before")[0] == 200
    with locked(service.data / "results.sqlite"):
        begin = time.monotonic()
        status, headers, body = service.ask("POST", "/v1/inspect", image)
        assert status == 503
        assert b"locked" in body
        assert headers["Retry-After"] == "5"
        assert 4 < time.monotonic() - begin < 60
        # Labels wait in threads of their own: whatever else is asked for is answered meanwhile.
        pool = ThreadPoolExecutor(60)
        labels = [
            pool.submit(service.json, "POST", "/v1/results/1/labels", {"truth": "good", "who": "Ada"})
            for _ in range(60)
        ]
        times = []
        for _ in range(21):
            begin = time.monotonic()
            assert service.json("GET", "/healthz")[0] == 200
            times.append(time.monotonic() - begin)
        assert service.json("GET", "/v1/results")[0] == 200
        status, told = service.json("GET", "/readyz")
        assert (status, told["status"]) == (503, "broken")
        assert "locked" in told["cause"]
        assert {label.result()[0] for label in labels} == {503}
        pool.shutdown()
        # A machine under load may hold up some of them, but a lock would hold up each for seconds.
        assert statistics.median(times) < 2.0
    until(lambda: is_ready(service))
    assert send(service, image, "after")[0] == 200
    assert set(stored(service.data)) == {"before", "after"}


@pytest.mark.parametrize("how", ["removed", "replaced", "folder", "log"])
def test_a_database_that_is_taken_away_is_noticed(start: Start, pictures: list[Path], how: str) -> None:
    service, image = start("--workers", 1), pictures[0].read_bytes()
    assert send(service, image, "before")[0] == 200
    path = service.data / ("results.sqlite-wal" if how == "log" else "results.sqlite")
    if how == "folder":
        path = service.data
    away = path.with_name("away")
    path.rename(away)
    if how == "replaced":
        sqlite3.connect(path).close()
    status, told = send(service, image, "lost")
    assert status == 503
    assert "results" in told["detail"]
    until(lambda: service.json("GET", "/healthz")[0] == 503)
    status, told = service.json("GET", "/readyz")
    assert status == 503
    assert told["cause"]
    assert service.ask("GET", "/review")[0] == 503
    # Put right again, it goes on.
    if path.exists():
        path.unlink()
    away.rename(path)
    until(lambda: is_ready(service))
    assert send(service, image, "after")[0] == 200
    assert set(stored(service.data)) == {"before", "after"}
    assert files_of(service.data) == set(stored(service.data).values())


def test_a_full_disk_keeps_what_was_answered(start: Start, small_disk: Path, pictures: list[Path]) -> None:
    service, image = start("--workers", 1, data=small_disk / "station"), pictures[0].read_bytes()
    others = small_disk / "others"
    others.write_bytes(bytes(2**19))
    answered: list[str] = []
    for number in range(2000):
        status, told = send(service, image, f"{number}")
        if status != 200:
            break
        answered.append(f"{number}")
    assert status == 507
    assert "full" in told["detail"]
    assert answered
    status, headers, body = service.ask("POST", "/v1/inspect", image)
    assert status == 507, body
    assert headers["Retry-After"] == "30"
    until(lambda: "full" in (service.json("GET", "/readyz")[1]["cause"] or ""))
    others.unlink()
    until(lambda: is_ready(service))
    assert send(service, image, "after")[0] == 200
    assert set(stored(service.data)) == {*answered, "after"}
    assert files_of(service.data) == set(stored(service.data).values())


@pytest.fixture
def failing_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system in a file, which the kernel turns read-only as after a failure of the disk."""
    image, place = tmp_path / "disk.img", tmp_path / "disk"
    place.mkdir()
    with image.open("wb") as stream:
        stream.truncate(16 * 2**20)
    for words in (["mkfs.ext4", "-q", str(image)], ["mount", "-o", "loop", str(image), str(place)]):
        if (
            shutil.which(words[0]) is None
            or subprocess.run(words, capture_output=True, check=False).returncode
        ):
            pytest.skip("mounting a disk in a file is not permitted here")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def test_a_disk_that_turns_read_only(start: Start, failing_disk: Path, pictures: list[Path]) -> None:
    service, image = start("--workers", 1, data=failing_disk / "station"), pictures[0].read_bytes()
    assert send(service, image, "before")[0] == 200
    subprocess.run(["mount", "-o", "remount,abort", str(failing_disk)], check=False, capture_output=True)
    assert send(service, image, "lost")[0] == 503
    until(lambda: "read-only" in (service.json("GET", "/readyz")[1]["cause"] or ""))
    assert service.json("GET", "/v1/results/1")[0] == 200


def test_a_start_on_a_read_only_disk_ends_with_one_sentence(line: Path, small_disk: Path) -> None:
    (small_disk / "station").mkdir()
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    done = serve(line, "--data", small_disk / "station", "--port", 0)
    assert done.returncode == 2
    last = done.stderr.splitlines()[-1]
    assert last.startswith("excision: error: ")
    assert "read-only" in last.lower()


def test_damage_is_named_while_running_and_at_a_start(start: Start, line: Path, pictures: list[Path]) -> None:
    service, image = start("--workers", 1), pictures[0].read_bytes()
    for number in range(30):
        assert send(service, image, f"{number}")[0] == 200
    path = service.data / "results.sqlite"
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    content = bytearray(path.read_bytes())
    kept = bytes(content)
    content[4096:] = os.urandom(len(content) - 4096)
    with path.open("r+b") as stream:
        stream.write(content)
    statuses = {service.ask("GET", place)[0] for place in ("/v1/results", "/v1/results/3", "/review", "/")}
    assert statuses == {503}
    until(lambda: service.json("GET", "/healthz")[0] == 503)
    assert "damaged" in service.json("GET", "/readyz")[1]["cause"]
    assert send(service, image, "refused")[0] == 503
    service.process.kill()
    service.process.wait()
    for beside in ("-wal", "-shm"):
        Path(f"{path}{beside}").unlink(missing_ok=True)
    path.write_bytes(content)
    done = serve(line, "--data", service.data, "--port", 0)
    assert done.returncode == 2
    assert "damaged" in done.stderr
    assert "Traceback" not in done.stderr
    path.write_bytes(kept)
    assert start().json("GET", "/v1/results/30")[0] == 200


def _folder_for_database(data: Path) -> None:
    (data / "results.sqlite").mkdir()


def _text_for_database(data: Path) -> None:
    (data / "results.sqlite").write_text("these are no results, and never were " * 200)


def _other_database(data: Path) -> None:
    with sqlite3.connect(data / "results.sqlite") as connection:
        connection.execute("CREATE TABLE recipes (cake TEXT)")
    connection.close()


def _file_for_images(data: Path) -> None:
    (data / "incoming").write_bytes(b"a file where a folder should be")


def _file_for_lock(data: Path) -> None:
    (data / "service.lock").mkdir()


@pytest.mark.parametrize(
    "spoil", [_folder_for_database, _text_for_database, _other_database, _file_for_images, _file_for_lock]
)
def test_a_start_that_cannot_be_ends_with_one_sentence(
    line: Path, tmp_path: Path, spoil: Callable[[Path], None]
) -> None:
    data = tmp_path / "station"
    data.mkdir()
    spoil(data)
    before = {path: path.read_bytes() for path in data.iterdir() if path.is_file()}
    done = serve(line, "--data", data, "--port", 0)
    assert done.returncode == 2
    *notes, last = done.stderr.splitlines()
    assert last.startswith("excision: error: ")
    assert str(data) in last
    assert all(note.startswith("excision: note: ") for note in notes)
    assert {path: path.read_bytes() for path in before} == before


def test_odd_things_among_the_images_stop_no_start(start: Start, pictures: list[Path]) -> None:
    data = start().data
    shutil.rmtree(data)
    for place in ("images/2026-99-99", "images/lost+found", "images/2026-01-02/folder", "incoming/folder"):
        (data / place).mkdir(parents=True)
    for place in (
        "images/2026-99-99/a.png",
        "images/file",
        "incoming/folder/a.png",
        "images/2026-01-02/folder/a",
    ):
        (data / place).write_bytes(b"somebody's")
    (data / "images" / "2026-01-03").symlink_to(data / "images" / "lost+found")
    before = files_of(data)
    service = start()
    assert send(service, pictures[0].read_bytes())[0] == 200
    assert files_of(data) >= before


def test_no_picture_is_deleted_for_a_new_database_and_all_come_back(
    start: Start, pictures: list[Path]
) -> None:
    service = start("--workers", 1)
    for number, path in enumerate(pictures[:4]):
        assert send(service, path.read_bytes(), f"{number}")[0] == 200
    service.process.terminate()
    service.process.wait()
    contents = sorted(path.read_bytes() for path in (service.data / "images").rglob("*.png"))
    database = service.data / "results.sqlite"
    database.rename(service.data / "old")
    fresh = start("--workers", 1)
    told = fresh.json("GET", "/readyz")[1]
    assert told["quarantined"] == 4
    aside = service.data / "quarantine"
    assert sorted(path.read_bytes() for path in aside.rglob("*.png")) == contents
    fresh.process.terminate()
    fresh.process.wait()
    (service.data / "old").replace(database)
    again = start("--workers", 1)
    assert again.json("GET", "/readyz")[1]["quarantined"] == 0
    assert files_of(service.data) == set(stored(service.data).values())
    assert again.ask("GET", "/v1/results/1/image")[2] == pictures[0].read_bytes()


def test_a_short_run_of_the_faults_loses_nothing(line: Path, pictures: list[Path], tmp_path: Path) -> None:
    script = Path(__file__).parents[2] / "experiments" / "faults.py"
    words = [line, pictures[0].parent, "--only", "replaced", "--seconds", 1, "--no-hot-folder"]
    words += ["--json", tmp_path / "faults.json"]
    done = subprocess.run(
        [sys.executable, str(script), *map(str, words)],
        capture_output=True,
        text=True,
        env=environment(),
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (found,) = json.loads((tmp_path / "faults.json").read_text())
    assert found["answered"] > found["lost"] == found["during"] == 0
    assert found["refused"]["503"]

"""What a station keeps, for how long, who may read it, and its copy: with real services and real commands."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from excision.errors import ResultsError, SettingsError
from excision.station.store.query import Query
from excision.station.store.records import Label
from excision.station.store.store import Store
from excision.station.work.backup import back_up, restore
from excision.station.work.kept_images import Images
from excision.station.work.retention import Cleanup, Rules
from tests.cli.conftest import environment, excision
from tests.nursery import INSPECTING, Program
from tests.station.conftest import Start, serve
from tests.station.test_faults import small_disk as small_disk  # noqa: PLC0414  a fixture
from tests.station.test_faults import stored, until
from tests.station.test_store import FAILED, GOOD

DAY = 86400.0
NOW = 1_000 * DAY


def fill(folder: Path, rows: Sequence[tuple[float, str | None]]) -> Store:
    """Make a station's folder: of each result its age in days, its verdict, and 1000 bytes of image."""
    store = Store(folder / "results.sqlite")
    for number, (age, verdict) in enumerate(rows):
        place = f"images/{number % 3}/{number}.png"
        (folder / place).parent.mkdir(parents=True, exist_ok=True)
        (folder / place).write_bytes(bytes([number % 256]) * 1000)
        blank = FAILED if verdict is None else replace(GOOD, verdict=verdict)  # type: ignore[arg-type]  # a verdict
        store.add(
            [replace(blank, time=NOW - age * DAY, image=place, file_size=number, model="ab"[number % 2])]
        )
    return store


def there(folder: Path) -> set[int]:
    return {int(path.stem) for path in (folder / "images").rglob("*.png")}


def named(store: Store) -> set[int]:
    return {int(Path(r.image).stem) for r in store.walk(Query()) if r.image is not None}


ROWS: list[tuple[float, str | None]] = [
    (9, "good"),
    (5, "good"),
    (20, "defect"),
    (8, "review"),
    (30, None),
    (1, "good"),
]


@pytest.mark.parametrize(
    ("days", "gigabytes", "left"),
    [
        (["7"], None, {1, 5}),
        (["good=7"], None, {1, 2, 3, 4, 5}),
        (["good=4", "10"], None, {3, 5}),
        (["good=0", "defect=365"], None, {2, 3, 4}),
        ([], 3e-6, {0, 1, 5, 3} - {0}),
        ([], 0.0, set()),
        (["good=7"], 2e-6, {1, 5}),
        ([], 1.0, {0, 1, 2, 3, 4, 5}),
    ],
)
def test_images_go_by_age_and_by_size(
    tmp_path: Path, days: list[str], gigabytes: float | None, left: set[int]
) -> None:
    store, rules = fill(tmp_path, ROWS), Rules.read(days, gigabytes)
    planned = Cleanup(tmp_path, store, rules, dry_run=True, now=NOW).run()
    assert there(tmp_path) == set(range(6))
    assert not store.history("a")
    done = Cleanup(tmp_path, store, rules, now=NOW).run()
    assert (
        (done.images, done.bytes)
        == (planned.images, planned.bytes)
        == (6 - len(left), 1000 * (6 - len(left)))
    )
    assert there(tmp_path) == named(store) == left
    assert sum(store.count(Query()).values()) == 6
    events = [event for model in "ab" for event in store.history(model)]
    assert sum(event["details"]["images"] for event in events) == done.images


def test_an_image_with_a_label_stays(tmp_path: Path) -> None:
    store = fill(tmp_path, ROWS)
    store.label(1, Label("defect", "Ada", "", 1.0))
    done = Cleanup(tmp_path, store, Rules.read(["1"], 0.0), now=NOW).run()
    assert there(tmp_path) == named(store) == {0}
    assert done.labelled >= 1


def test_a_place_outside_the_folder_is_never_removed(tmp_path: Path) -> None:
    store = fill(tmp_path / "station", ROWS)
    precious = tmp_path / "precious.png"
    precious.write_bytes(b"somebody's")
    store.set_image(1, "../precious.png")
    store.set_image(2, str(precious))
    Cleanup(tmp_path / "station", store, Rules.read(["0"], None), now=NOW).run()
    assert precious.exists()


@pytest.mark.parametrize("words", [["x"], ["bad=3"], ["good="], ["-1"], ["nan"], ["good=inf"]])
def test_rules_that_cannot_be_read_are_refused(words: list[str]) -> None:
    with pytest.raises(SettingsError, match="--keep-days"):
        Rules.read(words, None)


def test_a_clean_up_that_is_killed_leaves_no_result_with_a_missing_image(tmp_path: Path) -> None:
    # Where this process was held up, the clean-up may have ended before it was killed.
    for tried in range(10):
        folder = tmp_path / f"{tried}"
        store = fill(folder, [(9, "good")] * 700)
        words = ["-m", "excision", "cleanup", folder, "--keep-days", "1"]
        process = Program(words, INSPECTING, env=environment(), stdout=subprocess.DEVNULL)
        until(lambda folder=folder: len(there(folder)) < 650)  # type: ignore[misc]  # mypy infers no type here
        process.kill()
        process.wait()
        assert named(store) <= there(folder)
        if named(store):
            break
    assert named(store)
    Cleanup(folder, store, Rules.read(["1"], None)).run()
    assert named(store) == there(folder) == set()
    assert not store.rows("SELECT * FROM removals")


def test_a_station_cleans_up_by_itself_and_says_so(start: Start, pictures: list[Path]) -> None:
    service = start("--workers", 1)
    for picture in pictures[:3]:
        service.client.inspect(picture)
    service.stop(signal.SIGTERM)
    service = start("--workers", 1, "--keep-days", "0")
    until(lambda: service.json("GET", "/readyz")[1]["cleanup"]["images"] == 3)
    assert not list((service.data / "images").rglob("*.png"))
    assert service.json("GET", "/v1/results/1")[1]["result"]["links"]["image"] is None
    assert service.ask("GET", "/v1/results/1/image")[0] == 410
    assert "excision_removed_images 3.0" in service.ask("GET", "/metrics")[2].decode()
    assert service.json("GET", "/v1/models/fabric/history")[1]["events"][0]["what"] == "images removed"
    page = service.ask("GET", "/models")[2].decode()
    assert "3 images of" in page
    assert "Clean-up of kept images" in page


def test_a_clean_up_can_be_stopped_on_the_page(start: Start, tmp_path: Path) -> None:
    store = Store(tmp_path / "station" / "results.sqlite")
    many = range(20_000)
    store.add([replace(GOOD, time=float(n), file_size=n, image=f"images/{n}.png") for n in many])
    store.close()
    service = start("--workers", 1, "--keep-days", "0")
    until(lambda: service.json("GET", "/readyz")[1]["cleanup"]["running"])
    assert "running." in service.ask("GET", "/work/clean-up")[2].decode()
    assert service.ask("POST", "/work/clean-up/stop", b"", HX_Request="true")[0] == 200
    until(lambda: not service.json("GET", "/readyz")[1]["cleanup"]["running"])
    state = service.json("GET", "/readyz")[1]["cleanup"]
    assert state["stopped"]
    assert 0 < state["images"] < 20_000
    assert "stopped;" in service.ask("GET", "/models")[2].decode()


def test_files_are_open_to_their_owner_alone(start: Start, pictures: list[Path], tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        service = start("--workers", 1)
        shared = start("--workers", 1, "--shared", data=tmp_path / "shared")
    finally:
        os.umask(before)
    for found, forbidden in ((service, 0o077), (shared, 0o007)):
        found.client.inspect(pictures[0])
        paths = [found.data, *found.data.rglob("*")]
        assert {path.name for path in paths} >= {
            "results.sqlite",
            "results.sqlite-wal",
            "service.lock",
            "images",
        }
        assert [path for path in paths if stat.S_IMODE(path.stat().st_mode) & forbidden] == []
    group = {stat.S_IMODE(path.stat().st_mode) & 0o060 for path in shared.data.rglob("*") if path.is_file()}
    assert group == {0o060}
    assert stat.S_IMODE((shared.data / "images").stat().st_mode) & 0o070 == 0o070


def test_a_folder_that_everybody_may_read_is_named(line: Path, tmp_path: Path) -> None:
    data = tmp_path / "station"
    data.mkdir()
    # Not as it is made: another test in this process may have narrowed the mask for new files.
    data.chmod(0o755)
    (data / "service.lock").mkdir()
    done = serve(line, "--data", data, "--port", 0)
    assert f"{data}: open to everybody (mode 755); close it with: chmod 700 {data}" in done.stderr
    assert stat.S_IMODE(data.stat().st_mode) == 0o755


def test_a_backup_under_load_is_a_station_with_every_answered_result(
    start: Start, pictures: list[Path], tmp_path: Path
) -> None:
    service, image = start(), pictures[0].read_bytes()
    answered: list[str] = []
    end = threading.Event()

    def send() -> None:
        while not end.is_set():
            source = uuid.uuid4().hex
            if service.ask("POST", f"/v1/inspect?source={source}", image)[0] == 200:
                answered.append(source)
            time.sleep(0.02)

    threads = [threading.Thread(target=send) for _ in range(3)]
    for thread in threads:
        thread.start()
    until(lambda: len(answered) > 10)
    before = set(answered)
    made = excision("backup", service.data, "--to", tmp_path / "backup", "--json", tmp_path / "made.json")
    end.set()
    for thread in threads:
        thread.join()
    assert made.returncode == 0, made.stderr
    assert before <= set(stored(tmp_path / "backup")) <= set(answered)
    sums = subprocess.run(
        ["sha256sum", "--check", "--quiet", "SHA256SUMS"], cwd=tmp_path / "backup", check=False
    )
    assert sums.returncode == 0
    assert json.loads((tmp_path / "made.json").read_text())["missing"] == 0
    assert excision("backup", service.data, "--to", tmp_path / "backup").returncode == 2
    done = excision("restore", tmp_path / "backup", "--to", tmp_path / "restored")
    assert done.returncode == 0, done.stderr
    again = start(data=tmp_path / "restored")
    for found in again.client.results():
        assert again.client.view(found.id, "image") == image
    assert {found.source for found in again.client.results()} >= before


def quiet(*_: object) -> None:
    """Show no progress."""


def test_a_backup_that_is_interrupted_goes_on_and_the_next_shares_what_is_there(tmp_path: Path) -> None:
    store = fill(tmp_path / "station", ROWS * 10)

    def interrupt(stage: str, done: int, _all: int) -> None:
        if stage == "images" and done == 30:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        back_up(tmp_path / "station", tmp_path / "one", interrupt)
    assert not (tmp_path / "one").exists()
    first = back_up(tmp_path / "station", tmp_path / "one", quiet)
    assert (first.results, first.images, first.missing) == (60, 60, 0)
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []
    (tmp_path / "station" / "images" / "0" / "0.png").unlink()
    store.add([replace(GOOD, file_size=999, image="images/new.png")])
    (tmp_path / "station" / "images" / "new.png").write_bytes(b"new")
    second = back_up(tmp_path / "station", tmp_path / "two", quiet, since=tmp_path / "one")
    assert (second.results, second.images, second.linked, second.missing) == (61, 60, 59, 1)
    assert second.first_missing == ("images/0/0.png",)
    assert restore(tmp_path / "two", tmp_path / "back", quiet) == 61


@pytest.mark.parametrize("harm", ["flip", "remove", "sums", "outside"])
def test_a_damaged_backup_is_not_restored(tmp_path: Path, harm: str) -> None:
    fill(tmp_path / "station", ROWS)
    back_up(tmp_path / "station", tmp_path / "backup", quiet)
    image, sums = tmp_path / "backup" / "images" / "0" / "0.png", tmp_path / "backup" / "SHA256SUMS"
    if harm == "flip":
        image.write_bytes(b"\x01" + image.read_bytes()[1:])
    elif harm == "remove":
        image.unlink()
    elif harm == "sums":
        sums.unlink()
    else:
        sums.write_text(f"{'0' * 64}  ../../outside\n")
    with pytest.raises(ResultsError):
        restore(tmp_path / "backup", tmp_path / "station2", quiet)
    assert not (tmp_path / "station2").exists()


def test_a_backup_is_never_written_over_or_into_its_station(tmp_path: Path) -> None:
    fill(tmp_path / "station", ROWS)
    (tmp_path / "there").mkdir()
    for place in (tmp_path / "there", tmp_path / "station" / "backup"):
        with pytest.raises(SettingsError):
            back_up(tmp_path / "station", place, quiet)
    with pytest.raises(ResultsError, match="there is no such file"):
        back_up(tmp_path / "there", tmp_path / "new", quiet)


def test_a_backup_of_a_damaged_database_is_refused(tmp_path: Path) -> None:
    fill(tmp_path / "station", ROWS * 50).close()
    path = tmp_path / "station" / "results.sqlite"
    content = bytearray(path.read_bytes())
    content[8192:] = os.urandom(len(content) - 8192)
    path.write_bytes(content)
    with pytest.raises(ResultsError):
        back_up(tmp_path / "station", tmp_path / "backup", quiet)
    assert not (tmp_path / "backup").exists()


@pytest.mark.parametrize("ended", [True, False], ids=["closed", "killed"])
def test_a_station_on_a_disk_that_turned_read_only_can_be_saved(
    tmp_path: Path,
    small_disk: Path,
    ended: bool,
) -> None:
    store = fill(tmp_path / "station", ROWS)
    if ended:
        store.close()
    shutil.copytree(tmp_path / "station", small_disk / "station", ignore=shutil.ignore_patterns("*-shm"))
    assert (small_disk / "station" / "results.sqlite-wal").exists() != ended
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    made = back_up(small_disk / "station", tmp_path / "saved", quiet)
    assert (made.results, made.images, made.missing) == (6, 6, 0)
    assert {path.name for path in (tmp_path / "saved").iterdir()} == {
        "results.sqlite",
        "images",
        "SHA256SUMS",
        "backup.json",
    }


def test_odd_names_of_images_are_in_the_sums(tmp_path: Path) -> None:
    store = fill(tmp_path / "station", ROWS)
    for number, name in enumerate(["a\nb.png", "back\\slash.png", "ü \U0001f600.png", "-x.png"], start=1):
        (tmp_path / "station" / name).write_bytes(name.encode())
        store.set_image(number, name)
    back_up(tmp_path / "station", tmp_path / "backup", quiet)
    sums = subprocess.run(
        ["sha256sum", "--check", "--quiet", "SHA256SUMS"], cwd=tmp_path / "backup", check=False
    )
    assert sums.returncode == 0
    restore(tmp_path / "backup", tmp_path / "back", quiet)
    assert (tmp_path / "back" / "a\nb.png").read_bytes() == b"a\nb.png"
    with closing(sqlite3.connect(tmp_path / "back" / "results.sqlite")) as connection:
        assert connection.execute("SELECT count(*) FROM results").fetchone() == (6,)


def test_time_is_what_the_tests_think(tmp_path: Path) -> None:
    """A clean-up without a given time uses the clock."""
    store = Store(tmp_path / "results.sqlite")
    store.add([replace(GOOD, time=time.time(), image="a.png")])
    assert Cleanup(tmp_path, store, Rules.read(["1"], None), dry_run=True).run().images == 0


def test_an_empty_file_is_no_station_to_back_up(tmp_path: Path) -> None:
    (tmp_path / "station").mkdir()
    (tmp_path / "station" / "results.sqlite").touch()
    with pytest.raises(ResultsError, match="holds no results"):
        back_up(tmp_path / "station", tmp_path / "backup", quiet)
    assert not (tmp_path / "backup").exists()


@pytest.mark.parametrize("image", ["0" * 300, "images", "images/gone.png", "../secret", "pipe"])
def test_an_image_that_cannot_be_read_is_not_kept(tmp_path: Path, image: str) -> None:
    kept = Images(tmp_path / "station")
    (tmp_path / "station" / "images").mkdir()
    (tmp_path / "secret").touch()
    os.mkfifo(tmp_path / "station" / "pipe")
    assert kept.find(image) is None


_REMOVING = """
import os, sys
def remove(event, arguments):
    path = str(arguments[0]) if event == "open" else ""
    if path.endswith("station/images/1/4.png") and os.path.exists(path):
        os.unlink(path)
sys.addaudithook(remove)
from excision.cli import main
main()
"""


def test_an_image_that_a_clean_up_removes_while_it_is_copied_is_missing(tmp_path: Path) -> None:
    fill(tmp_path / "station", ROWS)
    words = ["backup", tmp_path / "station", "--to", tmp_path / "backup"]
    done = subprocess.run(
        [sys.executable, "-c", _REMOVING, *map(str, words)],
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    about = json.loads((tmp_path / "backup" / "backup.json").read_text("utf-8"))
    assert (about["images"], about["missing"]) == (len(ROWS) - 1, 1)

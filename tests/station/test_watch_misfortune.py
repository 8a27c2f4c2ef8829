"""A hot folder with odd names, two watchers, a backlog, and faults of the disk and of the database."""

from __future__ import annotations

import errno
import os
import shutil
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from excision.errors import DamagedError, ModelError, ReplacedError, SettingsError
from excision.predictions import Prediction
from excision.station.hot_folder import patience, watcher
from excision.station.hot_folder.hold import FolderHold
from excision.station.hot_folder.settings import WatchSettings
from excision.station.store import store
from excision.station.store.connection import RESULTS
from tests.cli.conftest import excision
from tests.evaluation.fakes import FakePredictor, save
from tests.inspection.test_batch import stained, surface
from tests.station.test_watch import results, run_watch

ODD = [
    "\U0001f600" * 62 + ".png",
    "\u6f22" * 83 + ".png",
    os.fsdecode(b"\xff" * 251) + ".png",
    "\x1b[2J\nall good.png",
    "e\u0301" * 80 + ".PNG",
    '"><script>alert(1)</script>.png'.replace("/", "\u2044"),
    "=cmd|' /C calc'!A0.png",
]


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watcher, "AGAIN", 0.05)


@pytest.mark.parametrize("after", ["leave", "move"])
def test_the_longest_and_oddest_names(tmp_path: Path, after: str) -> None:
    hot, out = tmp_path / "hot", tmp_path / "out"
    save(hot / "plain.png", surface(1, (64, 64)))
    for number, name in enumerate(ODD):
        place = hot / ("sub" if number % 2 else "") / name
        place.parent.mkdir(exist_ok=True)
        shutil.copy(hot / "plain.png", place)
    counts, notes = run_watch(hot, out, after=after)
    assert (counts.good, counts.failed, notes) == (len(ODD) + 1, 0, [])
    found = results(out)
    assert len(list((out / "overlays").iterdir())) == len(ODD) + 1
    if after == "move":
        assert not [path for path in hot.rglob("*") if path.is_file()]
        assert all(result.image is not None and (out / result.image).is_file() for result in found)
    assert run_watch(hot, out, after=after)[0].results == 0


class Raising(FakePredictor):
    """Raises an error for each file whose name has it; `failures` bounds how often."""

    def __init__(self, errors: dict[str, Callable[[], Exception]], failures: int = 10**9) -> None:
        super().__init__()
        self.errors, self.failures = errors, failures

    def predict(self, images: Iterable[Path]) -> Iterator[Prediction]:
        for path in images:
            for name, error in self.errors.items():
                if name in path.name and self.failures > 0:
                    self.failures -= 1
                    raise error()
            yield from super().predict([path])


BAD: dict[str, Callable[[], Exception]] = {
    "value": lambda: ValueError("buffer is too small\x1b[2J"),
    "memory": MemoryError,
    "long": lambda: OSError(errno.ENAMETOOLONG, "File name too long"),
    "model": lambda: ModelError("the backend failed"),
    "unicode": lambda: UnicodeEncodeError("utf-8", "\ud83d", 0, 1, "surrogates not allowed"),
}


def test_what_is_wrong_with_one_file_is_recorded_and_stops_nothing(tmp_path: Path) -> None:
    hot, out = tmp_path / "hot", tmp_path / "out"
    for name in BAD:
        save(hot / f"{name}.png", surface(1))
    save(hot / "zz_good.png", surface(2))
    counts, notes = run_watch(hot, out, Raising(BAD))
    assert (counts.good, counts.failed) == (1, len(BAD))
    errors = {Path(result.source).stem: result.error for result in results(out)}
    assert "buffer is too small" in str(errors["value"])
    assert "the backend failed" in str(errors["model"])
    assert "\x1b" not in "".join(notes)
    assert run_watch(hot, out, Raising(BAD))[0].results == 0


def test_a_model_that_computes_nothing_ends_the_watcher(tmp_path: Path) -> None:
    for number in range(9):
        save(tmp_path / "hot" / f"{number}.png", surface(number))
    with pytest.raises(ModelError, match="damaged"):
        run_watch(tmp_path / "hot", tmp_path / "out", Raising({"": lambda: ModelError("damaged")}))


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO])
def test_a_full_disk_is_waited_out(tmp_path: Path, number: int) -> None:
    hot, out = tmp_path / "hot", tmp_path / "out"
    for name in "abc":
        save(hot / f"{name}.png", surface(1))
    full = Raising({"b": lambda: OSError(number, os.strerror(number), "overlays/b.png")}, failures=3)
    counts, notes = run_watch(hot, out, full)
    assert (counts.good, counts.failed) == (3, 0)
    assert len(notes) == 2
    assert "nothing is lost" in notes[0] and os.strerror(number) in notes[0]
    assert "works again" in notes[1]


def test_a_watcher_that_is_to_end_when_idle_ends_with_the_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patience, "_ENOUGH", 0.2)
    save(tmp_path / "hot" / "a.png", surface(1))
    full = Raising({"a": lambda: OSError(errno.ENOSPC, "No space left on device")})
    with pytest.raises(Exception, match="disk is full"):
        run_watch(tmp_path / "hot", tmp_path / "out", full)


class Locking(FakePredictor):
    """Locks the database as another process would, while it inspects."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path, self.lock = path, threading.Event()

    def predict(self, images: Iterable[Path]) -> Iterator[Prediction]:
        if not self.lock.is_set():
            self.lock.set()
            other = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False)
            other.execute("BEGIN IMMEDIATE")

            def release() -> None:
                other.execute("COMMIT")
                other.close()

            threading.Timer(0.6, release).start()
        yield from super().predict(images)


def test_a_locked_database_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "WAIT", 0.2)
    save(tmp_path / "hot" / "a.png", stained(1))
    counts, notes = run_watch(tmp_path / "hot", tmp_path / "out", Locking(tmp_path / "out" / RESULTS))
    assert counts.defect == 1
    assert len(results(tmp_path / "out")) == 1
    assert "locked" in notes[0]


def test_a_damaged_or_replaced_database_ends_with_what_to_do(tmp_path: Path) -> None:
    hot, out = tmp_path / "hot", tmp_path / "out"
    save(hot / "a.png", surface(1))

    class Removing(FakePredictor):
        def predict(self, images: Iterable[Path]) -> Iterator[Prediction]:
            for path in out.glob(f"{RESULTS}*"):
                path.unlink()
            yield from super().predict(images)

    with pytest.raises(ReplacedError):
        run_watch(hot, out, Removing())
    out.joinpath(RESULTS).unlink(missing_ok=True)
    assert run_watch(hot, out)[0].good == 1
    (out / RESULTS).write_bytes(b"SQLite format 3\0" + b"\xff" * 5000)
    for path in out.glob(f"{RESULTS}-*"):
        path.unlink()
    with pytest.raises(DamagedError):
        run_watch(hot, out)
    assert (hot / "a.png").is_file()


def test_two_watchers_of_one_hot_folder(tmp_path: Path) -> None:
    hot = tmp_path / "hot"
    save(hot / "a.png", surface(1))
    hot.chmod(0o500)
    try:
        with FolderHold(hot, lambda _: None):
            with pytest.raises(SettingsError, match=f"another watcher .* {os.getpid()}"):
                run_watch(hot, tmp_path / "other")
            (tmp_path / "link").symlink_to(hot)
            with pytest.raises(SettingsError, match="another watcher"):
                run_watch(tmp_path / "link", tmp_path / "third")
        assert run_watch(hot, tmp_path / "other")[0].good == 1
    finally:
        hot.chmod(0o700)
    assert [path.name for path in hot.iterdir()] == ["a.png"]


def test_a_hot_folder_that_is_replaced_is_held_again(tmp_path: Path) -> None:
    hot, notes = tmp_path / "hot", list[str]()
    hot.mkdir()
    with FolderHold(hot, notes.append) as hold:
        for _ in range(3):
            hot.rmdir()
            assert hold.renew()
            hot.mkdir()
            assert hold.renew()
            with pytest.raises(SettingsError):
                FolderHold(hot, notes.append)
        hot.rmdir()
        hot.mkdir()
        with FolderHold(hot, notes.append):
            assert not hold.renew()
            assert not hold.renew()
        assert hold.renew()
    assert len(notes) == 1 and "waits until it ends" in notes[0]


@pytest.mark.parametrize(
    ("settings", "age", "newest_first"),
    [
        ({}, 1, False),
        ({}, 100, True),
        ({"stale": 200.0}, 100, False),
        ({"order": "oldest"}, 100, False),
        ({"order": "newest"}, 1, True),
        ({"stale": 0.0}, 1, True),
    ],
)
def test_the_order_of_a_backlog(
    tmp_path: Path, settings: dict[str, Any], age: float, newest_first: bool
) -> None:
    hot, names = tmp_path / "hot", [f"{number}.png" for number in range(4)]
    for number, name in enumerate(names):
        save(hot / name, surface(number))
        when = time.time() - age + number / 10
        os.utime(hot / name, (when, when))
    predictor = FakePredictor()
    run_watch(hot, tmp_path / "out", predictor, **settings)
    seen = [path.name for path in predictor.seen]
    assert seen == (names[::-1] if newest_first else names)


@pytest.mark.parametrize("stale", [-1.0, float("nan")])
def test_a_stale_age_out_of_range(stale: float) -> None:
    with pytest.raises(SettingsError, match="--stale"):
        WatchSettings(stale=stale)


def test_what_excision_wrote_is_passed_over(tmp_path: Path) -> None:
    hot = tmp_path / "hot"
    save(hot / "a.png", surface(1))
    (hot / "results.csv").write_text("of the camera")
    for folder, marks in {
        "inspected": ["results.jsonl", "results.csv"],
        "watched": ["results.sqlite"],
        "run": ["model.safetensors", "settings.toml"],
        "line": ["model.json", "golden.npz"],
        "evaluation": ["evaluation.json", "scores.csv"],
    }.items():
        save(hot / folder / "overlays" / "b.png", surface(2))
        for mark in marks:
            (hot / folder / mark).write_text("")
    save(hot / "batch" / "c.png", surface(3))
    (hot / "batch" / "settings.toml").write_text("of the camera")
    counts, notes = run_watch(hot, tmp_path / "out")
    assert counts.results == 2
    assert len(notes) == 5 and all("passed over" in note for note in notes)


def test_a_folder_that_is_none_is_said_before_anything_else(tmp_path: Path) -> None:
    done = excision("watch", tmp_path / "no_model", tmp_path / "nope", "--out", tmp_path / "out")
    assert done.returncode == 2
    assert "there is no such folder to watch" in done.stderr
    assert "Watching" not in done.stderr
    assert not (tmp_path / "out").exists()

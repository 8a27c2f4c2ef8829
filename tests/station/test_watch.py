"""A hot folder: every file once, whatever happens to it or to the watcher."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from excision.errors import ImageError, SettingsError
from excision.inspection.batch import find_images, inspect_images
from excision.inspection.log import read_log
from excision.predictions import Prediction
from excision.station.hot_folder.settings import Listeners, WatchCounts, WatchSettings
from excision.station.hot_folder.watcher import watch
from excision.station.store.connection import RESULTS
from excision.station.store.query import Query
from excision.station.store.records import StoredResult
from excision.station.store.store import Store
from tests import nursery
from tests.cli.conftest import environment
from tests.evaluation.fakes import FakePredictor, save
from tests.inspection.test_batch import stained, surface
from tests.nursery import INSPECTING, Program

ROOT = Path(__file__).parents[2]
IDENTITY = ("fake", "1")


def run_watch(
    folder: Path, out: Path, predictor: FakePredictor | None = None, **settings: Any
) -> tuple[WatchCounts, list[str]]:
    """Watch until nothing is left to do, and give the counts and what was said."""
    notes: list[str] = []
    listeners = Listeners(lambda: False, lambda _: None, notes.append)
    chosen = WatchSettings(**{"settle": 0.05, "idle_exit": 0.0, **settings})
    return watch(predictor or FakePredictor(), IDENTITY, folder, out, chosen, listeners), notes


def results(out: Path) -> list[StoredResult]:
    store = Store(out / RESULTS)
    found = list(store.walk(Query()))
    store.close()
    return found


@pytest.fixture
def hot(tmp_path: Path) -> Path:
    """Two good parts and two stained ones, of which two share a name, and a damaged file."""
    root = tmp_path / "hot"
    save(root / "a" / "1.png", surface(1))
    save(root / "a" / "2.png", stained(2))
    save(root / "b" / "1.png", stained(3))
    save(root / "b" / "2.png", surface(4))
    (root / "b" / "broken.png").write_bytes(b"no image")
    (root / "notes.txt").write_text("no image")
    return root


def test_results_are_those_of_a_plain_inspection(hot: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    counts, _ = run_watch(hot, out)
    assert (counts.good, counts.defect, counts.failed, counts.waiting) == (2, 2, 1, 0)
    inspect_images(FakePredictor(), find_images([hot]), tmp_path / "plain")
    plain = {line.image: line for line in read_log(tmp_path / "plain")}
    found = {result.source: result for result in results(out)}
    assert set(found) == set(plain)
    for name, line in plain.items():
        for field in ("score", "threshold", "verdict", "defect_area_share", "boxes", "error"):
            assert getattr(found[name], field) == getattr(line, field)
    first = found[str(hot / "a" / "1.png")]
    status = (hot / "a" / "1.png").stat()
    assert (first.file_size, first.file_mtime_ns) == (status.st_size, status.st_mtime_ns)
    assert (first.width, first.height, first.model, first.model_version) == (240, 320, *IDENTITY)
    assert len(list((out / "overlays").iterdir())) == 4


def test_a_restart_inspects_only_what_is_new_or_changed(hot: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run_watch(hot, out)
    again = FakePredictor()
    assert run_watch(hot, out, again)[0].results == 0
    assert again.seen == []
    save(hot / "a" / "1.png", stained(7))
    save(hot / "c" / "1.png", surface(8))
    counts, _ = run_watch(hot, out, again)
    assert [path.relative_to(hot).as_posix() for path in again.seen] == ["a/1.png", "c/1.png"]
    assert (counts.good, counts.defect) == (1, 1)
    # The file as it was before keeps its picture.
    assert len(list((out / "overlays").iterdir())) == 6


class Failing(FakePredictor):
    """Cannot read the first so many images it is shown."""

    def __init__(self, failures: int) -> None:
        super().__init__()
        self.failures = failures

    def predict(self, images: Iterable[Path]) -> Iterator[Prediction]:
        for prediction in super().predict(images):
            if len(self.seen) <= self.failures:
                raise ImageError(f"{self.seen[-1]}: truncated")
            yield prediction


@pytest.mark.parametrize(("failures", "looks", "failed"), [(0, 1, 0), (1, 2, 0), (2, 2, 1), (9, 2, 1)])
def test_what_cannot_be_read_is_tried_once_more(
    tmp_path: Path, failures: int, looks: int, failed: int
) -> None:
    save(tmp_path / "hot" / "1.png", surface(1))
    predictor = Failing(failures)
    counts, _ = run_watch(tmp_path / "hot", tmp_path / "out", predictor)
    assert (len(predictor.seen), counts.failed, counts.results) == (looks, failed, 1)


class Meddling(FakePredictor):
    """Something happens to the first image while it is inspected."""

    def __init__(self, meddle: Callable[[Path], object]) -> None:
        super().__init__()
        self.meddle = meddle

    def predict(self, images: Iterable[Path]) -> Iterator[Prediction]:
        for prediction in super().predict(images):
            if len(self.seen) == 1:
                self.meddle(self.seen[0])
            yield prediction


@pytest.mark.parametrize("after", ["leave", "move"])
def test_a_file_that_changes_while_it_is_inspected_counts_as_it_is_in_the_end(
    tmp_path: Path, after: str
) -> None:
    image = save(tmp_path / "hot" / "1.png", surface(1))
    counts, _ = run_watch(
        image.parent, tmp_path / "out", Meddling(lambda path: save(path, stained(1))), after=after
    )
    assert (counts.good, counts.defect) == (0, 1)
    assert len(results(tmp_path / "out")) == 1


@pytest.mark.parametrize("after", ["leave", "move"])
def test_a_file_that_vanishes_is_passed_over(tmp_path: Path, after: str) -> None:
    save(tmp_path / "hot" / "1.png", surface(1))
    save(tmp_path / "hot" / "2.png", surface(2))
    counts, _ = run_watch(tmp_path / "hot", tmp_path / "out", Meddling(Path.unlink), after=after)
    assert counts.results == counts.good == 1
    assert [Path(result.source).name for result in results(tmp_path / "out")] == ["2.png"]


def test_move_sorts_by_verdict_and_overwrites_nothing(hot: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    before = {path.read_bytes() for path in hot.rglob("*.png")}
    (out / "good" / "a").mkdir(parents=True)
    (out / "good" / "a" / "1.png").write_text("somebody's own")
    counts, _ = run_watch(hot, out, after="move")
    assert counts.moved == 5
    assert [path.name for path in hot.rglob("*") if path.is_file()] == ["notes.txt"]
    assert (out / "good" / "a" / "1.png").read_text() == "somebody's own"
    found = {result.source: result for result in results(out)}
    for result in found.values():
        assert result.image is not None
        assert result.image.startswith(f"{result.verdict or 'failed'}/")
        assert (out / result.image).stat().st_mtime_ns == result.file_mtime_ns
    assert found[str(hot / "b" / "1.png")].image == "defect/b/1.png"
    assert {(out / str(result.image)).read_bytes() for result in found.values()} == before
    # The same name again, as of a camera that counts no parts: it is another part.
    for seed in (11, 12):
        save(hot / "b" / "1.png", stained(seed))
        assert run_watch(hot, out, after="move")[0].moved == 1
    assert len(list((out / "defect" / "b").iterdir())) == 3


def test_move_begun_later_moves_what_was_left(hot: Path, tmp_path: Path) -> None:
    run_watch(hot, tmp_path / "out")
    predictor = FakePredictor()
    counts, _ = run_watch(hot, tmp_path / "out", predictor, after="move")
    assert (counts.moved, counts.results, predictor.seen) == (5, 0, [])
    assert all((tmp_path / "out" / str(result.image)).is_file() for result in results(tmp_path / "out"))


def test_a_move_that_fails_is_said_and_loses_nothing(hot: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "defect").write_text("a file where a folder should be")
    counts, notes = run_watch(hot, out, after="move")
    assert (counts.results, counts.moved) == (5, 3)
    assert len(notes) == 2
    assert all("cannot be moved" in note for note in notes)
    (out / "defect").unlink()
    assert run_watch(hot, out, after="move")[0].moved == 2
    assert len(results(out)) == 5


# Ends the process, as by a kill, at the n-th call of one function, before or after it does its work.
_KILLED = """
import errno, os, shutil, sys
from pathlib import Path
import tests.station.test_watch as tests
from excision.station.hot_folder import file_work
from excision.station.store.store import Store
owner, name, when, far = sys.argv[1:5]
link = os.link
def elsewhere(source, place):
    if not os.path.lexists(place) and not str(source).endswith(".half"):
        raise OSError(errno.EXDEV, "another file system", source)
    link(source, place)
if far == "far":
    os.link = elsewhere
owner = {"os": os, "shutil": shutil, "Store": Store, "Path": Path, "file_work": file_work}[owner]
whole = getattr(owner, name)
def killed(*words, **more):
    if name != "unlink" or str(words[0]).endswith("1.png"):
        when == "after" and whole(*words, **more)
        os._exit(9)
    return whole(*words, **more)
setattr(owner, name, killed)
tests.run_watch(Path(sys.argv[5]), Path(sys.argv[6]), after="move")
"""

_MOMENTS = [
    ("Store", "add"), ("file_work", "move_file"), ("os", "link"), ("shutil", "copyfile"), ("os", "fsync"),
    ("Path", "unlink"),
]  # fmt: skip


@pytest.mark.parametrize("far", ["near", "far"])
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize(("owner", "name"), _MOMENTS)
def test_a_kill_between_any_two_steps_of_a_move(
    tmp_path: Path, owner: str, name: str, when: str, far: str
) -> None:
    if far == "near" and name in ("copyfile", "fsync"):
        pytest.skip("a move within a file system copies nothing")
    hot, out = tmp_path / "hot", tmp_path / "out"
    content = save(hot / "sub" / "1.png", surface(1)).read_bytes()
    code = ["-c", _KILLED, owner, name, when, far, hot, out]
    killed = nursery.run(code, (__name__,), cwd=ROOT)
    assert killed.returncode == 9, killed.stderr
    run_watch(hot, out, after="move")
    (result,) = results(out)
    assert (result.verdict, result.image) == ("good", "good/sub/1.png")
    left = [path for place in (hot, out / "good") for path in place.rglob("*") if path.is_file()]
    assert left == [out / "good" / "sub" / "1.png"]
    assert left[0].read_bytes() == content


def test_move_to_another_file_system(tmp_path: Path) -> None:
    shm = Path("/dev/shm")
    if not shm.is_dir() or shm.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("there is no other file system here")
    folder = shm / f"excision-{os.getpid()}"
    try:
        content = save(folder / "sub" / "1.png", surface(1)).read_bytes()
        times = (folder / "sub" / "1.png").stat().st_mtime_ns
        run_watch(folder, tmp_path / "out", after="move")
        assert not list(folder.rglob("*.png"))
        moved = [path for path in (tmp_path / "out" / "good").rglob("*") if path.is_file()]
        assert moved == [tmp_path / "out" / "good" / "sub" / "1.png"]
        assert (moved[0].read_bytes(), moved[0].stat().st_mtime_ns) == (content, times)
    finally:
        subprocess.run(["rm", "-rf", str(folder)], check=True)


@pytest.mark.parametrize("after", ["leave", "move"])
def test_odd_entries_of_a_folder(tmp_path: Path, after: str) -> None:
    hot, out = tmp_path / "hot", tmp_path / "hot" / "out"
    save(hot / "sub" / "1.png", surface(1))
    (hot / "a_link").symlink_to(hot / "sub", target_is_directory=True)
    (hot / "sub" / "loop").symlink_to(hot, target_is_directory=True)
    (hot / "round.png").symlink_to("round.png")
    (hot / "nothing.png").symlink_to("gone.png")
    (hot / "folder.png").mkdir()
    os.mkfifo(hot / "pipe.png")
    save(hot / ".hidden.png", surface(2))
    save(out / "good" / "old.png", surface(3))
    save(tmp_path / "outside" / "2.png", surface(5))
    (hot / "elsewhere").symlink_to(tmp_path / "outside", target_is_directory=True)
    counts, _ = run_watch(hot, out, after=after)
    assert (counts.good, counts.failed) == (2, 2)
    sources = [os.path.relpath(result.source, hot) for result in results(out)]
    assert sorted(sources) == ["../outside/2.png", "nothing.png", "round.png", "sub/1.png"]
    if after == "move":
        assert (out / "good" / "elsewhere" / "2.png").is_file()
        assert (out / "failed" / "nothing.png").readlink() == hot / "gone.png"
    assert run_watch(hot, out, after=after)[0].results == 0


@pytest.mark.parametrize("after", ["leave", "move"])
def test_a_name_that_is_no_text(tmp_path: Path, after: str) -> None:
    odd = Path(os.fsdecode(os.fsencode(tmp_path) + b"/hot/part_\xff.png"))
    try:
        save(tmp_path / "hot" / "1.png", surface(1)).rename(odd)
    except OSError:
        pytest.skip("this file system takes only names that are text")
    out = tmp_path / "out"
    assert run_watch(tmp_path / "hot", out, after=after, also=("csv",))[0].good == 1
    (result,) = results(out)
    assert result.source == str(tmp_path / "hot" / "part_\\xff.png")
    if after == "move":
        assert (out / str(result.image)).is_file()
    assert run_watch(tmp_path / "hot", out, after=after)[0].results == 0


@pytest.mark.parametrize(
    ("folder", "said"),
    [("gone", "no such folder"), ("out", "part of the results"), ("out/good/sub", "part of the results")],
)
def test_folders_that_cannot_be_watched(tmp_path: Path, folder: str, said: str) -> None:
    (tmp_path / "out" / "good" / "sub").mkdir(parents=True)
    with pytest.raises(SettingsError, match=said):
        run_watch(tmp_path / folder, tmp_path / "out")


@pytest.mark.parametrize("wrong", [{"settle": -1.0}, {"stop_after": 0}, {"idle_exit": -1.0}])
def test_settings_out_of_range(wrong: dict[str, Any]) -> None:
    (name,) = wrong
    with pytest.raises(SettingsError, match=f"--{name.replace('_', '-')} is"):
        WatchSettings(**wrong)


def test_stop_after_so_many(hot: Path, tmp_path: Path) -> None:
    counts, _ = run_watch(hot, tmp_path / "out", stop_after=2, idle_exit=None)
    assert counts.results == 2
    assert run_watch(hot, tmp_path / "out")[0].results == 3


# From here on with processes of their own, and a model.


def wait_for(condition: Callable[[], bool]) -> None:
    for _ in range(4800):
        if condition():
            return
        time.sleep(0.05)
    raise AssertionError("it did not happen within four minutes")


@contextmanager
def start(line: Path, tmp_path: Path, *words: object) -> Iterator[subprocess.Popen[str]]:
    (tmp_path / "hot").mkdir(exist_ok=True)
    begun = ["-m", "excision", "watch", line, tmp_path / "hot", "--out", tmp_path / "out", "--settle", 0.1]
    pipe = subprocess.PIPE
    with Program(
        [*begun, *words], INSPECTING, stdout=pipe, stderr=pipe, text=True, env=environment()
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def inspected(tmp_path: Path, count: int) -> Callable[[], bool]:
    return lambda: (tmp_path / "out" / RESULTS).is_file() and len(results(tmp_path / "out")) >= count


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
def test_a_request_to_stop_ends_with_a_summary(line: Path, tmp_path: Path, number: signal.Signals) -> None:
    with start(line, tmp_path, "--also", "csv", "parquet") as process:
        save(tmp_path / "hot" / "1.png", surface(1, (64, 64)))
        (tmp_path / "hot" / "broken.png").write_bytes(b"no image")
        wait_for(inspected(tmp_path, 2))
        process.send_signal(number)
        stdout, stderr = process.communicate(timeout=240)
    assert process.returncode == 0, stderr
    assert "1 not inspected" in stdout
    assert str(tmp_path / "out" / RESULTS) in stdout
    assert "Traceback" not in stderr
    assert len((tmp_path / "out" / "results.csv").read_text("utf-8").splitlines()) == 3
    assert (tmp_path / "out" / "results.parquet").is_file()


def test_one_watcher_for_each_folder_of_results(line: Path, tmp_path: Path) -> None:
    with start(line, tmp_path) as first:
        save(tmp_path / "hot" / "1.png", surface(1, (64, 64)))
        wait_for(inspected(tmp_path, 1))
        with start(line, tmp_path) as second:
            _, stderr = second.communicate(timeout=240)
        assert second.returncode == 2
        assert f"another watcher writes here already (process {first.pid})" in stderr
        first.kill()
    with start(line, tmp_path, "--stop-after", 1) as third:
        save(tmp_path / "hot" / "2.png", surface(2, (64, 64)))
        _, stderr = third.communicate(timeout=240)
    assert third.returncode == 0, stderr


def test_watching_an_exported_model_imports_no_torch(line: Path, tmp_path: Path) -> None:
    save(tmp_path / "hot" / "1.png", surface(1, (64, 64)))
    words = ["watch", line, tmp_path / "hot", "--out", tmp_path / "out", "--stop-after", 1]
    code = f"""
import sys
from excision.cli import run
assert run({list(map(str, words))}) == 0
assert not {{"torch", "pyarrow", "matplotlib", "scipy"}} & set(sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("after", ["leave", "move"])
def test_kills_lose_and_double_nothing(line: Path, parts: Path, after: str) -> None:
    script = [sys.executable, str(ROOT / "experiments" / "kill_watch.py"), str(line), str(parts)]
    done = subprocess.run(
        [*script, "--kills", "2", "--after", after],
        capture_output=True, text=True, check=False, env=environment(), timeout=900,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr

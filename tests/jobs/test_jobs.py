"""Jobs in processes of their own: told, stopped, killed, and several at once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from excision.jobs import shares
from excision.jobs.child import STOPPED, Child, how_it_ended
from excision.jobs.pool import Job, LocalPool

SLEEPER = "tests.jobs.sleeper"
LONG = 2000


def wait_for(file: Path) -> None:
    deadline = time.monotonic() + 60
    while not file.is_file() or not file.read_text():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_several_at_once_each_with_its_end(tmp_path: Path) -> None:
    jobs = [
        Job("good", SLEEPER, {"steps": 3, "file": str(tmp_path / "good")}),
        Job("bad", SLEEPER, {"steps": 1, "file": str(tmp_path / "bad"), "status": 1}),
        Job("killed", SLEEPER, {"steps": 1, "file": str(tmp_path / "killed"), "kill": True}),
    ]
    heard: list[tuple[str, int, int]] = []
    ended: dict[str, int] = {}
    LocalPool(2, 1).run(
        jobs,
        lambda job, message: heard.append((job.name, message["done"], message["total"])),
        lambda job, status: ended.update({job.name: status}),
    )
    assert ended == {"good": 0, "bad": 1, "killed": -signal.SIGKILL}
    assert ("good", 3, 3) in heard
    assert "killed by signal 9" in how_it_ended(-9)
    assert how_it_ended(4) == "it ended with status 4"


@pytest.mark.parametrize("blocked", [False, True])
def test_a_child_is_stopped_once_and_saves(blocked: bool, tmp_path: Path) -> None:
    """Also where its parent blocks SIGINT, as the workers of Ray do."""
    change = signal.SIG_BLOCK if blocked else signal.SIG_UNBLOCK
    before = signal.pthread_sigmask(change, {signal.SIGINT})
    try:
        child = Child(SLEEPER, {"steps": LONG, "file": str(tmp_path / "file")}, told=True)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    with child:
        wait_for(tmp_path / "file")
        child.stop()
        assert child.wait(30) == STOPPED
        assert (tmp_path / "file").read_text() == "saved"


def test_a_pool_that_is_asked_to_stop_starts_no_more(tmp_path: Path) -> None:
    jobs = [Job(name, SLEEPER, {"steps": LONG, "file": str(tmp_path / name)}) for name in "abc"]

    def ask() -> None:
        for name in "ab":
            wait_for(tmp_path / name)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=ask).start()
    ended: list[str] = []
    with pytest.raises(KeyboardInterrupt):
        LocalPool(2, 1).run(jobs, lambda *_: None, lambda job, _: ended.append(job.name))
    assert ended == []
    assert {name: (tmp_path / name).read_text() for name in "ab"} == {"a": "saved", "b": "saved"}
    assert not (tmp_path / "c").exists()


def test_children_of_a_killed_parent_save_and_end(tmp_path: Path) -> None:
    code = (
        "from excision.jobs.pool import Job, LocalPool; "
        f"job = Job('a', {SLEEPER!r}, {{'steps': {LONG}, 'file': {str(tmp_path / 'a')!r}}}); "
        "LocalPool(1, 1).run([job], lambda *_: None, lambda *_: None)"
    )
    with subprocess.Popen([sys.executable, "-c", code], cwd=Path(__file__).parents[2]) as parent:
        wait_for(tmp_path / "a")
        parent.kill()
    deadline = time.monotonic() + 30
    while (tmp_path / "a").read_text() != "saved":
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_memory_and_cores_are_shared_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: range(16))
    monkeypatch.setattr(shares, "_memory_gib", lambda: 13.0)
    assert shares.share_out(100) == (4, 4)
    assert shares.share_out(2) == (2, 8)
    assert shares.share_out(100, workers=20) == (20, 1)
    assert shares.share_out(100, memory_gib=0.5) == (16, 1)
    assert shares.share_out(100, memory_gib=64) == (1, 16)
    assert shares.share_out(0) == (1, 16)

"""Copies of folders in object storage: one that is removed meanwhile is made again, not used half."""

from __future__ import annotations

import fcntl
import threading
import time
from pathlib import Path

from excision.storage import mirror
from excision.storage.mirror import _alone, _removed


def test_who_waits_for_a_copy_that_is_removed_gets_a_new_one(tmp_path: Path) -> None:
    home = tmp_path / ("0" * mirror._DIGITS)
    with _alone(home):
        (home / "old").touch()

    def use() -> None:
        with _alone(home):
            (home / "new").touch()

    with (home / mirror._UPDATE).open() as update:
        fcntl.flock(update, fcntl.LOCK_EX)
        waiting = threading.Thread(target=use)
        waiting.start()
        time.sleep(0.1)
        home.rename(tmp_path / "aside")
    waiting.join()
    assert (home / "new").exists() and not (home / "old").exists()


def test_a_copy_in_use_or_being_made_is_not_removed(tmp_path: Path) -> None:
    home = tmp_path / ("0" * mirror._DIGITS)
    with _alone(home):
        assert not _removed(home)
    with (home / mirror._USE).open("w") as use:
        fcntl.flock(use, fcntl.LOCK_SH)
        assert not _removed(home)
    assert _removed(home) and list(tmp_path.iterdir()) == []
    assert not _removed(home)


def test_what_a_killed_process_left_of_a_copy_is_removed(tmp_path: Path) -> None:
    leftover = tmp_path / f"{'0' * mirror._DIGITS}.4711.gone"
    others = [tmp_path / f"{'1' * mirror._DIGITS}", tmp_path / "photos.2026.gone"]
    for folder in (leftover, *others):
        folder.mkdir()
        (folder / "file").touch()
    mirror._make_room(others[0])
    assert not leftover.exists() and all((folder / "file").exists() for folder in others)

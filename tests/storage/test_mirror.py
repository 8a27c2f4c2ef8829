"""Copies of folders in object storage: one that is removed meanwhile is made again, not used half."""

from __future__ import annotations

import fcntl
import threading
import time
from pathlib import Path

import pytest

from excision.errors import DatasetError
from excision.storage import mirror
from excision.storage.mirror import _alone, _removed
from excision.storage.remote import RemoteFile


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


def test_what_another_process_removes_meanwhile_takes_no_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, other = (tmp_path / (digit * mirror._DIGITS) for digit in "01")
    for one in (home, other):
        with _alone(one):
            (one / "file").touch()

    def removed_meanwhile(folder: Path) -> list[Path]:
        if other.exists():
            other.rename(tmp_path / "aside")
        return [folder / "file"]

    monkeypatch.setattr(mirror, "_below", removed_meanwhile)
    mirror._make_room(home)
    assert (home / "file").exists()


def test_a_folder_becomes_a_file_and_a_file_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In object storage nothing tells them apart but the names of the files."""
    storage = pytest.importorskip("fsspec").filesystem("memory")
    monkeypatch.setenv(mirror.CACHE, str(tmp_path))
    for names in (["a/b/1.png", "c"], ["a/b", "c/1.png"], ["a/b/1.png", "a/b/2.png", "c"]):
        storage.pipe({f"/turned/{name}": name.encode() for name in names})
        copy = mirror.mirror("memory://turned")
        found = {str(path.relative_to(copy)): path.read_bytes() for path in mirror._below(copy)}
        assert found == {name: name.encode() for name in names}
        storage.rm("/turned", recursive=True)


def test_a_file_with_the_name_of_a_folder_is_named(tmp_path: Path) -> None:
    files = [RemoteFile(name, f"s3://plant/{name}", 1, "") for name in ("a", "a/1.png")]
    with pytest.raises(DatasetError, match=r"s3://plant/a/1\.png: there is also a file with the name"):
        mirror._update(tmp_path, files, {})

"""Files that are whole or not there."""

from __future__ import annotations

import hashlib
import os
import stat
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from excision.storage.folder import LocalFolder
from excision.system.files import (
    atomic_path,
    remove_leftovers,
    sha256,
    temporary_beside,
    write_bytes,
    write_json,
    write_tensors,
    write_text,
)
from tests.nursery import TRAINING, Program


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_new_content_takes_the_place_of_the_old(tmp_path: Path) -> None:
    target = tmp_path / "new" / "a.txt"
    write_text(target, "one\n")
    write_text(target, "zwei ä\n")
    assert target.read_bytes() == "zwei ä\n".encode()
    assert names(target.parent) == {"a.txt"}


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, SystemExit])
def test_a_failure_keeps_the_old_file_and_leaves_nothing_behind(
    tmp_path: Path, error: type[BaseException]
) -> None:
    target = tmp_path / "a.bin"
    write_bytes(target, b"old")

    def fail() -> None:
        with atomic_path(target) as temporary:
            temporary.write_bytes(b"half of the n")
            assert target.read_bytes() == b"old"
            raise error

    with pytest.raises(error):
        fail()
    assert target.read_bytes() == b"old"
    assert names(tmp_path) == {"a.bin"}


def test_the_temporary_file_is_hidden_beside_the_target_with_its_suffix(tmp_path: Path) -> None:
    with atomic_path(tmp_path / "picture.png") as temporary:
        assert temporary.parent == tmp_path
        assert temporary.suffix == ".png" and temporary.name.startswith(".")


def test_names_as_long_as_the_file_system_allows(tmp_path: Path) -> None:
    target = tmp_path / ("ä" * 120 + ".png")
    write_bytes(target, b"x")
    assert target.read_bytes() == b"x"


def test_result_is_readable_as_any_new_file_is(tmp_path: Path) -> None:
    write_text(tmp_path / "ours", "")
    (tmp_path / "plain").touch()
    assert (tmp_path / "ours").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_writing_never_opens_the_files_of_other_threads_to_everybody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The umask can only be read by changing it, for all threads of the process."""
    changed: list[int] = []

    def change(mask: int) -> int:
        changed.append(mask)
        return 0o022

    monkeypatch.setattr(os, "umask", change)
    write_text(tmp_path / "ours", "")
    LocalFolder(tmp_path).claim("plan.json", b"{}")
    assert changed == []


@pytest.mark.parametrize("mask", [0o022, 0o077, 0o002])
def test_the_umask_of_the_user_decides_who_reads(tmp_path: Path, mask: int) -> None:
    before = os.umask(mask)
    try:
        write_text(tmp_path / "written", "")
        LocalFolder(tmp_path).claim("claimed", b"")
    finally:
        os.umask(before)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    assert modes == dict.fromkeys(("written", "claimed"), 0o666 & ~mask)


def test_remove_leftovers_takes_only_what_a_killed_writer_left(tmp_path: Path) -> None:
    target = tmp_path / "checkpoint.safetensors"
    write_bytes(target, b"whole")
    others = {
        ".checkpoint-12345678.txt",
        ".model-12345678.safetensors",
        "checkpoint-12345678.safetensors",
        ".checkpoint-of-friday.safetensors",  # somebody's own
    }
    for name in {".checkpoint-a_3x0kq9.safetensors", ".checkpoint-0123abcd.safetensors", *others}:
        (tmp_path / name).touch()
    with atomic_path(tmp_path / "checkpoint-2.safetensors") as begun:
        remove_leftovers(target)
        assert names(tmp_path) == {"checkpoint.safetensors", begun.name, *others}
    remove_leftovers(tmp_path / "nowhere" / "a.txt")


def test_leftovers_of_several_files_are_removed_at_once(tmp_path: Path) -> None:
    folder, others = tmp_path / "masks", {".000-12345678.tif", ".002-12345678.png", ".001-12345678.png"}
    folder.mkdir()
    # The last has a suffix that is too long for a temporary name, which then has none.
    long = tmp_path / f"a.b.{'c' * 70}"
    targets = [tmp_path / "000.png", tmp_path / "001", folder / "000_mask.png", long]
    for name in others:
        (tmp_path / name).touch()
    for target in targets:
        temporary_beside(target)
    remove_leftovers(*targets)
    assert names(tmp_path) == {*others, "masks"}
    assert not names(folder)


WRITE_FOR_EVER = """
import sys
from pathlib import Path
import torch
from excision.system.files import write_tensors
while True:
    write_tensors(Path(sys.argv[1]), {"a": torch.ones(1 << 23)})
"""


def test_a_killed_writer_of_tensors_leaves_nothing_that_is_not_removed(tmp_path: Path) -> None:
    target = tmp_path / "a.safetensors"
    left = set()
    for delay in (0.005, 0.03, 0.06):
        with Program(["-c", WRITE_FOR_EVER, target], TRAINING) as process:
            deadline = time.monotonic() + 60
            while not any(path.name.startswith(".") for path in tmp_path.iterdir()):
                assert process.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.001)
            time.sleep(delay)
            process.kill()
        left |= names(tmp_path) - {target.name}
        remove_leftovers(target)
        assert names(tmp_path) <= {target.name}
    assert left, "no kill came while it wrote"
    write_tensors(target, {"a": torch.arange(3)})
    assert load_file(target)["a"].tolist() == [0, 1, 2]


def test_json_refuses_what_json_does_not_have(tmp_path: Path) -> None:
    target = tmp_path / "a.json"
    write_json(target, {"a": [1, None]})
    with pytest.raises(ValueError, match="JSON"):
        write_json(target, {"a": float("nan")})
    assert target.read_text() == '{\n  "a": [\n    1,\n    null\n  ]\n}\n'


def test_sha256(tmp_path: Path) -> None:
    content = os.urandom(3_000_000)
    write_bytes(tmp_path / "a", content)
    assert sha256(tmp_path / "a") == hashlib.sha256(content).hexdigest()

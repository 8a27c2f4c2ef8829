"""Listing images for a manifest: in the order of a plain inspection, each once, and those of tar files."""

from __future__ import annotations

import errno
import io
import os
import tarfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from excision.cluster.listing import list_entries, tar_entries, walk_images
from excision.data.listing import list_images
from excision.errors import DatasetError
from excision.storage.ahead import Reader, _bring
from excision.storage.entry import Entry, local_path
from excision.storage.fetch import fetch

NAMES = st.lists(
    st.lists(
        st.sampled_from(["a", "b", "a.png", "B.jpg", ".h", "c d", "a-", "z.txt"]), min_size=1, max_size=3
    ),
    max_size=12,
)


@given(names=NAMES)
def test_a_folder_is_walked_as_it_is_listed(
    names: list[list[str]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    root = tmp_path_factory.mktemp("walk")
    for parts in names:
        path = root.joinpath(*parts)
        if not path.exists() and all(not parent.is_file() for parent in path.parents):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch() if "." in path.name else path.mkdir()
    (root / "loop").symlink_to(root, target_is_directory=True)
    (root / "gone.png").symlink_to(root / "nowhere")
    assert list(walk_images(root)) == list_images(root).images


def test_an_image_that_is_named_twice_is_listed_once(tmp_path: Path) -> None:
    for name in ("a/1.png", "a/2.png", "b/3.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    sources = [tmp_path / "a" / "2.png", tmp_path / "a", tmp_path / "a" / "1.png", tmp_path / "b", tmp_path]
    found = [Path(entry.uri).name for entry in list_entries([*sources, tmp_path / "a" / "2.png"])]
    assert found == ["2.png", "1.png", "3.png"]


def test_pictures_of_results_are_passed_over_unless_they_are_named(tmp_path: Path) -> None:
    for name in ("1.png", "overlays/2.png", "inspection.json", "parts/part-000000.jsonl"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert list(walk_images(tmp_path)) == list_images(tmp_path).images == [tmp_path / "1.png"]
    named = list_entries([tmp_path, tmp_path / "overlays" / "2.png"])
    assert [Path(entry.uri).name for entry in named] == ["1.png", "2.png"]


def test_a_folder_of_results_is_passed_over(tmp_path: Path) -> None:
    for name in ("1.png", "out/overlays/1.png", "out/inspection.json", "out/parts/part-000000.jsonl"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    notes: list[str] = []
    assert [entry.uri for entry in list_entries([tmp_path], notes)] == [str(tmp_path / "1.png")]
    assert notes == [
        f"{tmp_path / 'out'}/ was passed over: Excision wrote it (the results of an inspection)."
    ]


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_images_in_tar_files_are_read_at_their_places(form: int, tmp_path: Path) -> None:
    contents = {f"{'long' * 20}/#{n:03d}.cls.png": os.urandom(n * 700) for n in range(40)}
    path = tmp_path / "shard-000.tar"
    with tarfile.open(path, "w", format=form) as archive:
        for name, content in contents.items():
            for other, text in ((name, content), (f"{name}.json", b"{}")):
                member = tarfile.TarInfo(other)
                member.size = len(text)
                archive.addfile(member, io.BytesIO(text))
        link = tarfile.TarInfo("link.png")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    entries = list(tar_entries(path))
    assert [entry.uri for entry in entries] == [f"{path}#{name.replace('#', '%23')}" for name in contents]
    found = [file.read_bytes() for file in Reader().read(entries) if isinstance(file, Path)]
    assert found == list(contents.values())


def test_tar_files_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    whole = tmp_path / "whole.tar"
    with tarfile.open(whole, "w") as archive:
        for name in "abc":
            member = tarfile.TarInfo(f"{name}.png")
            member.size = 3000
            archive.addfile(member, io.BytesIO(bytes(3000)))
    with tarfile.open(tmp_path / "packed.tar", "w:gz") as archive:
        archive.addfile(tarfile.TarInfo("a.png"))
    (tmp_path / "cut.tar").write_bytes(whole.read_bytes()[:5000])
    (tmp_path / "none.tar").write_bytes(b"x" * 4000)
    for name in ("packed", "cut", "none", "gone"):
        with pytest.raises(DatasetError, match=f"{name}.tar: cannot be read as an uncompressed tar"):
            list(tar_entries(tmp_path / f"{name}.tar"))


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a device that is always full")
def test_a_full_disk_is_no_fault_of_an_image(tmp_path: Path) -> None:
    fsspec = pytest.importorskip("fsspec")
    (tmp_path / "t.tar").write_bytes(bytes(100))
    fsspec.filesystem("memory").pipe("/full/a.png", bytes(100))
    target = tmp_path / "target"
    target.symlink_to("/dev/full")
    for image in (Entry(f"{tmp_path}/t.tar#a", offset=0, size=20), Entry("memory://full/a.png")):
        with pytest.raises(OSError, match="No space left"):
            _bring(image, target, fetch)


def test_a_quota_that_is_used_up_is_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "t.tar").write_bytes(bytes(100))

    def full(*_: object) -> None:
        raise OSError(errno.EDQUOT, "Disk quota exceeded")

    monkeypatch.setattr("excision.storage.fetch._copy", full)
    with pytest.raises(OSError, match="quota exceeded"):
        list(Reader().read([Entry(f"{tmp_path}/t.tar#a", offset=0, size=20)]))


def test_what_cannot_be_fetched_is_a_reason(tmp_path: Path) -> None:
    (tmp_path / "t.tar").write_bytes(bytes(100))
    entries = [
        Entry(f"{tmp_path}/t.tar#a", offset=90, size=20),
        Entry(f"{tmp_path}/t.tar#b", offset=10, size=20),
        Entry(f"{tmp_path}/gone.tar#c", offset=0, size=1),
        Entry(f"{tmp_path}/t.tar#d", offset=0, size=2**40),
        Entry(f"{tmp_path}/whole.png"),
    ]
    found = [file if isinstance(file, str) else file.name for file in Reader().read(entries)]
    assert "#a: the file ends before the image does" in found[0]
    assert found[1] == "1"
    assert "#c: cannot be read (No such file" in found[2]
    assert "#d: has more than 2048 MiB" in found[3]
    assert found[4] == "whole.png", "it is reported when it is opened"


def test_images_are_read_ahead_within_a_budget(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However far the readers could run, the disk holds the budget and what is under way at most."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    size, threads = 10_000, 4
    (tmp_path / "t.tar").write_bytes(os.urandom(60 * size))
    whole = (tmp_path / "t.tar").read_bytes()
    entries = [Entry(f"{tmp_path}/t.tar#{n}", offset=n * size, size=size) for n in range(60)]
    most = 0
    for number, path in enumerate(Reader(threads, budget=5 * size).read(entries)):
        assert isinstance(path, Path)
        assert path.read_bytes() == whole[number * size : (number + 1) * size]
        most = max(most, sum(file.stat().st_size for file in path.parent.iterdir()))
    assert size < most <= (5 + 1 + threads) * size
    assert list((tmp_path / "temporary").iterdir()) == []
    assert local_path(entries[0].file) == tmp_path / "t.tar"


def test_a_file_that_a_folder_does_not_stand_for_is_not_lost(tmp_path: Path) -> None:
    results = ("a/out/overlays/3.png", "a/out/inspection.json", "a/out/parts/part-000000.jsonl")
    for name in ("a/1.png", "a/.new/2.png", "a/plain", *results):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    sources = [tmp_path / "a" / name for name in (".new", "plain", "gone.png", "out/overlays/3.png", "1.png")]
    found = [Path(entry.uri).name for entry in list_entries([tmp_path / "a", *sources])]
    assert found == ["1.png", "2.png", "plain", "gone.png", "3.png"]


@pytest.mark.parametrize("size", ["77777777777\0", "-1", "\x80" + "\xff" * 11], ids=["8 GiB", "none", "huge"])
def test_a_tar_header_takes_no_memory_by_its_word(size: str, tmp_path: Path) -> None:
    """A long name says how long it is, in a field that may hold any number."""
    header = tarfile.TarInfo("././@LongLink")
    header.type = tarfile.GNUTYPE_LONGNAME
    content = bytearray(header.tobuf(tarfile.GNU_FORMAT))
    content[124:136] = size.encode("latin-1").ljust(12, b"\0")
    content[148:156] = b" " * 8
    content[148:156] = b"%06o\0 " % sum(content)
    (tmp_path / "t.tar").write_bytes(content + bytes(2048))
    with pytest.raises(DatasetError, match=r"t\.tar: cannot be read as an uncompressed tar"):
        list(tar_entries(tmp_path / "t.tar"))


def test_a_lance_data_set_is_no_folder_without_images(tmp_path: Path) -> None:
    folder = tmp_path / "images.lance"
    (folder / "_versions").mkdir(parents=True)
    with pytest.raises(DatasetError, match=r"images\.lance: a data set in Lance is not read directly"):
        list(list_entries([folder]))

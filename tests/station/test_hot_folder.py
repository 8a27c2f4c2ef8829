"""When a file is whole, what a look costs, and where files go."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from excision.data.image_names import IMAGE_SUFFIXES, is_image_name
from excision.station.hot_folder.folder import HotFolder, Phase
from excision.station.hot_folder.moving import free_path, move_file
from excision.station.hot_folder.scan import Found


class Followed:
    """A hot folder that is followed, and what was asked of the store."""

    def __init__(self, folder: Path, settle: float) -> None:
        self.asked: list[str] = []
        self.notes: list[str] = []
        self.done: set[str] = set()
        out = folder.parent / "out"
        self.folder = HotFolder(folder.resolve(), out, settle, self.phase, self.notes.append)

    def phase(self, found: Found) -> Phase:
        self.asked.append(found.shown)
        return "done" if found.shown in self.done else "settling"

    def look(self) -> list[str]:
        return [file.shown for file in self.folder.look()]


def test_a_file_is_ready_once_it_has_stayed_the_same(tmp_path: Path) -> None:
    hot = tmp_path / "hot"
    hot.mkdir()
    followed = Followed(hot, settle=0.2)
    (hot / "1.png").write_bytes(b"begun")
    assert followed.look() == []
    time.sleep(0.3)
    with (hot / "1.png").open("ab") as stream:
        stream.write(b", went on")
    assert followed.look() == []
    time.sleep(0.3)
    assert followed.look() == ["1.png"]


def test_a_file_must_settle_for_the_whole_time(tmp_path: Path) -> None:
    hot = tmp_path / "hot"
    hot.mkdir()
    (hot / "1.png").write_bytes(b"whole")
    followed = Followed(hot, settle=3600)
    assert [followed.look() for _ in range(3)] == [[], [], []]
    assert followed.folder.waiting == followed.folder.settling == 1


def test_the_oldest_file_goes_first(tmp_path: Path) -> None:
    import os

    hot = tmp_path / "hot"
    hot.mkdir()
    for number, name in enumerate(("c.png", "a.png", "b.png")):
        (hot / name).touch()
        os.utime(hot / name, ns=(number, number))
    followed = Followed(hot, settle=0)
    followed.look()
    time.sleep(0.01)
    assert followed.look() == ["c.png", "a.png", "b.png"]


def test_only_what_is_new_is_looked_up_and_what_has_gone_is_forgotten(tmp_path: Path) -> None:
    hot = tmp_path / "hot"
    hot.mkdir()
    for number in range(50):
        (hot / f"{number}.png").touch()
    followed = Followed(hot, settle=3600)
    followed.done = {f"{number}.png" for number in range(40)}
    for _ in range(3):
        followed.look()
    assert sorted(followed.asked) == sorted(f"{number}.png" for number in range(50))
    assert followed.folder.waiting == 10
    for number in range(45):
        (hot / f"{number}.png").unlink()
    followed.look()
    assert followed.folder.waiting == 5
    (hot / "0.png").touch()
    followed.look()
    assert len(followed.asked) == 51
    for number in range(1, 45):
        (hot / f"{number}.png").touch()
    followed.look()
    assert len(followed.asked) == 95


def test_a_folder_that_goes_and_comes_back(tmp_path: Path) -> None:
    hot = tmp_path / "hot"
    hot.mkdir()
    (hot / "1.png").touch()
    followed = Followed(hot, settle=0)
    followed.look()
    hot.rename(tmp_path / "away")
    assert followed.look() == followed.look() == []
    (note,) = followed.notes
    assert note.startswith(str(hot))
    (tmp_path / "away").rename(hot)
    followed.look()
    time.sleep(0.01)
    assert followed.look() == ["1.png"]


@given(st.text(st.sampled_from("aP.NGpng tif"), max_size=12).filter(lambda name: name.strip(".")))
def test_image_names_are_those_with_a_known_suffix(name: str) -> None:
    visible = not name.startswith(".")
    assert is_image_name(name) == (visible and Path(name).suffix.lower() in IMAGE_SUFFIXES)


names = st.lists(
    st.text(st.characters(codec="utf-8", exclude_characters="/\0"), min_size=1, max_size=80).filter(
        lambda name: name not in (".", "..")
    ),
    min_size=1,
    max_size=8,
)


@given(names, st.integers(0, 2))
def test_a_place_is_never_taken_twice(
    tmp_path_factory: pytest.TempPathFactory, stems: list[str], times: int
) -> None:
    folder = tmp_path_factory.mktemp("moving")
    wanted = [f"{stem}.png" for stem in stems for _ in range(times + 1)]
    wanted = [name for name in wanted if len(name.encode()) <= 255]
    for number, name in enumerate(wanted):
        source = folder / "source.png"
        source.write_text(str(number))
        place = free_path(folder / "good", name, mtime_ns=number % 2)
        move_file(source, place)
        assert not source.exists()
        assert place.read_text() == str(number)
    contents = sorted(int(path.read_text()) for path in (folder / "good").rglob("*"))
    assert contents == list(range(len(wanted)))


def test_another_file_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("one")
    (tmp_path / "b").write_text("two")
    with pytest.raises(FileExistsError):
        move_file(tmp_path / "a", tmp_path / "b")
    assert [(tmp_path / name).read_text() for name in "ab"] == ["one", "two"]

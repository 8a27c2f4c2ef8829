from __future__ import annotations

import math
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from excision.cameras.camera import open_camera
from excision.cameras.folder import FolderSettings
from excision.errors import CameraEndError, CameraError, SettingsError

WAIT = 60.0


def fill(folder: Path, count: int) -> list[Path]:
    folder.mkdir(exist_ok=True)
    paths = [folder / f"{number:03d}.png" for number in range(count)]
    for number, path in enumerate(paths):
        Image.fromarray(np.full((8, 16), number, np.uint8)).save(path)
    return paths


def test_every_image_of_a_folder_is_given_once_in_the_order_of_the_names(tmp_path: Path) -> None:
    paths = fill(tmp_path, 30)
    with closing(open_camera("front", FolderSettings(path=tmp_path, buffer=3))) as camera:
        camera.start()
        frames = [camera.grab(WAIT) for _ in paths]
        with pytest.raises(CameraEndError, match="no more pictures"):
            camera.grab(WAIT)
    assert [frame.source for frame in frames] == [str(path) for path in paths]
    assert [int(frame.pixels[0, 0]) for frame in frames] == list(range(30))
    assert [frame.number for frame in frames] == list(range(1, 31))
    assert sum(frame.dropped for frame in frames) == camera.state().dropped == 0
    assert camera.state().frames == 30


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_pixels_of_a_file_come_as_they_are_stored(tmp_path: Path, kind: type[np.uint8]) -> None:
    values = np.random.default_rng(0).integers(0, np.iinfo(kind).max + 1, (40, 50)).astype(kind)
    Image.fromarray(values).save(tmp_path / "a.png")
    with closing(open_camera("front", FolderSettings(path=tmp_path))) as camera:
        camera.start()
        pixels = camera.grab(WAIT).pixels
    assert pixels.dtype == kind
    assert np.array_equal(pixels, values)


def test_colours_have_three_channels(tmp_path: Path) -> None:
    values = np.random.default_rng(0).integers(0, 256, (8, 9, 3), dtype=np.uint8)
    Image.fromarray(values).save(tmp_path / "a.png")
    with closing(open_camera("front", FolderSettings(path=tmp_path))) as camera:
        camera.start()
        assert np.array_equal(camera.grab(WAIT).pixels, values)


def test_a_broken_file_is_counted_and_the_next_one_given(tmp_path: Path) -> None:
    paths = fill(tmp_path, 3)
    paths[1].write_bytes(paths[1].read_bytes()[:40])
    with closing(open_camera("front", FolderSettings(path=tmp_path))) as camera:
        camera.start()
        assert [camera.grab(WAIT).number for _ in range(2)] == [1, 3]
        with pytest.raises(CameraEndError):
            camera.grab(WAIT)
    state = camera.state()
    assert (state.frames, state.damaged, state.dropped) == (3, 1, 1)


def test_the_last_broken_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "broken.png").write_bytes(b"no image")
    with closing(open_camera("front", FolderSettings(path=tmp_path))) as camera:
        camera.start()
        with pytest.raises(CameraEndError, match=r"broken\.png.*not an image"):
            camera.grab(WAIT)


def test_what_nobody_grabs_in_time_is_dropped_and_counted(tmp_path: Path) -> None:
    fill(tmp_path, 40)
    settings = FolderSettings(path=tmp_path, rate=400, buffer=4)
    with closing(open_camera("front", settings)) as camera:
        camera.start()
        first = camera.grab(WAIT)
        while camera.state().connection != "ended":
            time.sleep(0.01)
        rest = [camera.grab(WAIT) for _ in range(4)]
        with pytest.raises(CameraEndError):
            camera.grab(WAIT)
    assert [frame.number for frame in rest] == [37, 38, 39, 40]
    assert rest[0].dropped == 36 - first.number
    assert camera.state().dropped == 35


def test_pictures_older_than_asked_for_are_passed_over(tmp_path: Path) -> None:
    fill(tmp_path, 5)
    with closing(open_camera("front", FolderSettings(path=tmp_path, loop=True, rate=100))) as camera:
        camera.start()
        time.sleep(0.1)
        now = time.time()
        frame = camera.grab(WAIT, since=now)
    assert frame.time >= now
    assert 10 < settled_rate(tmp_path) < 40


def test_pictures_between_two_triggers_are_not_counted_as_dropped(tmp_path: Path) -> None:
    fill(tmp_path, 5)
    settings = FolderSettings(path=tmp_path, loop=True, rate=200, buffer=2)
    with closing(open_camera("front", settings)) as camera:
        camera.start()
        camera.grab(WAIT, since=time.time())
        before = camera.state().dropped
        for _ in range(3):
            time.sleep(0.1)
            frame = camera.grab(WAIT, since=time.time())
            assert frame.dropped == 0
        assert camera.state().dropped == before
        camera.grab(WAIT)
        end = time.monotonic() + WAIT
        while camera.state().dropped == before:
            assert time.monotonic() < end
            time.sleep(0.01)


def test_an_image_that_waits_in_a_folder_answers_a_later_trigger(tmp_path: Path) -> None:
    fill(tmp_path, 5)
    with closing(open_camera("front", FolderSettings(path=tmp_path))) as camera:
        camera.start()
        time.sleep(0.2)
        for number in range(1, 6):
            now = time.time()
            frame = camera.grab(WAIT, since=now)
            assert frame.number == number
            assert frame.time >= now


def settled_rate(folder: Path) -> float:
    with closing(open_camera("front", FolderSettings(path=folder, loop=True, rate=20))) as camera:
        camera.start()
        time.sleep(1.0)
        return camera.state().rate


def test_a_folder_that_appears_later_is_found(tmp_path: Path) -> None:
    folder = tmp_path / "later"
    with closing(open_camera("front", FolderSettings(path=folder))) as camera:
        camera.start()
        end = time.monotonic() + WAIT
        while camera.state().connection == "connecting":
            assert time.monotonic() < end
            time.sleep(0.01)
        with pytest.raises(CameraError, match="there is no such folder"):
            camera.grab(0.3)
        assert camera.state().connection == "disconnected"
        fill(folder, 1)
        assert camera.grab(WAIT).number == 1
        assert camera.state().fault is None


def test_a_camera_that_was_not_started_says_so(tmp_path: Path) -> None:
    camera = open_camera("front", FolderSettings(path=tmp_path))
    with pytest.raises(CameraError, match="is not started"):
        camera.grab(1.0)
    camera.close()


def test_the_check_says_what_came(tmp_path: Path) -> None:
    fill(tmp_path, 1)
    assert FolderSettings(path=tmp_path).check() == f"{tmp_path}: a picture of 16 x 8 pixels, grey, 8 bits"
    with pytest.raises(CameraError, match="there is no such folder"):
        FolderSettings(path=tmp_path / "none").check()


@pytest.mark.parametrize(
    "wrong",
    [
        {"buffer": 0},
        {"rate": 0.0},
        {"strip_overlap": 4},
        {"strip_height": 4, "strip_overlap": 4},
        {"strip_row_mm": 0.1},
        {"strip_height": 4, "strip_row_mm": math.inf},
        {"strip_height": 4, "strip_row_mm": math.nan},
        {"strip_height": 4, "strip_length": 0},
    ],
)
def test_settings_out_of_range_are_named(wrong: dict[str, Any]) -> None:
    with pytest.raises(SettingsError, match=f"^{max(wrong)} "):
        FolderSettings(path=Path(), **wrong)

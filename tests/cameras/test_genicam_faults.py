from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import pytest

from excision.cameras.camera import Camera, CameraState, open_camera
from excision.cameras.genicam import GenicamSettings
from excision.errors import CameraError
from tests.cameras.fake_camera import ADDRESS, fake_camera, need_aravis, port_of_cameras

WAIT = 60.0


@pytest.fixture(scope="module", autouse=True)
def _port() -> Iterator[None]:
    need_aravis()
    with port_of_cameras():
        yield


def opened(**settings: Any) -> Camera:
    return open_camera("front", GenicamSettings(**{"device": ADDRESS, **settings}))


def test_pictures_with_lost_packets_are_dropped_and_counted() -> None:
    with fake_camera(lost=0.002):
        state = grabbed(resend=False)
    assert state.damaged > 0
    assert state.dropped >= state.damaged


def grabbed(**settings: Any) -> CameraState:
    with closing(opened(frame_rate=40.0, **settings)) as camera:
        camera.start()
        frames = [camera.grab(WAIT) for _ in range(40)]
        # Further ones may be lost before the camera says how many there are.
        state = camera.state()
    dropped = sum(frame.dropped for frame in frames)
    assert frames[-1].number == 40 + dropped and state.dropped >= dropped
    return state


def test_a_camera_that_dies_and_comes_back_is_taken_again() -> None:
    with closing(opened(frame_rate=25.0)) as camera:
        with fake_camera():
            camera.start()
            camera.grab(WAIT)
        with pytest.raises(CameraError, match=r"does not answer|no picture came|not connected"):
            while True:
                camera.grab(1.0)
        until(lambda: camera.state().connection == "disconnected")
        with fake_camera():
            until(lambda: camera.state().reconnects >= 1)
            now = time.time()
            assert camera.grab(WAIT, since=now).time >= now
            assert camera.state().fault is None


def until(condition: Callable[[], bool], seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_a_camera_that_a_killed_process_left_running_is_taken_over() -> None:
    script = (
        "from excision.cameras.genicam import GenicamSettings as S\n"
        f"camera = S(device={ADDRESS!r}, frame_rate=25.0).open('front')\n"
        "camera.start()\n"
        "camera.grab(120.0)\n"
        "print('grabbed', flush=True)\n"
        "camera.grab(120.0, since=2e9)\n"
    )
    with fake_camera():
        with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as killed:
            assert killed.stdout is not None
            assert killed.stdout.readline() == "grabbed\n"
            killed.kill()
        with closing(opened(frame_rate=25.0)) as camera:
            camera.start()
            frame = camera.grab(WAIT)
            assert frame.number == 1 + frame.dropped

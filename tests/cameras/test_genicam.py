from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from itertools import accumulate
from typing import Any

import numpy as np
import pytest

from excision.cameras.camera import Camera, open_camera
from excision.cameras.genicam import GenicamSettings
from excision.errors import CameraError, SettingsError
from tests.cameras.fake_camera import ADDRESS, fake_camera, need_aravis, port_of_cameras

WAIT = 60.0
# A picture of this size fits into the buffer of a socket: on a busy machine a larger one can lose packets.
SMALL = (0, 0, 128, 96)


@pytest.fixture(scope="module", autouse=True)
def _port() -> Iterator[None]:
    need_aravis()
    with port_of_cameras():
        yield


@pytest.fixture(scope="module")
def fake(_port: None) -> Iterator[None]:
    with fake_camera():
        yield


def opened(**settings: Any) -> Camera:
    return open_camera("front", GenicamSettings(**{"device": ADDRESS, **settings}))


@pytest.mark.usefixtures("fake")
def test_a_camera_that_runs_freely_gives_its_pictures() -> None:
    # Slower than it would be by itself: a busy machine makes the steps longer, and never shorter.
    with closing(opened(frame_rate=12.5)) as camera:
        camera.start()
        begun = time.time()
        frames = [camera.grab(WAIT) for _ in range(10)]
    assert [frame.number for frame in frames] == list(accumulate(1 + frame.dropped for frame in frames))
    assert all(frame.pixels.shape == (512, 512) and frame.pixels.dtype == np.uint8 for frame in frames)
    steps = np.diff([frame.time for frame in frames][2:])
    assert np.median(steps) > 0.07
    assert begun - 1 < frames[0].time <= time.time()
    assert camera.state().where == "Aravis Fake EXC1"


@pytest.mark.usefixtures("fake")
def test_every_pixel_format_of_the_camera_is_read() -> None:
    for form in ("Mono8", "Mono16", "BayerRG8", "BayerGR8", "BayerGB8", "BayerBG8", "RGB8"):
        with closing(opened(pixel_format=form, region=SMALL)) as camera:
            camera.start()
            pixels = camera.grab(WAIT).pixels
        assert pixels.shape == ((96, 128) if form.startswith("Mono") else (96, 128, 3))
        assert pixels.dtype == (np.uint16 if form == "Mono16" else np.uint8)
        assert pixels.std() > 0


@pytest.mark.usefixtures("fake")
def test_exposure_and_gain_change_the_picture() -> None:
    def mean(**settings: Any) -> float:
        with closing(opened(trigger="software", pixel_format="Mono8", region=SMALL, **settings)) as camera:
            camera.start()
            return float(camera.grab(WAIT).pixels.mean())

    short, long = mean(exposure_us=2000.0, gain=0.0), mean(exposure_us=10000.0, gain=0.0)
    louder = mean(exposure_us=2000.0, gain=6.0)
    assert long > 1.5 * short
    assert louder > 1.2 * short


@pytest.mark.usefixtures("fake")
def test_a_software_trigger_takes_one_picture_when_asked() -> None:
    with closing(opened(trigger="Software", region=SMALL)) as camera:
        camera.start()
        asked = []
        for _ in range(4):
            asked.append(time.time())
            frame = camera.grab(WAIT)
            assert frame.time >= asked[-1] - 0.005
            time.sleep(0.05)
        assert camera.state().frames == frame.number == 4


@pytest.mark.usefixtures("fake")
def test_a_hardware_trigger_waits_for_its_line() -> None:
    with closing(opened(trigger="Line0")) as camera:
        camera.start()
        end = time.monotonic() + WAIT
        while camera.state().connection != "connected":
            assert time.monotonic() < end
            time.sleep(0.01)
        with pytest.raises(CameraError, match="no picture came in time"):
            camera.grab(0.5)
        assert camera.state().connection == "connected"


@pytest.mark.usefixtures("fake")
@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"pixel_format": "Mono12p"}, "pixel_format Mono12p is none of its own: BayerBG8"),
        ({"exposure_us": 1e12}, r"exposure_us is 1e\+12: it takes 10 to 1e\+07"),
        ({"gain": 1000.0}, "gain is 1000: it takes 0 to 10"),
        ({"trigger": "Line7"}, "trigger Line7 is none of its own: Line0, Software"),
        ({"region": (0, 0, 9999, 9999)}, r"region \[0, 0, 9999, 9999\] is refused"),
        ({"features": {"NoSuchFeature": 1}}, "features.NoSuchFeature = 1 is refused"),
    ],
)
def test_what_the_camera_refuses_is_named(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(CameraError, match=said):
        GenicamSettings(device=ADDRESS, **wrong).check()


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"pixel_format": "Mono7"}, "^pixel_format: the pixel format Mono7 is unknown"),
        ({"exposure_us": 0.0}, "^exposure_us is 0"),
        ({"frame_rate": 5.0, "trigger": "software"}, "^frame_rate has no meaning"),
        ({"region": (1, 2, 3)}, "^region is"),
        ({"packet_size": 10}, "^packet_size is 10"),
    ],
)
def test_a_setting_out_of_range_is_named_without_a_camera(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        GenicamSettings(**wrong)


@pytest.mark.usefixtures("fake")
def test_only_gi_comes_from_the_folder_of_debian() -> None:
    script = (
        "import sys; from excision.cameras.aravis import load_aravis; load_aravis();"
        "print([path for path in sys.path if 'dist-packages' in path])"
    )
    shown = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert shown.stdout == "[]\n"
